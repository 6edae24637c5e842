"""Routes whose first candidate dies in the middle of its answer, for the tests with official clients."""

from typing import Any

from tests.e2e.configuration import VOCABULARIES
from tests.e2e.harness import OpenStage, Stage

HEIRS = ("chat", "messages")  # the vocabularies in which an answer can be gone on with
WAYS = ("cut-3", "eof-3", "malformed-3", "error-3")
RESTART = {"segue-midstream": "restart"}
# Never open: the breakers of these targets are not what is tried here.
_PATIENT = {"consecutive_failures": 1000, "minimum_volume": 1000}


def broken(first: str, heir: str, way: str = "cut-3", says: str = "") -> list[dict[str, Any]]:
    """A candidate of vocabulary `first` that breaks, and one of vocabulary `heir` that goes on."""
    more = f"+{says}" if says else ""
    return [
        {"provider": first, "model": f"first+{way}{more}", "breaker": _PATIENT},
        {"provider": heir, "model": f"second+prefill{more}"},
    ]


def every_break() -> dict[str, list[dict[str, Any]]]:
    """Route name -> candidates: every upstream vocabulary, everyone who can go on, every way to die."""
    return {
        f"{first}-{heir}-{way}": broken(first, heir, way) for first in VOCABULARIES for heir in HEIRS for way in WAYS
    }


def open_breaking(open_stage: OpenStage, routes: dict[str, list[dict[str, Any]]], midstream: str) -> Stage:
    return open_stage(
        routes={
            name: {"candidates": candidates, "midstream": midstream, "retries": {"same_target": 0}}
            for name, candidates in routes.items()
        },
        providers={name: {"quirks": {"prefill": "plain"}} for name in HEIRS},
    )
