"""Configuration: the YAML file becomes an immutable snapshot, or a list of mistakes with lines and remedies."""
