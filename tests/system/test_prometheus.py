"""A real Prometheus scrapes a real process: its figures are what we did, and what the upstream says it told."""

import asyncio
from pathlib import Path
from typing import get_args

import pytest

from proxy.demo.upstream import ScriptedUpstream
from proxy.errors import Cause, Reason
from proxy.routing.settings import MIDSTREAM
from proxy.store.down import Kind
from tests.e2e.configuration import TENANT
from tests.system.load import (
    CREDENTIALS,
    ENDLESS,
    LEFT,
    PLAYS,
    ROUTES,
    TARGETS,
    fallbacks,
    figures,
    invent,
    play_all,
    requests,
    settled,
)
from tests.system.prometheus import Prometheus, prometheus
from tests.system.serving import PULSE, Serving, served

pytestmark = pytest.mark.system

EVERY_SERIES = '{__name__=~"segue_.+"}'
COUNTERS = '{__name__=~"segue_.+(_total|_bucket|_count|_sum)"}'
REQUESTS = "segue_requests_total"
INVENTED = 200
# What a label may say besides what stands in the configuration; an empty value is no label to Prometheus.
CLOSED: dict[str, set[str]] = {
    "route": {*ROUTES, "other"},
    "tenant": {TENANT, "other"},
    "target": TARGETS | CREDENTIALS,
    "from_target": TARGETS,
    "to_target": TARGETS,
    "vocabulary": {"responses", "chat", "messages", "other"},
    "outcome": {
        *("ok", "incomplete", "refused", "failed", "broken", "cancelled", "shed", "served", "skipped"),
        *("won", "lost", "denied", *MIDSTREAM),
        *("found", "unknown", "unavailable"),
        *get_args(Kind),
    },
    "source": {"file", "memory", "store", "negative"},
    "state": {"configured", "alive"},
    "to": {"up", "down", "closed", "half-open", "open"},
    "policy": {*MIDSTREAM},
    "why": {"in_flight_limit", "loop_lag"},
    "reason": set(Reason),
    "cause": set(Cause),
    "kind": {"input", "output", "cache_read", "cache_write", "reasoning"},
    "job": {"segue"},
}
OPEN = {"__name__", "instance", "le", "version"}


async def leave_a_stream(serving: Serving, watching: Prometheus) -> None:
    """A stream that Prometheus sees running, and that the client leaves then."""
    async with serving.stream(ENDLESS) as answer:
        await answer.content.readuntil(b"word3")
        await asyncio.sleep(PULSE)
        await watching.has_scraped()
        assert await watching.by("segue_requests_in_flight") == {(): 1}
    await settled(serving)


async def test_its_figures_are_what_happened(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with (
        # One worker, because each counts failures by itself: how many of them open a breaker is in the table.
        served(upstream, tmp_path, ROUTES, server={"workers": 1}) as serving,
        prometheus(serving.operations, tmp_path) as watching,
    ):
        await watching.has_scraped()
        await play_all(serving)
        await leave_a_stream(serving, watching)
        await invent(serving, len(PLAYS) * 5)
        await settled(serving)
        await watching.has_scraped()
        await check_requests(watching)
        await check_providers(watching, upstream)
        await check_labels(serving, watching)
        await check_history(watching)


async def check_requests(watching: Prometheus) -> None:
    plays = (*PLAYS, LEFT)
    configured = f'{REQUESTS}{{route!="other",tenant="{TENANT}"}}'
    assert await watching.by(configured, "route", "vocabulary", "outcome") == requests(plays)
    hops = await watching.by("segue_fallbacks_total", "route", "from_target", "to_target", "reason")
    assert hops == fallbacks(plays)
    failed = {(play.route,): play.times for play in plays if play.outcome == "failed"}
    assert await watching.by("segue_chains_exhausted_total", "route") == failed
    ended = {(play.route,): play.times for play in plays}
    assert await watching.by('segue_request_duration_seconds_count{route!="other"}', "route") == ended
    begun = {(play.route,): play.times for play in plays if play.outcome != "failed"}
    assert await watching.by("segue_time_to_first_token_seconds_count", "route") == begun
    assert await watching.by("segue_requests_in_flight") == {(): 0}


async def check_providers(watching: Prometheus, upstream: ScriptedUpstream) -> None:
    broken = {(play.targets[-1], "truncated"): play.times for play in PLAYS if play.outcome == "broken"}
    assert await watching.by("segue_streams_truncated_total", "target", "cause") == broken
    states = {(target,): 0 for target in TARGETS | CREDENTIALS} | {("messages/ill+503",): 2}
    assert await watching.by("segue_breaker_state", "target") == states
    asked = {(target,): upstream.tally[model].requests for target, model in models().items()}
    attempts = 'sum by (target) (segue_attempts_total{outcome!="skipped"})'
    assert await watching.by(attempts, "target") == asked
    told = {
        (target, kind): count for target, model in models().items() for kind, count in figures(upstream.tally[model])
    }
    assert {kind for _, kind in told} == {"input", "output", "cache_read", "reasoning"}
    assert await watching.by("segue_tokens_total", "target", "kind") == told


def models() -> dict[str, str]:
    """Target -> its model at the upstream."""
    return {target: target.partition("/")[2] for target in TARGETS}


async def check_labels(serving: Serving, watching: Prometheus) -> None:
    """What clients invent makes no series: neither a name nor one more than there were."""
    before = await watching.by(f"count({EVERY_SERIES})")
    refused = f'sum({REQUESTS}{{outcome="refused"}})'
    assert await watching.by(refused) == {(): len(PLAYS) * 5}
    await invent(serving, INVENTED)
    await settled(serving)
    await watching.has_scraped()
    assert await watching.by(refused) == {(): len(PLAYS) * 5 + INVENTED}
    assert await watching.by(f"count({EVERY_SERIES})") == before
    for series in await watching.ask("series", **{"match[]": EVERY_SERIES}):
        for label, value in series.items():
            assert label in OPEN or value in CLOSED[label], series
    assert "invented" not in (await serving.get("/metrics"))[1]


async def check_history(watching: Prometheus) -> None:
    """Counters only rise, every scrape was taken, and the load was seen while it ran."""
    ((_, ups),) = await watching.history("up")
    assert len(ups) >= 4
    assert set(ups) == {1}
    histories = await watching.history(COUNTERS)
    assert len(histories) > len(PLAYS)
    for series, values in histories:
        assert values == sorted(values), series
    ((_, levels),) = await watching.history("segue_requests_in_flight")
    assert (max(levels), levels[-1]) == (1, 0)
    (target,) = (await watching.ask("targets"))["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
