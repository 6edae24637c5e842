"""A process of its own that gets to probe a target, to be frozen while it does.

`python -m tests.dispatch.holder URL`: says `ready` when it listens, `probing` when it has the probe; at a line on its
standard input it reports that the probe failed, and says a second later how it takes the target to be.
"""

import asyncio
import sys
import time

from proxy.errors import Verdict
from proxy.runtime.store_address import parse_store_url
from tests.dispatch.fleet import LEASE, Member, permit, target, until


async def hold(url: str) -> None:
    member = Member(parse_store_url(url), target("a"), lease=LEASE)
    sharing = asyncio.create_task(member.sharing.run())
    await until(lambda: any(outcome == "ok" for outcome, _ in member.client.calls))
    print("ready", flush=True)
    await until(lambda: member.state() == "open")
    probe = await permit(member)
    print("probing", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    probe.report(Verdict.FAILURE, time.monotonic())
    await asyncio.sleep(1.0)
    print(member.state(), flush=True)
    sharing.cancel()
    await asyncio.wait([sharing])
    await member.client.store.close()


if __name__ == "__main__":
    asyncio.run(hold(sys.argv[1]))
