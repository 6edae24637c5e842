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
    breakers: dict[str, str] = Field(
        default={}, description="Targets whose breaker is open or half-open, by the worst among the workers."
    )
