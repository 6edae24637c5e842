"""The words of the control channel. `Done` answers the order with the same `token`, once that is carried out."""

import msgspec

from proxy.routing.standing import BreakerRow
from proxy.runtime.store_address import StoreAddress


class Configure(msgspec.Struct, frozen=True, tag=True):
    """Serve this from now on. `spec`: the specification, pickled; `places`: those of its snapshot; `store`: where that
    is; `revoked`: ids of keys that are revoked, whatever the store says."""

    token: int
    number: int
    spec: bytes
    places: dict[str, int]
    store: StoreAddress
    revoked: tuple[str, ...]


class Refresh(msgspec.Struct, frozen=True, tag=True):
    """Keys or tenants in the store were changed: this version or a later one must be obeyed. `revoked`: ids that were
    revoked by it."""

    token: int
    version: int
    revoked: tuple[str, ...] = ()


class Cut(msgspec.Struct, frozen=True, tag=True):
    """End the running requests of these keys."""

    token: int
    key_ids: tuple[str, ...]


class ForceOpen(msgspec.Struct, frozen=True, tag=True):
    """Let nobody through to this target, or with this credential, for so many seconds."""

    token: int
    name: str
    seconds: float


class ResetBreaker(msgspec.Struct, frozen=True, tag=True):
    """Forget what was ever held against this target or credential."""

    token: int
    name: str


class Drain(msgspec.Struct, frozen=True, tag=True):
    """Accept for `accepting` more seconds, then let what runs end within `grace` seconds, then exit."""

    accepting: float
    grace: float


class Hurry(msgspec.Struct, frozen=True, tag=True):
    """End what still runs now, each in its vocabulary's words, then exit."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The worker accepts connections."""


class Done(msgspec.Struct, frozen=True, tag=True):
    """An order was carried out; `problem` says why not."""

    token: int
    problem: str = ""


class Pulse(msgspec.Struct, frozen=True, tag=True):
    """Sent each second. `metrics`: `Metrics.capture()`; `breakers`: those that were ever asked; `store`: "" while it
    answers, else what is wrong with it; `snapshot`: the number being served."""

    in_flight: int
    connections: int
    snapshot: int
    store: str
    breakers: tuple[BreakerRow, ...]
    metrics: bytes


Order = Configure | Refresh | Cut | ForceOpen | ResetBreaker | Drain | Hurry
Report = Ready | Done | Pulse

ORDERS: msgspec.msgpack.Decoder[Order] = msgspec.msgpack.Decoder(Order)
REPORTS: msgspec.msgpack.Decoder[Report] = msgspec.msgpack.Decoder(Report)
