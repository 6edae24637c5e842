"""The scripted upstream: a real HTTP server that imitates providers and misbehaves on request.

Imports nothing else of Segue.
"""
