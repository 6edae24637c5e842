"""The vocabularies the upstream speaks, one speaker each."""
