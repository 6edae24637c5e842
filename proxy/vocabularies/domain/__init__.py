"""The domain vocabulary: our own event stream, spoken towards clients only (contract §2)."""
