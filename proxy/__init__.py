"""Segue: a streaming proxy for language models. This package is what `segue` runs."""

__version__ = "0.1.0"
