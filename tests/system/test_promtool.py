"""What Prometheus' own linter says about /metrics after every kind of request."""

import asyncio
from pathlib import Path

import pytest

from proxy.demo.upstream import ScriptedUpstream
from proxy.telemetry.merging import exposition
from tests.system.load import ENDLESS, ROUTES, invent, play_all, settled
from tests.system.serving import PULSE, served
from tests.telemetry.test_metrics import shown, used, used_master

pytestmark = pytest.mark.system

FAMILIES = {
    "segue_requests_total",
    "segue_attempts_total",
    "segue_fallbacks_total",
    "segue_chains_exhausted_total",
    "segue_time_to_first_token_seconds",
    "segue_event_gap_seconds",
    "segue_overhead_seconds",
    "segue_request_duration_seconds",
    "segue_requests_in_flight",
    "segue_tokens_total",
    "segue_breaker_state",
    "segue_streams_truncated_total",
    "segue_events_dropped_total",
    "segue_client_retries_total",
    "segue_build_info",
    "segue_key_lookups_total",
    "segue_store_calls_total",
    "segue_store_call_seconds",
    "segue_store_recoveries_total",
    "segue_workers_accepting",
    "segue_workers",
    "segue_worker_restarts_total",
    "segue_snapshot_number",
    "segue_reloads_total",
    "segue_store_up",
    "segue_store_transitions_total",
    "segue_store_restarts_total",
    "segue_store_quarantines_total",
    "segue_store_revocations_replayed_total",
    "segue_admin_actions_total",
    "segue_breaker_transitions_total",
    "segue_retries_total",
    "segue_retries_denied_total",
    "segue_hedges_total",
    "segue_midstream_total",
    "segue_target_in_flight",
    "segue_target_queue",
    "segue_requests_shed_total",
    "segue_event_loop_lag_seconds",
    "segue_event_loop_lateness_seconds",
    "segue_connections_waiting",
}


async def promtool(exposition: str) -> tuple[int | None, str]:
    """Exit code and complaints of `promtool check metrics`."""
    pipe = asyncio.subprocess.PIPE
    checking = await asyncio.create_subprocess_exec(
        "promtool", "check", "metrics", stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await checking.communicate(exposition.encode())
    return checking.returncode, said.decode()


async def test_nothing_to_complain_about(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, ROUTES) as serving:
        before = (await serving.get("/metrics"))[1]
        await play_all(serving)
        await invent(serving, 5)
        async with serving.stream(ENDLESS) as answer:
            await answer.content.readuntil(b"word3")
            await asyncio.sleep(PULSE)
            during = (await serving.get("/metrics"))[1]
        await settled(serving)
        after = (await serving.get("/metrics"))[1]
    for shot in (before, during, after):
        assert await promtool(shot) == (0, "")
    declared = {line.split()[2] for line in after.splitlines() if line.startswith("# TYPE")}
    assert declared == FAMILIES


async def test_nothing_to_complain_about_in_what_is_rare() -> None:
    assert await promtool(exposition(shown(used(), used_master())).decode()) == (0, "")


async def test_the_linter_would_complain() -> None:
    code, said = await promtool("# HELP segue_oops Oops\n# TYPE segue_oops counter\nsegue_oops 1\n")
    assert (code, "_total" in said) == (3, True)
