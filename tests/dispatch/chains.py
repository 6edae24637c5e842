"""Stages whose breakers never open, so that what is seen is the chain's own doing."""

from itertools import pairwise
from typing import Any

from proxy.routing.breaker import BreakerSettings
from proxy.routing.settings import Retries
from tests.dispatch.toy import Stage

PATIENT = BreakerSettings(consecutive_failures=1000, minimum_volume=1000)
QUICK = Retries(first_wait=0.02)


def opened(*answers: Any, retries: Retries = QUICK, **more: Any) -> Stage:
    """Targets `a`, `b`, … that give these answers; several in a row as a list."""
    stage = Stage(dict(zip("abcd", answers, strict=False)), retries=retries, **more)
    for name in stage.targets:
        stage.change(name, breaker=PATIENT)
    return stage


def retried(stage: Stage, target: str = "a") -> float:
    """How often the target was asked once more."""
    return stage.metrics._retries.values.get((target,), 0.0)


def pauses(stage: Stage) -> list[float]:
    """Seconds between one call and the next."""
    return [later - earlier for earlier, later in pairwise(stage.transport.times)]
