"""What became of a request so far: the facts behind the `segue` member, the segue-* headers, the log and metrics."""

from typing import Any

import msgspec


class AttemptRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One try, or one candidate passed over. Times in whole milliseconds since the request began."""

    model: str
    outcome: str  # served | failed | skipped
    reason: str | None = None
    detail: str | None = None
    status: int | None = None
    elapsed_ms: int = 0


class Hop(msgspec.Struct, frozen=True):
    """A `fallback_start`: one candidate left for another (contract §2)."""

    from_model: str
    to_model: str
    reason: str
    attempt: int
    elapsed_ms: int
    detail: str | None = None
    status: int | None = None
    discard: bool = False

    def members(self) -> dict[str, Any]:
        """The event's members in contract order; absent ones left out."""
        return {
            "from_model": self.from_model,
            "to_model": self.to_model,
            "reason": self.reason,
            **({"detail": self.detail} if self.detail else {}),
            **({"status": self.status} if self.status is not None else {}),
            "attempt": self.attempt,
            "discard": self.discard,
            "elapsed_ms": self.elapsed_ms,
        }


class Exhausted(msgspec.Struct, frozen=True):
    """A `fallback_exhausted`: nobody is left."""

    models_tried: tuple[str, ...]
    final_error: str
    attempts: tuple[AttemptRecord, ...]

    def members(self) -> dict[str, Any]:
        return {
            "models_tried": list(self.models_tried),
            "final_error": self.final_error,
            "attempts": [
                {
                    "model": a.model,
                    "reason": a.reason,
                    **({"detail": a.detail} if a.detail else {}),
                    **({"status": a.status} if a.status is not None else {}),
                    "elapsed_ms": a.elapsed_ms,
                }
                for a in self.attempts
            ],
        }


class Warning(msgspec.Struct, frozen=True):
    """A parameter, tool or part that did not reach the provider as sent. action: dropped | changed."""

    param: str
    action: str


class Account(msgspec.Struct):
    """Filled by dispatch as it goes; encoders read it when they write the finished object."""

    served_by: str | None = None
    attempts: list[AttemptRecord] = []
    hops: list[Hop] = []
    warnings: list[Warning] = []
    quota_decision: str = "allow"
    waited: float = 0.0  # seconds spent on attempts that failed, waiting for their providers

    def member(self) -> dict[str, Any]:
        """The `segue` member (contract §3)."""
        return {
            "served_by": self.served_by,
            "attempts": msgspec.to_builtins(self.attempts),
            "quota": {"decision": self.quota_decision, "warnings": []},
            "warnings": [{"param": w.param, "action": w.action} for w in self.warnings],
        }
