"""What all vocabularies share: framing, the decoder's guarantees, field reading, the parameter table's mechanism."""
