"""Configurations for tests: one that is right, and the means to break it in one place."""

from collections.abc import Mapping

from proxy.runtime.build import Configuration, load
from proxy.runtime.problems import ConfigurationError, Problem
from proxy.runtime.snapshot import Snapshot

SECRET = "a pepper for tests only"
HASH = "ab" * 32

RIGHT = f"""\
secret: {SECRET}
providers:
  openai:
    api_key: sk-openai
  anthropic:
    api_key: sk-anthropic
routes:
  gpt:
    candidates:
      - openai/gpt-6.1-sol
      - anthropic/claude-opus-5-5
tenants:
  team-a:
    keys:
      - {{id: ab12cd34, hash: {HASH}}}
"""


def no_files(path: str) -> str:
    raise FileNotFoundError(2, "No such file or directory", path)


def configured(text: str, environment: Mapping[str, str] | None = None) -> Configuration:
    return load(text, environment or {}, no_files)


def loaded(text: str, environment: Mapping[str, str] | None = None) -> Snapshot:
    return configured(text, environment).snapshot


def problems(text: str, environment: Mapping[str, str] | None = None) -> list[Problem]:
    """Every mistake in `text`; empty when there is none."""
    try:
        loaded(text, environment)
    except ConfigurationError as error:
        return error.problems
    return []


def changed(old: str, becomes: str) -> str:
    """RIGHT with one passage replaced, which must be there once."""
    assert RIGHT.count(old) == 1, old
    return RIGHT.replace(old, becomes)
