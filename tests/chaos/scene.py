"""What everybody in a run needs to know, and the tally of what became of what."""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.findings import Findings
from tests.chaos.instance import ACCEPTING, GRACE, Instance
from tests.chaos.judging import Judge, Request
from tests.chaos.keyring import Keyring
from tests.e2e.configuration import VOCABULARIES, configuration

LENGTHS = {"quick": (3, 1), "short": (12, 20), "middling": (45, 50), "long": (220, 100)}
"""Of each route's answers: the words, and the milliseconds between them."""
SHARES = (3, 5, 3, 2)
"""How often clients ask for each."""


def routes(lengths: Mapping[str, tuple[int, int]]) -> dict[str, list[tuple[str, str]]]:
    """By length and by the upstream's vocabulary: `long/chat` for streams, `long-whole/chat`, which takes as long."""
    found = {}
    for length, (words, pause) in lengths.items():
        for vocabulary in VOCABULARIES:
            found[f"{length}/{vocabulary}"] = [(vocabulary, f"{length}+long-{words}+delay-{pause}")]
            found[f"{length}-whole/{vocabulary}"] = [(vocabulary, f"{length}+long-{words}+delay-{words * pause}")]
    return found


@dataclass(slots=True)
class Action:
    """What was done, how often, and what became of the requests that ran at that moment."""

    times: int = 0
    under_way: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Scene:
    """`environment`: of every process that is started; its mark is in it."""

    upstream: str
    folder: Path
    findings: Findings
    judge: Judge
    keyring: Keyring
    chance: random.Random
    environment: Mapping[str, str]
    settings: Mapping[str, Any]
    instances: list[Instance]
    lengths: Mapping[str, tuple[int, int]]
    open: set[Request] = field(default_factory=set)
    actions: dict[str, Action] = field(default_factory=lambda: defaultdict(Action))
    outcomes: dict[tuple[str, bool], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    revision: int = 0  # of the configuration, which a reload changes
    texts: dict[str, str] = field(default_factory=dict)  # the newest right configuration of each instance

    @property
    def upstream_port(self) -> int:
        return int(self.upstream.rpartition(":")[2])

    def write(self, instance: Instance) -> None:
        """A configuration that is right, and differs from the one before."""
        self.revision += 1
        fresh = {f"fresh-{self.revision}": [("chat", "fresh")]}
        server = {
            "port": instance.port,
            "workers": self.settings["workers"],
            "drain_accepting_seconds": ACCEPTING,
            "shutdown_grace_seconds": GRACE,
            "ping_interval_seconds": 5 + self.revision % 50,
        }
        more: dict[str, Any] = {
            "server": server,
            "operations": {"port": instance.operations_port, "admin_keys": self.settings["admin_keys"]},
            "store": self.settings["store"][instance.name],
            "tenants": self.keyring.tenants(),
        }
        written = configuration(self.upstream, routes(self.lengths) | fresh, more)
        self.texts[instance.name] = written.text
        replace(instance.file, written.text)

    @property
    def fresh(self) -> str:
        """The route that only the newest configuration has."""
        return f"fresh-{self.revision}"

    def happened(self, name: str, instance: Instance | None = None) -> Action:
        """An action begins: count it, and who may feel it."""
        action = self.actions[name]
        action.times += 1
        touched = [each for each in self.open if instance is None or each.instance is instance]
        action.under_way += len(touched)
        for request in touched:
            request.happenings.append(name)
        return action

    def finished(self, request: Request) -> None:
        """It has ended: judge it, count it."""
        self.open.discard(request)
        self.judge.consider(request)
        shown = shown_outcome(request)
        self.outcomes[request.vocabulary, request.is_streamed][shown] += 1
        for name in set(request.happenings):
            self.actions[name].outcomes[shown] += request.happenings.count(name)


def shown_outcome(request: Request) -> str:
    """For tables."""
    if request.outcome in ("cut", "unanswered") and request.is_excused:
        killed = request.instance.was_killed(request.port, request.opened, request.ended)
        return "cut with its process" if killed else "turned away"
    if request.outcome == "refused":
        return f"refused {request.answer.status}"
    return request.outcome


def replace(file: Path, text: str) -> None:
    """At once, so that nobody reads half of it."""
    beside = file.with_suffix(".part")
    beside.write_text(text)
    beside.replace(file)
