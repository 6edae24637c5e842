"""Runs a script of tests/node with the Node of this environment."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.e2e.harness import Stage

_SCRIPTS = Path(__file__).resolve().parents[1] / "node"
_NODE = Path(sys.executable).parent / "node"
_SECONDS = 45


def run(script: str, stage: Stage, routes: Iterable[str], tools: Any = None, headers: Any = None) -> Any:
    """What the script says of these routes of `stage`; AssertionError with its complaint if it fails."""
    scenario = {"url": stage.url, "key": stage.key, "routes": list(routes), "headers": headers or {}}
    scenario |= {"tools": tools} if tools else {}
    finished = subprocess.run(
        [str(_NODE), str(_SCRIPTS / script), json.dumps(scenario)],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)
