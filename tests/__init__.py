"""The tests; folders mirror those of proxy/."""
