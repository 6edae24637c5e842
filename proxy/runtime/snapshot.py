"""What is configured, frozen: a request holds the snapshot it began with to its end."""

import hashlib
import hmac
from collections.abc import Mapping

import msgspec

from proxy.canonical.origin import Origins
from proxy.routing.candidates import Route
from proxy.runtime import keys

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
    """Sizes in bytes, times in seconds."""

    host: str = "127.0.0.1"
    port: int = 8080
    operations_host: str = "127.0.0.1"
    operations_port: int = 9090
    body_limit: int = 32 * 1024 * 1024
    body_timeout: float = 120.0
    ping_interval: float = 15.0
    silence_before_headers: float = 10.0
    send_timeout: float = 60.0
    shutdown_grace: float = 30.0


class Snapshot(msgspec.Struct, frozen=True):
    server: ServerSettings
    routes: Mapping[str, Route]
    keys: Mapping[str, Key]  # by digest
    pepper: bytes
    origins: Origins
    recognized: dict[bytes, Key] = {}  # keys presented before, by another keyed hash: never more than there are keys

    def find_key(self, presented: str) -> Key | None:
        """The record of a presented key. Looked up by its HMAC, so neither timing nor content of the table leaks it;
        one that was right before by a keyed BLAKE2, because OpenSSL takes fifteen times as long for its HMAC."""
        mark = hashlib.blake2b(presented.encode(), key=self.pepper[:64]).digest()
        key = self.recognized.get(mark)
        if key is None:
            digest = keys.digest(self.pepper, presented)
            key = self.keys.get(digest)
            if key is None or not hmac.compare_digest(key.digest, digest):
                return None
            self.recognized[mark] = key
        return key
