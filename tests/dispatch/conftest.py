"""A real store behind the breakers."""

from tests.store.conftest import binary, server

__all__ = ["binary", "server"]
