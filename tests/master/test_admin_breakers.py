"""/admin/breakers: what the workers say is shown, one by one and as one; orders go out and are answered for."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from proxy.master.breaker_views import names_of, unwell, view_of
from proxy.master.status import BreakerStatus
from proxy.routing.standing import BreakerRow
from proxy.telemetry import log
from tests.master.instance import CONFIGURATION, Scene, playing, snapshot_of
from tests.master.test_admin import audited
from tests.store.servers import running

GPT, CLAUDE = "openai/gpt-6.1-sol", "anthropic/claude-opus-5-5"
UNTIL = 1_900_000_000.0
NAMES = [CLAUDE, GPT, "credential:anthropic", "credential:openai"]


@pytest.fixture(autouse=True)
def _own_logging() -> None:
    log.configure("info")


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    with running() as server:
        async with playing(server) as found:
            yield found


def path(name: str, action: str = "") -> str:
    return f"/admin/breakers/{quote(name, safe='')}{action}"


def row(target: str, state: str = "closed", detail: str = "", **more: Any) -> BreakerRow:
    return BreakerRow(target, state, detail, **more)


async def test_what_nobody_has_asked_for_is_closed(scene: Scene):
    listed = await scene.ask("GET", "/admin/breakers")
    assert (listed.status, listed.body["missing"]) == (200, [])
    assert [breaker["name"] for breaker in listed.body["breakers"]] == NAMES
    assert {breaker["state"] for breaker in listed.body["breakers"]} == {"closed"}
    assert [breaker["credential"] for breaker in listed.body["breakers"]] == ["anthropic", "openai", None, None]


async def test_workers_are_shown_one_by_one_and_as_one(scene: Scene):
    scene.master.told = {
        "worker 0": [row(GPT, "closed", "slow_start", retry_in=0.4, failures=1, successes=9, credential="openai")],
        "worker 1": [
            row(GPT, "open", "forced_open", retry_in=59.9996, failures=3, forced_until=UNTIL, credential="openai"),
            row("credential:openai", "open", "credential_rejected", retry_in=12.0),
            row("gone/since", "open", "breaker_open"),
        ],
    }
    shown = await scene.ask("GET", path(GPT))
    assert shown.status == 200
    assert shown.body["breaker"] == {
        "name": GPT,
        "credential": "openai",
        "state": "open",
        "detail": "forced_open",
        "retry_in_seconds": 60.0,
        "forced_until": "2030-03-17T17:46:40Z",
        "failures": 4,
        "successes": 9,
        "said_by": ["worker 1"],
        "workers": [
            {
                "worker": "worker 0",
                "state": "closed",
                "detail": "slow_start",
                "retry_in_seconds": 0.4,
                "forced_until": None,
                "failures": 1,
                "successes": 9,
            },
            {
                "worker": "worker 1",
                "state": "open",
                "detail": "forced_open",
                "retry_in_seconds": 60.0,
                "forced_until": "2030-03-17T17:46:40Z",
                "failures": 3,
                "successes": 0,
            },
        ],
    }
    listed = (await scene.ask("GET", "/admin/breakers")).body["breakers"]
    assert [breaker["name"] for breaker in listed] == NAMES, "what was taken out of the file is not shown"
    credential = listed[-1]
    assert (credential["state"], credential["detail"], credential["credential"]) == (
        "open",
        "credential_rejected",
        None,
    )


@pytest.mark.parametrize(
    ("rows", "worst"),
    [
        ([row(GPT), row(GPT, "half-open", "probe_pending")], ("half-open", "probe_pending", 0)),
        ([row(GPT, "half-open"), row(GPT, "open", "breaker_open", retry_in=2.0)], ("open", "breaker_open", 2)),
        ([row(GPT), row(GPT, "closed", "cooling_down", retry_in=5.0)], ("closed", "cooling_down", 5)),
        (
            [row(GPT, "open", "breaker_open", retry_in=9.0), row(GPT, "open", "breaker_open", retry_in=3.0)],
            ("open", "breaker_open", 9),
        ),
    ],
)
def test_as_one_they_are_the_worst_of_them(rows: list[BreakerRow], worst: tuple[str, str, float]):
    for order in (rows, rows[::-1]):
        told = {f"worker {slot}": [each] for slot, each in enumerate(order)}
        view = view_of(GPT, "openai", told)
        assert (view.state, view.detail, view.retry_in_seconds) == worst


def test_the_status_tells_of_those_that_refuse_somebody():
    snapshot = snapshot_of(CONFIGURATION)
    told = {
        "worker 0": [row(GPT), row(CLAUDE, "closed", "cooling_down", retry_in=2.0)],
        "worker 1": [row(CLAUDE), row("credential:openai", "half-open", "probe_pending"), row("gone/x", "open")],
    }
    assert unwell(told, snapshot) == [
        BreakerStatus(name=CLAUDE, state="closed", detail="cooling_down", retry_in_seconds=2.0),
        BreakerStatus(name="credential:openai", state="half-open", detail="probe_pending"),
    ]
    assert list(names_of(snapshot)) == NAMES


async def test_who_has_not_spoken_for_a_while_is_missing(scene: Scene):
    workers = [
        worker.model_copy(update={"pulse_age_seconds": age})
        for worker, age in zip(scene.master.shown.workers, (3.5, None), strict=True)
    ]
    scene.master.shown = scene.master.shown.model_copy(update={"workers": workers})
    for asked in ("/admin/breakers", path(GPT)):
        reply = await scene.ask("GET", asked)
        assert (reply.status, reply.body["missing"]) == (207, ["worker 0", "worker 1"])


async def test_forcing_and_resetting(scene: Scene, capsys: pytest.CaptureFixture[str]):
    scene.master.told = {"worker 0": [row(GPT, "open", "forced_open", forced_until=UNTIL)]}
    assert (await scene.ask("POST", path(GPT, "/open"))).status == 200
    forced = await scene.ask("POST", path("credential:openai", "/open"), {"seconds": 1.5})
    assert (forced.status, forced.body["breaker"]["name"]) == (200, "credential:openai")
    reset = await scene.ask_locally("POST", path(GPT, "/reset"))
    assert (reset.status, reset.body["breaker"]["detail"], reset.body["missing"]) == (200, "forced_open", [])
    assert scene.master.ordered == [
        ("force_open", GPT, 600.0),
        ("force_open", "credential:openai", 1.5),
        ("reset_breaker", GPT),
    ]
    peer = {"actor": "admin001", "outcome": "ok", "peer": "127.0.0.1"}
    assert audited(capsys) == [
        {"action": "open_breaker", "subject": GPT, "seconds": "600", **peer},
        {"action": "open_breaker", "subject": "credential:openai", "seconds": "1.5", **peer},
        {"actor": "local", "action": "reset_breaker", "subject": GPT, "outcome": "ok"},
    ]
    assert scene.master.counted == [("open_breaker", "ok"), ("open_breaker", "ok"), ("reset_breaker", "ok")]


async def test_who_has_not_obeyed_is_named(scene: Scene, capsys: pytest.CaptureFixture[str]):
    scene.master.missing = ["worker 1", "other replicas (refused)"]
    for action in ("/open", "/reset"):
        partial = await scene.ask("POST", path(GPT, action))
        assert (partial.status, partial.body["missing"]) == (207, scene.master.missing)
    assert [line["outcome"] for line in audited(capsys)] == ["partial", "partial"]


async def test_without_a_store_it_is_done_all_the_same(scene: Scene):
    scene.server.stop()
    assert (await scene.ask("POST", path(GPT, "/open"))).status == 200
    assert (await scene.ask("GET", "/admin/breakers")).status == 200


@pytest.mark.parametrize(("method", "action"), [("GET", ""), ("POST", "/open"), ("POST", "/reset")])
@pytest.mark.parametrize("name", ["openai/gpt", "credential:nobody", "openai", "a\nb", "x" * 500])
async def test_an_unknown_name_is_told_those_there_are(scene: Scene, method: str, action: str, name: str):
    refused = await scene.ask(method, path(name, action))
    assert refused.status == 404
    assert refused.message.endswith(f"There are: {', '.join(NAMES)}.")
    assert len(refused.message) < 500
    assert scene.master.ordered == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"seconds": 0.5}, "seconds"),
        ({"seconds": 86_401}, "seconds"),
        ({"seconds": "600"}, "seconds"),
        ({"seconds": None}, "seconds"),
        ({"minutes": 5}, "minutes"),
        ([], None),
    ],
)
async def test_what_is_wrong_of_a_body_is_said(scene: Scene, body: Any, field: str | None):
    refused = await scene.ask("POST", path(GPT, "/open"), body)
    assert (refused.status, refused.body["error"].get("field")) == (400, field)
    assert scene.master.ordered == []


@pytest.mark.parametrize("seconds", [1, 86_400, 600.25])
async def test_what_is_right_of_a_body(scene: Scene, seconds: float):
    assert (await scene.ask("POST", path(GPT, "/open"), {"seconds": seconds})).status == 200


@pytest.mark.parametrize("asked", ["/admin/breakers", path(GPT), path(GPT, "/open"), path(GPT, "/reset")])
async def test_an_admin_key_is_needed(scene: Scene, asked: str):
    method = "POST" if asked.endswith(("open", "reset")) else "GET"
    assert (await scene.ask(method, asked, key=None)).status == 401
    assert (await scene.ask("DELETE", asked)).status == 405
    assert scene.master.ordered == []


async def test_a_name_that_is_not_encoded_is_no_path(scene: Scene):
    assert (await scene.ask("GET", f"/admin/breakers/{GPT}")).status == 404
