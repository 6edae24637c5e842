"""Decisions without effects: who may serve a request, what a failure means, whether a target is worth asking."""
