"""The second port beside /admin: metrics in two formats, liveness, readiness; who listens where."""

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.master.operations import OperationsServer, prefers_openmetrics
from proxy.master.readiness import judge
from proxy.master.status import BreakerStatus, ConfigurationStatus, StoreStatus, WorkerStatus
from tests.master.instance import CONFIGURATION, MOMENT, Scene, playing, snapshot_of, status
from tests.store.servers import running

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


FORCED = "breaker of gpt is open (forced_open)"


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    with running() as server:
        async with playing(server) as found:
            yield found


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("application/openmetrics-text", True),
        ("Application/OpenMetrics-Text; version=1.0.0; charset=utf-8", True),
        (PROMETHEUS, True),
        ("application/openmetrics-text;q=0.2,text/plain;q=0.5", False),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.2", True),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=much", False),
        (";;,,=;q", False),
    ],
)
def test_the_format_of_metrics_goes_by_what_is_accepted(accept: str, expected: bool):
    assert prefers_openmetrics(accept) is expected


async def test_metrics_in_either_format(scene: Scene):
    shown = await scene.ask("GET", "/metrics", key=None)
    assert (shown.status, shown.body) == (200, b"# text\n")
    assert shown.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    asked = f"GET /metrics HTTP/1.1\r\nhost: x\r\naccept: {PROMETHEUS}\r\nconnection: close\r\n\r\n"
    told = await asyncio.to_thread(scene.raw, asked.encode())
    assert told.endswith(b"# openmetrics\n")
    assert b"application/openmetrics-text; version=1.0.0; charset=utf-8" in told


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/healthz/"])
async def test_what_is_read_cannot_be_written(scene: Scene, path: str):
    assert (await scene.ask("HEAD", path, key=None)).status == 200
    refused = await scene.ask("POST", path, key=None)
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


async def test_an_unknown_path_lists_what_exists(scene: Scene):
    refused = await scene.ask("GET", "/metric", key=None)
    assert refused.status == 404
    assert "/metrics, /healthz, /readyz, /admin" in refused.message


async def test_what_is_no_http_is_answered_without_repeating_it(scene: Scene):
    told = await asyncio.to_thread(scene.raw, b"GET / HTTP/1.1\r\nbad header sg-secret\r\n\r\n")
    assert b" 400 " in told.partition(b"\r\n")[0]
    assert b'{"error":{"message":"The request is not valid HTTP.","field":null}}' in told
    assert b"sg-secret" not in told


async def test_a_bug_is_answered_and_logged(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(scene.master, "exposition", lambda is_openmetrics: 1 // 0)
    failed = await scene.ask("GET", "/metrics", key=None)
    assert (failed.status, failed.message) == (500, "An internal error occurred; the log has more.")
    assert "ZeroDivisionError" in capsys.readouterr().err


async def test_readiness_tells_what_is_degraded(scene: Scene):
    ready = await scene.ask("GET", "/readyz", key=None)
    assert (ready.status, ready.body) == (200, {"status": "ok", "degraded": []})
    scene.master.shown = status(breakers=[BreakerStatus(name="gpt", state="open", detail="forced_open")])
    degraded = await scene.ask("GET", "/readyz", key=None)
    assert (degraded.status, degraded.body) == (200, {"status": "degraded", "degraded": [FORCED]})
    scene.master.shown = status(state="draining")
    draining = await scene.ask("GET", "/readyz", key=None)
    assert (draining.status, draining.body["status"]) == (503, "draining")
    assert (await scene.ask("GET", "/healthz", key=None)).body == {"status": "ok"}


async def test_the_control_socket_is_its_owners_alone(scene: Scene):
    assert stat.S_IMODE(scene.control.stat().st_mode) == 0o600
    assert (await scene.ask_locally("GET", "/healthz")).status == 200


async def test_a_socket_left_over_is_replaced_and_none_is_left(scene: Scene, tmp_path: Path):
    place = scene.control.with_name("again.sock")
    place.touch()
    operations = OperationsServer(scene.master, place)
    await operations.start("127.0.0.1", 0)
    assert stat.S_ISSOCK(place.stat().st_mode)
    await operations.stop()
    assert not place.exists()


async def test_a_port_in_use_is_an_error(scene: Scene):
    operations = OperationsServer(scene.master, scene.control.with_name("other.sock"))
    with pytest.raises(OSError, match=str(scene.port)):
        await operations.start("127.0.0.1", scene.port)
    await operations.stop()


STORE = status().store
WORKERS = status().workers
BREAKERS = [
    BreakerStatus(name="gpt", state="half-open", detail="probe_pending"),
    BreakerStatus(name="claude", state="closed", detail="cooling_down", retry_in_seconds=3),
]
WITHOUT_KEYS = CONFIGURATION[: CONFIGURATION.index("tenants:")] + CONFIGURATION[CONFIGURATION.index("operations:") :]


def store(**changed: object) -> StoreStatus:
    return STORE.model_copy(update=changed)


def worker(**changed: object) -> WorkerStatus:
    return WORKERS[1].model_copy(update=changed)


def configuration(**changed: object) -> ConfigurationStatus:
    told = ConfigurationStatus(number=1, file="segue.yaml", loaded=MOMENT, tried=MOMENT)
    return told.model_copy(update=changed)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"workers": WORKERS[:1]}, "1 of 2 workers serve"),
        ({"workers": [WORKERS[0], worker(snapshot=0)]}, "configuration 1 is not served by worker 1"),
        ({"workers": [WORKERS[0], worker(store_problem="timeout")]}, "the store is not reached by worker 1"),
        ({"configuration": configuration(problems=["a:3: wrong", "b"])}, "the last reload failed: a:3: wrong; b"),
        ({"store": store(is_up=False, problem="refused")}, "the store cannot be reached (refused)"),
        ({"store": store(not_kept="no file")}, "the store keeps nothing: no file"),
        ({"store": store(refuses_writes="MISCONF")}, "the store takes no changes: MISCONF"),
        ({"store": store(revocations_problem="full")}, "revocations are not kept outside the store: full"),
        ({"store": store(quarantined=["/q"])}, "data of the store could not be read and lie in /q"),
        ({"breakers": BREAKERS}, "breaker of gpt is half-open (probe_pending)"),
    ],
)
def test_everything_worth_telling_is_told_and_serves_on(changed: dict[str, object], told: str):
    readiness = judge(status(**changed), snapshot_of(CONFIGURATION))
    assert (readiness.refusal, readiness.degraded) == ("", (told,))


@pytest.mark.parametrize(
    ("changed", "text", "refusal"),
    [
        ({"state": "starting"}, CONFIGURATION, "starting"),
        ({"state": "draining"}, CONFIGURATION, "draining"),
        ({"workers": [worker(state="starting", snapshot=None)]}, CONFIGURATION, "no worker serves"),
        ({"store": store(is_up=False, since_seconds=3600)}, CONFIGURATION, ""),
        ({}, WITHOUT_KEYS, ""),
        ({"store": store(is_up=False, since_seconds=59)}, WITHOUT_KEYS, ""),
        (
            {"store": store(is_up=False, since_seconds=61)},
            WITHOUT_KEYS,
            "all keys are in the store, and it cannot be reached",
        ),
    ],
)
def test_it_is_not_ready_only_where_nobody_can_be_served(changed: dict[str, object], text: str, refusal: str):
    assert judge(status(**changed), snapshot_of(text)).refusal == refusal
