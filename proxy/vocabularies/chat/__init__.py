"""Chat Completions: the wire most providers speak, in both roles. The only export is `vocabulary.CHAT`."""
