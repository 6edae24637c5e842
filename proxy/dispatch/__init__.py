"""Before the commit point: the one attempt loop, whatever the vocabulary, streaming or not."""
