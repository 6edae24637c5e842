"""`segue breakers` against an instance that runs."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from proxy.routing.standing import BreakerRow
from proxy.telemetry import log
from tests.cli.instances import places, segue, serving
from tests.master.instance import CONFIGURATION, Scene
from tests.master.test_admin_breakers import CLAUDE, GPT, UNTIL
from tests.store.servers import running


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    log.configure("error")
    with places(monkeypatch):
        yield
    log.configure("info")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "segue.yaml"
    path.write_text(CONFIGURATION)
    return path


@pytest.fixture
async def scene(file: Path) -> AsyncIterator[Scene]:
    with running() as server:
        async with serving(server, file) as found:
            found.master.told = {
                "worker 0": [
                    BreakerRow(GPT, "open", "forced_open", 59.6, 3, 4, UNTIL, "openai"),
                    BreakerRow(CLAUDE, "closed", "cooling_down", 2.0, 0, 7, None, "anthropic"),
                ],
                "worker 1": [BreakerRow(CLAUDE, "closed", "", 0.0, 0, 5, None, "anthropic")],
            }
            yield found


LISTED = """\
name                       state   detail        retry in  failures  successes  forced until          says who
anthropic/claude-opus-5-5  closed  cooling_down  2 s       0         12         -                     worker 0
openai/gpt-6.1-sol         open    forced_open   60 s      3         4          2030-03-17T17:46:40Z  all
credential:anthropic       closed  -             -         0         0          -                     -
credential:openai          closed  -             -         0         0          -                     -
"""


async def test_the_list(scene: Scene, file: Path):
    shown = await segue("breakers", "list", "-c", str(file))
    assert (shown.exit_code, shown.stdout) == (0, LISTED)
    told = await segue("breakers", "list", "--json", "-c", str(file))
    assert json.loads(told.stdout)["breakers"][1]["said_by"] == ["worker 0"]


async def test_forcing_and_resetting(scene: Scene, file: Path):
    shown = await segue("breakers", "open", GPT, "-c", str(file))
    assert (shown.exit_code, shown.stdout) == (0, f"{GPT} is open (forced_open) until 2030-03-17T17:46:40Z\n")
    await segue("breakers", "open", "credential:openai", "--seconds", "90", "-c", str(file))
    shown = await segue("breakers", "reset", CLAUDE, "-c", str(file))
    assert (shown.exit_code, shown.stdout) == (0, f"{CLAUDE} is closed (cooling_down)\n")
    assert scene.master.ordered == [
        ("force_open", GPT, 600.0),
        ("force_open", "credential:openai", 90.0),
        ("reset_breaker", CLAUDE),
    ]


async def test_who_is_missing_is_named(scene: Scene, file: Path):
    scene.master.missing = ["worker 1", "other replicas (timeout)"]
    shown = await segue("breakers", "open", GPT, "-c", str(file))
    assert shown.exit_code == 3
    assert shown.stderr == "segue: done, but not acknowledged yet by: worker 1, other replicas (timeout)\n"
    workers = [worker.model_copy(update={"pulse_age_seconds": 9.0}) for worker in scene.master.shown.workers]
    scene.master.shown = scene.master.shown.model_copy(update={"workers": workers})
    shown = await segue("breakers", "list", "-c", str(file))
    assert (shown.exit_code, shown.stdout) == (3, LISTED)
    assert shown.stderr == "segue: nothing new was heard of: worker 0, worker 1\n"


async def test_an_unknown_name(scene: Scene, file: Path):
    shown = await segue("breakers", "reset", "gpt", "-c", str(file))
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert f"There is no target or credential 'gpt'. There are: {CLAUDE}, {GPT}," in shown.stderr


@pytest.mark.parametrize("seconds", ["0", "86401", "long"])
async def test_a_time_that_cannot_be(scene: Scene, file: Path, seconds: str):
    shown = await segue("breakers", "open", GPT, "--seconds", seconds, "-c", str(file))
    assert shown.exit_code == 2
    assert scene.master.ordered == []
