"""The stage of the walk-through: a tenant key, the scripted upstream and Segue, started as a user would start them."""

import os
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from proxy.demo.children import Child, Listen, child
from proxy.demo.playbill import Key, configuration

READY_WITHIN = 30.0  # seconds; it takes less than one, but machines are busy


@dataclass(frozen=True, slots=True)
class Stage:
    """Where everything is. `base`: Segue's address up to and with /v1."""

    upstream_address: str
    base: str
    metrics: str
    key: str
    upstream: Child
    segue: Child


@asynccontextmanager
async def stage(port: int, upstream_port: int, listen: Listen) -> AsyncIterator[Stage]:
    """Both processes for as long as the block runs; ports 0 = any free ones. `listen` hears what Segue prints. Raises
    ChildDied."""
    upstream_command = (sys.executable, "-m", "proxy.demo.upstream", "--port", str(upstream_port))
    async with child("The scripted upstream", *upstream_command) as upstream:
        key = await _made_key()
        (address,) = await upstream.said(r"^upstream ready (\S+)", within=READY_WITHIN)
        with tempfile.TemporaryDirectory(prefix="segue-demo-") as folder:
            file = Path(folder, "segue.yaml")
            file.write_text(configuration(address, port, key))
            segue_command = (sys.executable, "-m", "proxy", "serve", "-c", str(file))
            # Its sockets and logs are to go with the folder.
            environment = os.environ | {"XDG_RUNTIME_DIR": folder}
            async with child("Segue", *segue_command, environment=environment, listen=listen) as segue:
                patterns = (r"\bready on (http\S+)", r"\bmetrics on (http\S+)")
                base, metrics = await segue.said(*patterns, within=READY_WITHIN)
                yield Stage(address, base, metrics, key.key, upstream, segue)


async def _made_key() -> Key:
    """A fresh key, from `segue keys new`."""
    secret = secrets.token_hex(32)
    environment = os.environ | {"SEGUE_SECRET": secret}
    command = (sys.executable, "-m", "proxy", "keys", "new")
    async with child("segue keys new", *command, environment=environment) as keys:
        found = await keys.said(r"\b(sg-[0-9a-z]{8}-\w{38})\b", r"\b([0-9a-f]{64})\b", within=READY_WITHIN)
    key, digest = found
    return Key(key, key.split("-")[1], digest, secret)
