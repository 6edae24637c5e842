"""The speed measurements: an upstream, a bare pass-through proxy, a load generator and the paired arithmetic on top."""
