"""`segue status`: what a person sees of an instance, and what a program does."""

import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal

import pytest

from proxy.cli.status import described
from proxy.master.status import BreakerStatus, ConfigurationStatus, Status, StoreStatus, WorkerStatus
from tests.cli.instances import segue, serving
from tests.cli.test_processes import imported
from tests.master.instance import CONFIGURATION, MOMENT, Scene, status
from tests.store.servers import running


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    place = tempfile.mkdtemp(prefix="segue-test-")
    monkeypatch.setenv("XDG_RUNTIME_DIR", place)
    yield
    shutil.rmtree(place)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "segue.yaml"
    path.write_text(CONFIGURATION)
    return path


@pytest.fixture
async def scene(file: Path) -> AsyncIterator[Scene]:
    with running() as server:
        async with serving(server, file) as found:
            yield found


WELL = """\
segue 0.1.0, master 999, serving, up for 3 h 1 min
configuration 1, of segue.yaml, loaded 2027-01-31 12:00:00 UTC

workers: 2 of 2 serve; requests in flight: 1
  name      pid   state    in flight  connections  configuration  last pulse
  worker 0  1000  serving  0          3            1              0.2 s ago
  worker 1  1001  serving  1          3            1              0.2 s ago

store
  embedded at unix:///run/store.sock, up for 50 s, pid 1001
  keeps what it holds (append-only file)
"""


async def test_all_is_well(scene: Scene, file: Path):
    shown = await segue("status", "-c", str(file))
    assert (shown.exit_code, shown.stdout) == (0, WELL)


async def test_json_is_the_whole_status_on_a_line(scene: Scene, file: Path):
    shown = await segue("status", "--json", "-c", str(file))
    assert Status.model_validate(json.loads(shown.stdout)) == status()
    assert shown.stdout.count("\n") == 1


async def test_every_instance_of_the_file_is_shown(scene: Scene, file: Path):
    async with serving(scene.server, file) as other:
        other.master.shown = status(pid=5, state="draining")
        shown = await segue("status", "-c", str(file))
        assert shown.stdout.count("\nworkers: ") == 2
        assert "\n\nsegue 0.1.0, master 5, draining, up" in shown.stdout
        told = await segue("status", "--json", "-c", str(file))
        assert [json.loads(line)["pid"] for line in told.stdout.splitlines()] == [999, 5]


async def test_without_a_file_the_directory_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with running() as server:
        async with serving(server, None):
            assert (await segue("status")).stdout == WELL
        assert (await segue("status")).exit_code == 2


async def test_without_a_file_all_of_ours_are_shown(scene: Scene):
    assert (await segue("status")).stdout == WELL


@pytest.mark.parametrize(("kind", "word"), [("single", "Redis"), ("sentinel", "Sentinel"), ("cluster", "Cluster")])
def test_a_store_of_ones_own(kind: Literal["single", "sentinel", "cluster"], word: str):
    store = StoreStatus(kind=kind, address="redis://h:1", is_up=True, since_seconds=5, restarts=1)
    shown = "\n".join(described(status(store=store)))
    assert f"  {word} at redis://h:1, up for 5 s, restarted once" in shown


def test_workers_drain_with_their_master():
    workers = [WorkerStatus(name="worker 0", pid=7, state="draining")]
    assert "workers: 1 of 2 drain;" in "\n".join(described(status(state="draining", workers=workers)))


async def test_a_status_of_another_version(scene: Scene, file: Path):
    scene.master.shown = ConfigurationStatus(number=1, loaded=MOMENT, tried=MOMENT)  # type: ignore[assignment]
    shown = await segue("status", "-c", str(file))
    assert shown.exit_code == 2
    assert "another version" in shown.stderr


def test_what_is_wrong_is_said():
    store = StoreStatus(
        kind="embedded",
        address="unix:///s",
        is_up=False,
        problem="timeout",
        since_seconds=90_061,
        not_kept="no file",
        refuses_writes="MISCONF",
        revocations_problem="full",
        restarts=2,
        quarantined=["/data/quarantine-1"],
    )
    configuration = ConfigurationStatus(
        number=3, loaded=MOMENT, tried=MOMENT.replace(minute=5), problems=["a:1: wrong", "a:2: bad"], waiting=["store"]
    )
    shown = "\n".join(
        described(
            status(
                store=store,
                configuration=configuration,
                workers=[
                    WorkerStatus(name="worker 0", pid=7, state="starting"),
                    WorkerStatus(name="worker 1", pid=8, state="serving", store_problem="refused"),
                ],
                breakers=[
                    BreakerStatus(name="azure/gpt", state="open", detail="forced_open", retry_in_seconds=90),
                    BreakerStatus(name="credential:groq", state="half-open", detail="probe_pending"),
                    BreakerStatus(name="groq/l", state="closed", detail="cooling_down", retry_in_seconds=2.4),
                ],
            )
        )
    )
    for words in (
        "configuration 3, of the environment, loaded 2027-01-31 12:00:00 UTC\n",
        "  the reload of 2027-01-31 12:05:00 UTC failed:\n    a:1: wrong\n    a:2: bad\n",
        "  changed, but not before the next start: store\n",
        "workers: 1 of 2 serve",
        "  worker 0  7    starting  -          -            -              -\n",
        "  embedded at unix:///s, down (timeout) for 1 d 1 h, restarted 2 times\n",
        "  keeps nothing: no file\n",
        "  takes no changes: MISCONF\n",
        "  the list of revocations cannot be written: full\n",
        "  data that could not be read: /data/quarantine-1\n",
        "  worker 1 does not reach it (refused)\n",
        "\nbreakers\n"
        "  azure/gpt        open       forced_open    for 1 min 30 s\n"
        "  credential:groq  half-open  probe_pending\n"
        "  groq/l           closed     cooling_down   for 2 s",
    ):
        assert words in shown


@pytest.mark.parametrize("command", ["status", "breakers", "keys", "tenants", "reload"])
def test_asking_an_instance_takes_no_server(command: str):
    assert imported(command, "--help").isdisjoint({"aiohttp", "uvloop", "rich", "proxy.app"})
