"""A configuration to explain, and `segue explain` run on it."""

import json
from pathlib import Path
from typing import Any

from tests.cli.instances import segue
from tests.master.instance import CONFIGURATION

FIRST, SECOND = "openai/gpt-6.1-sol", "anthropic/claude-opus-5-5"
ROUTES = """\
routes:
  steps:
    affinity: header:X-Session
    candidates:
      - openai/gpt-6.1-sol
      - any:
          - {provider: openai, model: a, weight: 3}
          - {provider: openai, model: b}
          - {provider: openai, model: c, weight: 0}
      - {choose: least_loaded, any: [anthropic/claude-opus-4-5, anthropic/claude-sonnet-4-5]}
    midstream: continue
    hedging: 2
    retries: {same_target: 0}
  mine: {affinity: key, candidates: [{any: [openai/a, openai/b]}]}
  closed: {candidates: [openai/gpt-6.1-sol], midstream: restart}
  blind: {candidates: [{provider: anthropic, model: claude-opus-5-5, name: blind, images: false}, openai/a]}
  vectors: {dimensions: 8, candidates: [openai/text-embedding-3-small]}
"""


def configuration(folder: Path) -> Path:
    """A file with these routes, whose key may use two of them."""
    path = folder / "segue.yaml"
    text = CONFIGURATION.replace("routes:\n", ROUTES)
    path.write_text(text.replace("{id: ab12cd34,", "{id: ab12cd34, models: [gpt, mine],"))
    return path


async def told(file: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    shown = await segue("explain", "--json", "-c", str(file), *arguments)
    assert shown.exit_code == code, shown.output
    explained = json.loads(shown.stdout)
    assert isinstance(explained, dict)
    return explained


async def text(file: Path, *arguments: str, code: int = 0) -> str:
    shown = await segue("explain", "-c", str(file), *arguments)
    assert shown.exit_code == code, shown.output
    return shown.stdout


def ranks(explained: dict[str, Any]) -> list[tuple[int, str]]:
    return [(each["rank"], each["target"]) for each in explained["candidates"]]
