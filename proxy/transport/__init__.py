"""The upstream edge: one small interface (`exchange.py`) and the client behind it."""
