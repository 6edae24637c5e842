"""The cells: a fault, who comes after it, the policy for the middle of a stream, and who asks for what. Each has a
route and a target of its own, so that nothing lingers from one cell to another."""

import json
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, NamedTuple

from tests.e2e.configuration import VOCABULARIES as UPSTREAMS
from tests.e2e.plays import CHAT_TOOLS, MESSAGES_TOOLS, RESPONSES_TOOLS
from tests.matrix.faults import FAULTS, NOBODY, TEXT_CLOSED, Condition, Fault, Kind

VOCABULARIES = ("responses", "chat", "messages", "domain")
POLICIES = ("fail", "continue", "restart")
# The vocabularies of the first provider, and of the one after it. A crossed cell begins with another than the client's.
# Nobody goes on with another's text in the Responses vocabulary, so none of those comes second.
_UPSTREAMS = {
    "responses": ("responses", "chat"),
    "domain": ("responses", "messages"),
    "chat": ("chat", "messages"),
    "messages": ("messages", "chat"),
}
_CROSSED = {
    "responses": ("messages", "chat"),
    "domain": ("chat", "chat"),
    "chat": ("responses", "chat"),
    "messages": ("chat", "messages"),
}
SUCCESSORS = {"good": ("prefill",), "caller": ("prefill", "tools"), "stubborn": (), "plain": ("prefill",)}
"""The models that come second -> how they behave. Nobody knows of `plain` that it takes a prefill."""

# Seconds. The slices of a deadline let an upstream that hangs have 3.5 of it, when another one comes after it.
TIMEOUTS = {
    "connect_seconds": 3,
    "headers_seconds": 2,
    "first_token_seconds": 2,
    "idle_seconds": 2,
    "total_seconds": 12,
}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"said": {"type": "string"}},
    "required": ["said"],
    "additionalProperties": False,
}


class Outcome(Enum):
    """What a client must get."""

    WHOLE = "whole"
    SHORT = "short"  # whole, and called incomplete
    BROKEN = "broken"  # the beginning, then a failure in words
    REFUSED = "refused"  # an HTTP error


class Cell(NamedTuple):
    """`is_followed`: another candidate comes after the faulty one. `is_asked`: whether the request itself asks for
    `restart`, where that is the policy; the route is the same."""

    fault: Fault
    is_followed: bool
    policy: str
    vocabulary: str
    is_streamed: bool
    is_crossed: bool = False
    is_asked: bool = True

    @property
    def name(self) -> str:
        """Of its route."""
        words = [self.fault.slug, "followed" if self.is_followed else "alone", self.policy, self.vocabulary]
        words.append("stream" if self.is_streamed else "whole")
        return "/".join([*words, "crossed"] if self.is_crossed else words)

    @property
    def model(self) -> str:
        """Of the faulty candidate, at its provider."""
        return self.name.replace("/", ".")

    @property
    def kind(self) -> Kind:
        return self.fault.kind_of(self.is_streamed)

    @property
    def may_restart(self) -> bool:
        """Outside the domain vocabulary nobody is begun anew who did not ask for that."""
        return self.policy == "restart" and (self.is_asked or self.vocabulary == "domain")

    @property
    def promise(self) -> tuple[Outcome, Condition | None]:
        """By contract §7: what the client gets, and of what kind the error is, where that is one."""
        match self.kind:
            case Kind.HARMLESS | Kind.PASSING | Kind.EMPTY:
                return Outcome.WHOLE, None
            case Kind.SHORT:
                return Outcome.SHORT, None
            case Kind.CALLERS:
                return Outcome.REFUSED, self.fault.alone
            case Kind.BEFORE:
                return (Outcome.WHOLE, None) if self.is_followed else (Outcome.REFUSED, self.fault.alone)
            case Kind.AMID:
                return (Outcome.WHOLE, None) if self.is_recovered else (Outcome.BROKEN, self.fault.alone)

    @property
    def is_recovered(self) -> bool:
        """Whether an answer that broke after content is made whole."""
        return self.is_followed and self.policy != "fail" and not self.why_not

    @property
    def why_not(self) -> str:
        """Why the policy can do nothing here although the answer broke; "" where it can."""
        if self.policy == "fail":
            return ""
        if self.may_restart:
            return "" if self.vocabulary == "domain" else self.fault.held
        is_closed = self.fault.says_all and self.upstreams[0] != "chat"  # whose text has no end but the answer's
        return TEXT_CLOSED if is_closed else self.fault.stuck

    @property
    def upstreams(self) -> tuple[str, str]:
        """The vocabularies of the faulty candidate and of the one after it."""
        return (_CROSSED if self.is_crossed else _UPSTREAMS)[self.vocabulary]

    @property
    def route(self) -> dict[str, Any]:
        first, second = self.upstreams
        provider = f"key-{self.model}" if self.fault.marks_credential else f"faulty-{first}"
        if self.fault.name == NOBODY:
            provider = f"nobody-{first}"
        faulty = {"provider": provider, "model": self.model, "context_window": 8192}
        if self.fault.timeouts:
            faulty["timeouts"] = dict(self.fault.timeouts)
        followers = [{"provider": self.follower(second), "model": self.fault.then, "context_window": 1_000_000}]
        return {"candidates": [faulty, *(followers if self.is_followed else [])], "midstream": self.policy}

    def follower(self, vocabulary: str) -> str:
        """The provider of the candidate that comes second."""
        return f"{'unknown' if self.fault.then == 'plain' else 'good'}-{vocabulary}"

    @property
    def members(self) -> dict[str, Any]:
        """Of the request's body, without what is said."""
        return {"model": self.name, "stream": self.is_streamed, **_ASKED[self.fault.asks][self.vocabulary]}

    def answer_to(self, said: str) -> str:
        """The text of the right answer, which repeats the question."""
        if self.fault.asks == "tools":
            return ""
        text = f"You said: {said}"
        return json.dumps({"said": text}, separators=(",", ":")) if self.fault.asks == "json" else text

    @property
    def headers(self) -> dict[str, str]:
        is_needed = self.may_restart and self.vocabulary != "domain"
        return {"segue-midstream": "restart"} if is_needed else {}


