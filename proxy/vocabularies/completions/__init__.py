"""Text completions, the older wire, for clients only. The only export is `vocabulary.COMPLETIONS`."""
