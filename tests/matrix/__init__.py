"""`./dev chaos`: every fault of the scripted upstream, in every vocabulary, under every mid-stream policy."""
