"""The stage of the end-to-end tests, for stories told in bytes."""

from tests.e2e.conftest import backstage, open_stage

__all__ = ["backstage", "open_stage"]
