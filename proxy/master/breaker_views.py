"""What the workers say of their breakers, one by one and as one. Each worker has its own, and learns of the others'
only after the fact, so for a moment they may differ."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from proxy.master.status import Breaker, BreakerStatus
from proxy.routing.standing import CREDENTIAL, BreakerRow
from proxy.runtime.snapshot import Snapshot

Told = Mapping[str, Sequence[BreakerRow]]
"""What each worker said last, by its name."""

_SEVERITY = ("closed", "half-open", "open")


def names_of(snapshot: Snapshot) -> dict[str, str]:
    """All targets there are, each with the credential it uses, then all credentials, which use none."""
    targets = {each.name: each.credential for route in snapshot.routes.values() for each in route.candidates}
    credentials = sorted(f"{CREDENTIAL}{label}" for label in set(targets.values()))
    return dict(sorted(targets.items())) | dict.fromkeys(credentials, "")


def view_of(name: str, credential: str, told: Told) -> Breaker:
    """One of whom nobody speaks was never needed, and is closed."""
    rows = {worker: row for worker, said in told.items() for row in said if row.target == name}
    worst = max(rows.values(), key=_badness, default=BreakerRow(name, "closed"))
    return Breaker.model_validate(
        {
            **_members(worst),
            "name": name,
            "credential": credential or None,
            "failures": sum(row.failures for row in rows.values()),
            "successes": sum(row.successes for row in rows.values()),
            "said_by": [worker for worker, row in rows.items() if _as_bad(row, worst)],
            "workers": [{"worker": worker, **_members(row)} for worker, row in rows.items()],
        }
    )


def unwell(told: Told, snapshot: Snapshot) -> list[BreakerStatus]:
    """Those through which not everybody is let just now."""
    spoken_of = {row.target for said in told.values() for row in said if row.state != "closed" or row.detail}
    views = [view_of(name, used, told) for name, used in names_of(snapshot).items() if name in spoken_of]
    return [BreakerStatus.model_validate(view.model_dump(include=set(BreakerStatus.model_fields))) for view in views]


def _badness(row: BreakerRow) -> tuple[int, bool, float]:
    return _SEVERITY.index(row.state), bool(row.detail), row.retry_in


def _as_bad(row: BreakerRow, worst: BreakerRow) -> bool:
    return (row.state, row.detail) == (worst.state, worst.detail)


def _members(row: BreakerRow) -> dict[str, Any]:
    return {
        "state": row.state,
        "detail": row.detail,
        "retry_in_seconds": round(row.retry_in, 3),
        "forced_until": datetime.fromtimestamp(round(row.forced_until), UTC) if row.forced_until else None,
        "failures": row.failures,
        "successes": row.successes,
    }
