"""One instance with two workers and its embedded store, in front of the scripted upstream: for runs that ill-treat
providers more than processes."""

import asyncio
import contextlib
import random
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from proxy.demo.children import child
from proxy.runtime import keys
from tests.chaos import kernel
from tests.chaos.findings import Findings
from tests.chaos.instance import ACCEPTING, GRACE, Instance
from tests.chaos.judging import Judge
from tests.chaos.keyring import Keyring
from tests.chaos.run import keep_logs
from tests.chaos.scene import Scene
from tests.e2e.configuration import SECRET, configuration

_WORKERS = 2
_ORDERS_AT_ONCE = 8


@contextlib.asynccontextmanager
async def upstream() -> AsyncIterator[str]:
    """The address of a scripted upstream that runs as long as the block."""
    async with child("The upstream", sys.executable, "-m", "proxy.demo.upstream", "--keep", "10") as running:
        [address] = await running.said(r"^upstream ready (\S+)", within=30)
        yield address


@contextlib.asynccontextmanager
async def alone(
    findings: Findings,
    address: str,
    routes: Mapping[str, Any],
    more: Mapping[str, Any],
    seed: int,
    evidence: Path | None = None,
) -> AsyncIterator[Scene]:
    """A scene with one instance, not started; `address`: the upstream's; `routes`, `more`: as for a stage. Whatever
    happens, no process of it outlives the block; logs are kept in `evidence` if something was wrong."""
    admin = keys.mint(SECRET.encode())
    with tempfile.TemporaryDirectory(prefix="segue-alone-") as name:
        folder = Path(name)
        mark = f"alone-{secrets.token_hex(8)}"
        instance = Instance("alone", folder, (kernel.free_port(), kernel.free_port()), admin.key, findings)
        settings: dict[str, Any] = {
            "server": {
                "port": instance.port,
                "workers": _WORKERS,
                "drain_accepting_seconds": ACCEPTING,
                "shutdown_grace_seconds": GRACE,
                "shed_at_lag_seconds": 0,  # upstream, clients and judge share the machine
            },
            "operations": {"port": instance.operations_port, "admin_keys": [{"id": admin.id, "hash": admin.digest}]},
            "store": {"url": "embedded", "timeout_seconds": 0.3},
        }
        instance.file.write_text(configuration(address, routes, {**settings, **more}).text)
        scene = Scene(
            upstream=address,
            folder=folder,
            findings=findings,
            judge=Judge(0.0, findings),
            keyring=Keyring(),
            chance=random.Random(seed),
            environment={"SEGUE_SECRET": SECRET, "SEGUE_CHAOS": mark, "XDG_RUNTIME_DIR": str(folder)},
            settings={"workers": _WORKERS},
            instances=[instance],
            lengths={},
        )
        try:
            yield scene
        finally:
            keep_logs(findings, folder, evidence)
            for each in kernel.ours(mark) + kernel.ours(str(folder)):
                with contextlib.suppress(ProcessLookupError):
                    each.kill()


async def order(address: str, behaviour: Mapping[str, tuple[str, ...]]) -> None:
    """Tell the upstream how its models behave: model -> modifiers."""
    left = iter(behaviour.items())
    async with aiohttp.ClientSession(raise_for_status=True) as session:

        async def give() -> None:
            for model, modifiers in left:
                body = {"model": model, "modifiers": modifiers}
                async with session.post(f"{address}/_admin/behaviour", json=body):
                    pass

        await asyncio.gather(*(give() for _ in range(_ORDERS_AT_ONCE)))


async def forget_orders(address: str) -> None:
    """From now on all models behave."""
    async with aiohttp.ClientSession(raise_for_status=True) as session, session.delete(f"{address}/_admin/behaviour"):
        pass
