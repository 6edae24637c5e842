"""Providers as facts: who speaks which vocabulary where, and how each deviates. Pure values, no behaviour."""
