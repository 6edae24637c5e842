"""Who asks, and whether they may. Limits join here."""
