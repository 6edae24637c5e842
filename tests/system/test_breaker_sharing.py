"""What one worker learns of a target, the other knows; and one request of both finds out when it is well again."""

import asyncio
from pathlib import Path

import pytest

from proxy.demo.upstream import ScriptedUpstream
from tests.system.serving import PULSE, all_ready, served, until
from tests.system.test_breakers import states, statuses

pytestmark = pytest.mark.system

ILL = "chat/ill+503"
ROUTES = {"chain": [("chat", "ill+503"), ("other-chat", "spare")]}
DEFAULTS = {"breaker": {"consecutive_failures": 4, "open_seconds": 4}}


async def test_workers_share_what_they_learn(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    def asked() -> int:
        return upstream.recorder.of("ill+503").requests

    async with served(upstream, tmp_path, ROUTES, defaults=DEFAULTS) as serving:
        await all_ready(serving)
        for _ in range(20):
            assert await serving.ask("chain") == 200

        async def is_known() -> bool:
            return await states(serving, ILL) == [("open", "breaker_open")] * 2

        await until(is_known)
        before = asked()
        assert before < 10, "four in a row are enough, whichever worker sees them"
        assert await statuses(serving, "chain") == {200}
        assert asked() == before
        await asyncio.sleep(PULSE)
        assert await serving.metric("segue_breaker_transitions_total", target=ILL, to="open") == 1

        async def is_probed() -> bool:
            assert await statuses(serving, "chain") == {200}
            return asked() > before

        await until(is_probed, 20.0)
        await until(is_known)
        assert asked() <= before + 2, "one probe, and one more try of its request"
