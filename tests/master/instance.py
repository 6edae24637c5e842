"""The second port of an instance without workers: a real store, real sockets, and a master that obeys at once unless
told otherwise."""

import json
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from proxy.master import revocation_list
from proxy.master.operations import OperationsServer
from proxy.master.reloading import Reloaded
from proxy.master.status import ConfigurationStatus, Status, StoreStatus, WorkerStatus
from proxy.routing.standing import BreakerRow
from proxy.runtime import keys
from proxy.runtime.build import load
from proxy.runtime.snapshot import Snapshot
from proxy.store.key_records import KeyRecords
from tests.runtime.sample import RIGHT, SECRET, no_files
from tests.store.recording import TIMEOUT, recorded
from tests.store.servers import Server

FILE = "segue.yaml"
PEPPER = SECRET.encode()
ADMIN = keys.compose("admin001", "a" * 32)
TENANT = keys.compose("ab12cd34", "t" * 32)
_ADMIN_LINES = f"operations:\n  admin_keys:\n    - {{id: admin001, hash: {keys.digest(PEPPER, ADMIN)}}}\n"
WITHOUT_ADMIN = RIGHT.replace("ab" * 32, keys.digest(PEPPER, TENANT))
CONFIGURATION = WITHOUT_ADMIN + _ADMIN_LINES
LINE = CONFIGURATION[: CONFIGURATION.index("- {id: ab12cd34")].count("\n") + 1
"""Of the file's only key of a tenant; the tenant stands two lines above."""

MOMENT = datetime(2027, 1, 31, 12, tzinfo=UTC)


def snapshot_of(text: str) -> Snapshot:
    return load(text, {}, no_files).snapshot


class Master:
    """A `Control` whose answers a test chooses. `ordered`: what it was told to do, in order."""

    def __init__(self, records: KeyRecords, revocations: Path | None, text: str) -> None:
        self.records = records
        self.revocations = revocation_list.load(revocations)
        self.snapshot = snapshot_of(text)
        self.revoked: set[str] = set()
        self.file_name = FILE
        self.ordered: list[tuple[Any, ...]] = []
        self.counted: list[tuple[str, str]] = []
        self.missing: list[str] = []
        self.told: dict[str, list[BreakerRow]] = {}  # of breakers, by worker
        self.reloaded = Reloaded(2)
        self.shown = status()

    def status(self) -> Status:
        return self.shown

    def breakers(self) -> dict[str, list[BreakerRow]]:
        return self.told

    def exposition(self, is_openmetrics: bool) -> bytes:
        return b"# openmetrics\n" if is_openmetrics else b"# text\n"

    def acted(self, action: str, outcome: str) -> None:
        self.counted.append((action, outcome))

    async def reload(self) -> Reloaded:
        return self.reloaded

    async def spread(self, version: int, revoked: Sequence[str] = ()) -> list[str]:
        self.ordered.append(("spread", version, list(revoked)))
        return list(self.missing)

    async def enforce(self, revoked: Sequence[str]) -> None:
        self.ordered.append(("enforce", list(revoked)))

    async def force_open(self, name: str, seconds: float) -> list[str]:
        self.ordered.append(("force_open", name, seconds))
        return list(self.missing)

    async def reset_breaker(self, name: str) -> list[str]:
        self.ordered.append(("reset_breaker", name))
        return list(self.missing)

    async def cut(self, key_ids: Sequence[str]) -> list[str]:
        self.ordered.append(("cut", list(key_ids)))
        return list(self.missing)


def status(**changed: Any) -> Status:
    """Of an instance that does well."""
    workers = [
        WorkerStatus(
            name=f"worker {slot}",
            pid=1000 + slot,
            state="serving",
            in_flight=slot,
            connections=3,
            snapshot=1,
            pulse_age_seconds=0.25,
        )
        for slot in range(2)
    ]
    return Status(
        version="0.1.0",
        pid=999,
        state="serving",
        started=MOMENT,
        uptime_seconds=3 * 3600 + 60,
        in_flight=1,
        workers_configured=2,
        workers=workers,
        store=StoreStatus(kind="embedded", address="unix:///run/store.sock", is_up=True, since_seconds=50, pid=1001),
        configuration=ConfigurationStatus(number=1, file=FILE, loaded=MOMENT, tried=MOMENT),
    ).model_copy(update=changed)


class Reply(NamedTuple):
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def message(self) -> str:
        message = self.body["error"]["message"]
        assert isinstance(message, str)
        return message


class Scene:
    """`address`: of the second port; `control`: its socket."""

    def __init__(self, master: Master, server: Server, port: int, control: Path) -> None:
        self.master = master
        self.server = server
        self.port = port
        self.address = f"http://127.0.0.1:{port}"
        self.control = control

    async def ask(
        self, method: str, path: str, body: Any = None, *, key: str | None = ADMIN, raw: bytes | None = None
    ) -> Reply:
        """Over TCP. `raw`: the body as it is."""
        headers = {"authorization": f"Bearer {key}"} if key is not None else {}
        return await self._ask(aiohttp.TCPConnector(), self.address, method, path, body, raw, headers)

    async def ask_locally(self, method: str, path: str, body: Any = None) -> Reply:
        connector = aiohttp.UnixConnector(str(self.control))
        return await self._ask(connector, "http://segue", method, path, body, None, {})

    async def _ask(
        self,
        connector: aiohttp.BaseConnector,
        base: str,
        method: str,
        path: str,
        body: Any,
        raw: bytes | None,
        headers: dict[str, str],
    ) -> Reply:
        content = raw if raw is not None else json.dumps(body).encode() if body is not None else None
        async with (
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(20)) as session,
            session.request(method, f"{base}{path}", data=content, headers=headers) as answer,
        ):
            text = await answer.read()
            is_json = answer.content_type == "application/json" and text
            shown = {name.lower(): value for name, value in answer.headers.items()}
            return Reply(answer.status, json.loads(text) if is_json else text, shown)

    async def made(self, **wanted: Any) -> tuple[str, str]:
        """A key in the store: its id, and itself."""
        reply = await self.ask("POST", "/admin/keys", {"tenant": "team-a", **wanted})
        assert reply.status == 201, reply
        return reply.body["key"]["id"], reply.body["secret"]

    def raw(self, content: bytes) -> bytes:
        """All that comes back on a connection of its own until it is closed; from another thread."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(content)
            found = b""
            while piece := connection.recv(65536):
                found += piece
        return found


@asynccontextmanager
async def playing(
    server: Server, text: str = CONFIGURATION, revocations: Path | None = None, control: Path | None = None
) -> AsyncIterator[Scene]:
    """`control`: where the control socket is to be."""
    run = Path(tempfile.mkdtemp(prefix="segue-test-"))
    try:
        async with recorded(server.address, TIMEOUT) as found:
            master = Master(KeyRecords(found.store, TIMEOUT), revocations or run / "revocations", text)
            place = control or run / "control.sock"
            operations = OperationsServer(master, place)
            port = await operations.start("127.0.0.1", 0)
            try:
                yield Scene(master, server, port, place)
            finally:
                await operations.stop()
    finally:
        shutil.rmtree(run)
