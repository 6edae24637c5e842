"""The Messages vocabulary: API version 2023-06-01."""