_RESPONSES_JSON = {"text": {"format": {"type": "json_schema", "name": "said", "schema": _SCHEMA, "strict": True}}}
_CHAT_JSON = {
    "response_format": {"type": "json_schema", "json_schema": {"name": "said", "schema": _SCHEMA, "strict": True}}
}
_ASKED: dict[str, dict[str, dict[str, Any]]] = {
    "text": {vocabulary: {} for vocabulary in VOCABULARIES},
    "tools": {
        "responses": {"tools": RESPONSES_TOOLS},
        "domain": {"tools": RESPONSES_TOOLS},
        "chat": {"tools": CHAT_TOOLS},
        "messages": {"tools": MESSAGES_TOOLS},
    },
    "json": {
        "responses": _RESPONSES_JSON,
        "domain": _RESPONSES_JSON,
        "chat": _CHAT_JSON,
        "messages": {"output_config": {"format": {"type": "json_schema", "schema": _SCHEMA}}},
    },
}


def every_cell(faults: Iterable[Fault] = FAULTS, *, crossed: bool = False) -> list[Cell]:
    """In the order of the page. The domain vocabulary always streams, so it has no other cells."""
    return [
        Cell(fault, is_followed, policy, vocabulary, is_streamed, crossed)
        for fault in faults
        for is_followed in (True, False)
        for policy in POLICIES
        for is_streamed in (True, False)
        for vocabulary in VOCABULARIES
        if is_streamed or vocabulary != "domain"
    ]


def providers(cells: Sequence[Cell], upstream: str, dead: str) -> dict[str, Any]:
    """The configuration's section. `upstream`, `dead`: addresses; nobody listens at the second."""
    found: dict[str, Any] = {}
    for vocabulary in UPSTREAMS:
        shared = {"type": "compatible", "base_url": f"{upstream}/v1", "vocabulary": vocabulary}
        found[f"faulty-{vocabulary}"] = shared | {"api_key": f"sk-fake-faulty-{vocabulary}"}
        found[f"unknown-{vocabulary}"] = shared | {"api_key": f"sk-fake-unknown-{vocabulary}"}
        found[f"good-{vocabulary}"] = shared | {"api_key": f"sk-fake-{vocabulary}", "quirks": {"prefill": "plain"}}
        found[f"nobody-{vocabulary}"] = shared | {"base_url": f"{dead}/v1", "api_key": "sk-fake-nobody"}
    for number, cell in enumerate(cells):
        if cell.fault.marks_credential:
            found[f"key-{cell.model}"] = found[f"faulty-{cell.upstreams[0]}"] | {"api_key": f"sk-fake-key-{number}"}
    return found


def orders(cells: Iterable[Cell]) -> dict[str, tuple[str, ...]]:
    """Model -> the modifiers by which it behaves, until the upstream is told to forget them."""
    return {cell.model: cell.fault.does for cell in cells if cell.fault.does} | {
        model: modifiers for model, modifiers in SUCCESSORS.items() if modifiers
    }


def chosen(cells: Sequence[Cell], pattern: str) -> list[Cell]:
    """Those whose names hold each of the words of `pattern`."""
    return [cell for cell in cells if all(word in cell.name for word in pattern.split())]
