"""The commands of `segue`, one module each; only the one that was asked for is imported."""
