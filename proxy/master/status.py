"""How an instance fares, as /admin/status tells it and `segue status` shows it."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class WorkerStatus(BaseModel):
    """What its last pulse said; nothing of that is known before the first."""

    name: str
    pid: int
    state: Literal["starting", "serving", "draining"]
    in_flight: int | None = Field(default=None, description="Requests it is serving.")
    connections: int | None = Field(default=None, description="Clients connected to it.")
    snapshot: int | None = Field(default=None, description="The number of the configuration it serves.")
    pulse_age_seconds: float | None = Field(default=None, description="How long ago it last said how it fares.")
    store_problem: str = Field(default="", description="Why it cannot reach the store; empty while it can.")


class StoreStatus(BaseModel):
    kind: Literal["embedded", "single", "sentinel", "cluster"]
    address: str = Field(description="Where it is, without credentials.")
    is_up: bool = Field(description="Whether the master reaches it.")
    problem: str = Field(default="", description="Why it cannot be reached.")
    since_seconds: float = Field(default=0.0, description="For how long it has been so.")
    not_kept: str = Field(
        default="", description="Why what it holds is gone when it ends; empty where it is kept, or not ours to keep."
    )
    refuses_writes: str = Field(default="", description="Why the embedded store takes no changes.")
    revocations_problem: str = Field(default="", description="Why the list of revocations cannot be written.")
    pid: int | None = Field(default=None, description="Of the embedded store.")
    restarts: int = Field(default=0, description="Of the embedded store, since this master began.")
    quarantined: list[str] = Field(default=[], description="Directories with data that could not be read.")


class ConfigurationStatus(BaseModel):
    number: int = Field(description="Counts the configurations this instance has served.")
    file: str | None = Field(default=None, description="None: it was made of the environment.")
    loaded: datetime = Field(description="When the one in force was loaded.")
    tried: datetime = Field(description="When the last attempt to load one was made.")
    problems: list[str] = Field(default=[], description="Why that attempt failed.")
    waiting: list[str] = Field(default=[], description="Fields that were changed but take effect at the next start.")


class BreakerSays(BaseModel):
    state: Literal["closed", "half-open", "open"]
    detail: str = Field(
        default="",
        description="Why a request would be refused just now: breaker_open, forced_open, cooling_down, probe_pending, "
        "slow_start, credential_rejected; empty if none would be.",
    )
    retry_in_seconds: float = Field(default=0.0, description="Until one may be let through; 0 if one may be now.")
    forced_until: datetime | None = Field(default=None, description="When it was forced open: until then.")


class BreakerStatus(BreakerSays):
    """The worst that any worker says."""

    name: str = Field(description="A target, or `credential:` and the name of a provider of the configuration.")


class WorkerBreaker(BreakerSays):
    """What one worker says; a second old at most, or `missing` names the worker."""

    worker: str
    failures: int = Field(description="Attempts that failed lately, within the breaker's window.")
    successes: int = Field(description="Attempts that did not.")


class Breaker(BreakerStatus):
    """A breaker of all workers as one: the worst state, and the sums of what was counted."""

    credential: str | None = Field(
        default=None, description="The provider of the configuration whose credential the target uses."
    )
    failures: int = 0
    successes: int = 0
    said_by: list[str] = Field(default=[], description="The workers that say what is told here as one.")
    workers: list[WorkerBreaker] = Field(default=[], description="Those that have ever asked it.")


class Status(BaseModel):
    version: str
    pid: int = Field(description="Of the master.")
    state: Literal["starting", "serving", "draining"]
    started: datetime
    uptime_seconds: float
    in_flight: int = Field(description="Requests being served, by all workers.")
    workers_configured: int
    workers: list[WorkerStatus]
    store: StoreStatus
    configuration: ConfigurationStatus
    breakers: list[BreakerStatus] = Field(
        default=[], description="Of targets and credentials: those not closed, or refusing requests all the same."
    )
