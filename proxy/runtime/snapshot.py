"""What is configured, frozen: a request holds the snapshot it began with to its end."""

import hashlib
import hmac
from collections.abc import Mapping

import msgspec

from proxy.canonical.origin import Origins
from proxy.routing.candidates import Route
from proxy.runtime.store_address import StoreAddress

SCOPES = ("generate", "embeddings", "models")


class Key(msgspec.Struct, frozen=True):
    """One tenant key. `models`: route names, a trailing * matches the rest; empty = all. `expires`: unix seconds."""

    id: str
    tenant: str
    digest: str
    models: tuple[str, ...] = ()
    scopes: tuple[str, ...] = SCOPES
    expires: float | None = None
    fallback_events: str | None = None

    def may_use(self, model: str) -> bool:
        return not self.models or any(
            model == allowed or (allowed.endswith("*") and model.startswith(allowed[:-1])) for allowed in self.models
        )


class ServerSettings(msgspec.Struct, frozen=True):
    """Sizes in bytes, times in seconds. `in_flight_limit`: requests at once in all workers together, None = any number;
    `shed_at_lag`: how late the event loop may be before requests are turned away, 0 = however late."""

    host: str = "127.0.0.1"
    port: int = 8080
    operations_host: str = "127.0.0.1"
    operations_port: int = 9090
    body_limit: int = 32 * 1024 * 1024
    body_timeout: float = 120.0
    ping_interval: float = 15.0
    silence_before_headers: float = 10.0
    send_timeout: float = 60.0
    drain_accepting: float = 5.0
    shutdown_grace: float = 300.0
    workers: int | None = None  # None = one per core
    in_flight_limit: int | None = None
    shed_at_lag: float = 1.0


class AdminKey(msgspec.Struct, frozen=True):
    """Who may use /admin."""

    id: str
    digest: str


class StoreSettings(msgspec.Struct, frozen=True):
    """`address` None = embedded. Sizes in bytes, times in seconds."""

    address: StoreAddress | None = None
    directory: str | None = None
    maximum_memory: int = 256 * 1024 * 1024
    timeout: float = 0.1
    key_staleness: float = 60.0


class Snapshot(msgspec.Struct, frozen=True):
    """`places`: the line of `tenant:NAME` and `key:ID` in the file; empty where there is none."""

    server: ServerSettings
    routes: Mapping[str, Route]
    keys: Mapping[str, Key]  # by digest
    pepper: bytes
    origins: Origins
    store: StoreSettings = StoreSettings()
    admin_keys: Mapping[str, AdminKey] = {}  # by digest
    tenants: Mapping[str, str | None] = {}  # name -> its `fallback_events`
    places: Mapping[str, int] = {}
    recognized: dict[bytes, str] = {}  # digests of keys that were right before, by `mark_of`

    def find_key(self, presented_digest: str) -> Key | None:
        """The record of a presented key. Looked up by its HMAC, so neither timing nor content of the table leaks it."""
        key = self.keys.get(presented_digest)
        return key if key is not None and hmac.compare_digest(key.digest, presented_digest) else None

    def mark_of(self, presented: str) -> bytes:
        """What a key can be recognized by, in this process's memory alone: BLAKE2 with a secret, because OpenSSL takes
        fifteen times as long for an HMAC."""
        return hashlib.blake2b(self.pepper + presented.encode()).digest()
