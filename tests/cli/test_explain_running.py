"""`segue explain` beside an instance that runs: how its breakers stand, and the keys that no file holds."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from proxy.master.status import ConfigurationStatus
from proxy.routing.standing import BreakerRow
from tests.cli.explaining import FIRST, configuration, text, told
from tests.cli.instances import serving
from tests.master.instance import MOMENT, TENANT, Scene, status
from tests.store.servers import running


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    place = tempfile.mkdtemp(prefix="segue-test-")
    monkeypatch.setenv("XDG_RUNTIME_DIR", place)
    yield
    shutil.rmtree(place)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return configuration(tmp_path)


@pytest.fixture
async def scene(file: Path) -> AsyncIterator[Scene]:
    with running() as server:
        async with serving(server, file) as found:
            yield found


async def test_breakers_as_the_instance_has_them(scene: Scene, file: Path):
    scene.master.told = {
        "worker 0": [BreakerRow(FIRST, "open", "breaker_open", 7.5, failures=5, credential="openai")],
        "worker 1": [BreakerRow("credential:anthropic", "half-open", "probe_pending", 0.5)],
    }
    explained = await told(file, "--model", "gpt")
    first, second = explained["candidates"]
    assert (first["breaker"]["state"], first["breaker"]["detail"]) == ("open", "breaker_open")
    assert first["breaker"]["retry_in_seconds"] == 7.5
    assert second["breaker"]["state"] == "closed"
    assert second["credential"]["state"] == "half-open"
    assert explained["instance"] == f"unix://{scene.control}"
    assert explained["notes"] == []
    shown = await text(file, "--model", "gpt")
    assert "       breaker   open (breaker_open), passed over for 7.5 s\n" in shown
    assert (
        "       breaker     closed\n       credential  anthropic: half-open (probe_pending), passed over for 0.5 s"
        in shown
    )


async def test_an_instance_that_did_not_take_the_file(scene: Scene, file: Path):
    told_wrong = ConfigurationStatus(number=1, loaded=MOMENT, tried=MOMENT, problems=["a:1: wrong"])
    scene.master.shown = status(configuration=told_wrong)
    [note] = (await told(file, "--model", "gpt"))["notes"]
    assert "still serves the configuration before this one" in note


async def test_an_instance_that_cannot_say(scene: Scene, file: Path):
    scene.master.shown = ConfigurationStatus(number=1, loaded=MOMENT, tried=MOMENT)  # type: ignore[assignment]
    explained = await told(file, "--model", "gpt")
    assert explained["instance"] is None
    assert any("does not say how its breakers stand" in note for note in explained["notes"])


async def test_of_two_instances_one_is_asked(scene: Scene, file: Path):
    async with serving(scene.server, file):
        explained = await told(file, "--model", "gpt")
    assert explained["instance"] == f"unix://{scene.control}"
    assert any("2 instances of this configuration run here" in note for note in explained["notes"])


async def test_a_key_of_the_store(scene: Scene, file: Path):
    key_id, secret = await scene.made(models=["gpt"])
    for key in (key_id, secret):
        assert (await told(file, "--model", "gpt", "--key", key))["tenant"] == "team-a"
        assert (await told(file, "--model", "mine", "--key", key, code=1))["refused"]["status"] == 403
    assert (await scene.ask("POST", f"/admin/keys/{key_id}/revoke")).status == 200
    assert (await told(file, "--model", "gpt", "--key", key_id, code=1))["refused"]["status"] == 401


async def test_a_key_of_the_file_that_was_revoked(scene: Scene, file: Path):
    assert (await scene.ask("POST", "/admin/keys/ab12cd34/revoke")).status == 200
    for key in ("ab12cd34", TENANT):
        assert (await told(file, "--model", "gpt", "--key", key, code=1))["refused"]["status"] == 401
