"""Embeddings: one wire on both sides, passed through but for the model's name."""
