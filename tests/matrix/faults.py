"""The faults, by group: how the first candidate misbehaves, and what contract §7 makes of that."""

from enum import Enum
from typing import NamedTuple

from proxy.demo import misbehaviour
from proxy.demo.faults import parse_fault


class Kind(Enum):
    """What a fault does to an attempt."""

    HARMLESS = "the answer is right all the same"
    SHORT = "a right answer that says it is not all of it"
    EMPTY = "a right answer without a word"
    PASSING = "the target works when it is asked again"
    BEFORE = "the attempt fails before its first content"
    AMID = "the answer breaks after its first content"
    CALLERS = "the request itself is refused: nobody else is asked"


class Condition(Enum):
    """What all attempts together came to: the rows of contract §6 in which a chain can end."""

    RATE_LIMITED = "every candidate is rate limited"
    UNAVAILABLE = "every breaker is open"
    TIMED_OUT = "every candidate timed out"
    FAILED = "anything else"
    TOO_LARGE = "the body is too large"
    TOO_LONG = "the prompt is too long"
    REFUSED = "the request is refused, 400"
    UNPROCESSABLE = "the request is refused, 422"


class Fault(NamedTuple):
    """`does`: the modifiers of the first candidate's model. `unstreamed`: what it does to answers that are not
    streamed. `alone`: how the chain ends if nobody comes after it. `asks`: what is asked for: text, tools or json.
    `then`: which model comes after it. `stuck`: why `continue` cannot go on, and `held`: why `restart` cannot outside
    the domain vocabulary; "" = they can. `says_all`: all of the text came, and only the finish did not.
    `marks_credential`: it says nothing of the model, but of the key."""

    name: str
    shows: str
    does: tuple[str, ...]
    kind: Kind
    unstreamed: Kind
    alone: Condition = Condition.FAILED
    asks: str = "text"
    then: str = "good"
    stuck: str = ""
    held: str = ""
    says_all: bool = False
    marks_credential: bool = False
    timeouts: tuple[tuple[str, float], ...] = ()

    @property
    def slug(self) -> str:
        """Its name without what sets modifiers apart."""
        return self.name.replace("+", ".").replace(" ", "-")

    def kind_of(self, is_streamed: bool) -> Kind:
        return self.kind if is_streamed else self.unstreamed


def before(name: str, shows: str, alone: Condition = Condition.FAILED, *, of_key: bool = False) -> Fault:
    does = tuple(name.split("+"))
    return Fault(name, shows, does, Kind.BEFORE, Kind.BEFORE, alone, marks_credential=of_key)


def harmless(name: str, shows: str, unstreamed: Kind = Kind.HARMLESS, kind: Kind = Kind.HARMLESS) -> Fault:
    return Fault(name, shows, tuple(name.split("+")), kind, unstreamed)


def callers(name: str, shows: str, condition: Condition) -> Fault:
    return Fault(name, shows, (name,), Kind.CALLERS, Kind.CALLERS, condition)


def amid(
    name: str, shows: str, alone: Condition = Condition.FAILED, unstreamed: Kind = Kind.BEFORE, stuck: str = ""
) -> Fault:
    return Fault(name, shows, tuple(name.split("+")), Kind.AMID, unstreamed, alone, stuck=stuck)


def passing(name: str, shows: str, kind: Kind = Kind.PASSING, alone: Condition = Condition.FAILED) -> Fault:
    return Fault(name, shows, (name,), kind, Kind.PASSING, alone)


_LIMITED, _TIMED_OUT = Condition.RATE_LIMITED, Condition.TIMED_OUT
_CALL_OPEN = "a tool call was sent"
_NOTHING_TO_CONTINUE = "its answer is not text alone"
TEXT_CLOSED = "the text had come to its end"

GROUPS: dict[str, tuple[Fault, ...]] = {
    "Refusals": (
        callers("400", "400, a parameter nobody knows", Condition.REFUSED),
        callers("422", "422", Condition.UNPROCESSABLE),
        callers("content-filter", "the prompt is refused by a content filter", Condition.REFUSED),
        before("context-overflow", "the prompt exceeds the window; the next one's is larger", Condition.TOO_LONG),
        before("no-prefill", "400, the model cannot do what is asked"),
        before("401", "401, wrong key", of_key=True),
        before("402", "402, payment required", of_key=True),
        before("403", "403, no access to the model", of_key=True),
        before("billing", "no money left: 429 insufficient_quota, or 400 and these words", of_key=True),
        before("404-model", "404, no such model"),
        before("408", "408"),
        before("409", "409"),
        before("413", "413, the body is too large", Condition.TOO_LARGE),
        before("425", "425"),
        before("498", "498"),
        before("500", "500"),
        before("503", "503"),
        before("503-retry-after-1", "503, and Retry-After: 1"),
        before("504", "504"),
        before("520", "520, of a gateway"),
        before("529", "529, overloaded"),
    ),
    "Rate limits": (
        before("429", "429 without a word about when", _LIMITED),
        before("429-retry-after-1", "429, Retry-After: 1", _LIMITED),
        before("429-retry-after-7", "429, Retry-After: 7, which is too long to wait", _LIMITED),
        before("429-retry-after-date-7", "429, Retry-After as a date", _LIMITED),
        before("429-retry-after-ms-200", "429, retry-after-ms: 200", _LIMITED),
        before("429-reset-7", "429, x-ratelimit-reset: 7", _LIMITED),
        before("429-reset-epoch-7", "429, x-ratelimit-reset in unix seconds", _LIMITED),
        before("429-reset-duration-7000", "429, x-ratelimit-reset-requests: 7s", _LIMITED),
        before("429-reset-date-7", "429, anthropic-ratelimit-requests-reset as a date", _LIMITED),
    ),
    "No answer": (
        before("nobody", "nobody listens at its address"),
        before("reset", "the connection is reset before any header"),
        before("hang", "no headers, ever", _TIMED_OUT),
        before("hang-body", "200, then nothing, ever", _TIMED_OUT),
        before("empty", "200, then the end"),
        before("html-200", "200 and an HTML page"),
        before("html-502", "502 and an HTML page"),
        before("shapeless-200", "200 and JSON that is no answer"),
        before("redirect", "307"),
        harmless("empty-answer", "a whole answer without content", Kind.EMPTY, Kind.EMPTY),
    ),
    "Broken before the first content": (
        before("error-200", "200, the opening events, then an error event"),
        before("error-0-429", "the same with the words of a rate limit", _LIMITED),
        before("error-0-529", "the same with the words of an overload"),
        before("error-0-billing", "the same with the words of an empty account", of_key=True),
        before("failed-0", "the same, told by the closing event (response.failed)"),
        before("choices-error-0-429", "200, then `choices: []` with an error beside it", _LIMITED),
        before("cut-0", "the connection closes after the opening events"),
        before("eof-0", "the stream ends after the opening events"),
        before("stall-0", "silence after the opening events", _TIMED_OUT),
        before("malformed2-0", "two broken frames after the opening events"),
        harmless("malformed-0", "one broken frame after the opening events", Kind.BEFORE),
    ),
    "Broken after content": (
        amid("cut-2", "the connection closes after two pieces of text"),
        amid("cut-99", "the connection closes after all of the text, before the finish"),
        amid("eof-2", "the stream ends after two pieces of text"),
        amid("eof-99", "the stream ends after all of the text, before the finish"),
        amid("stall-2", "silence after two pieces of text", _TIMED_OUT),
        amid("malformed-2", "a broken frame after two pieces of text"),
        amid("malformed2-2", "two broken frames after two pieces of text"),
        amid("error-2", "an error event after two pieces of text"),
        amid("error-2-429", "the same with the words of a rate limit", _LIMITED),
        amid("failed-2", "the same, told by the closing event (response.failed)"),
        amid("choices-error-2", "`choices: []` with an error beside it, after two pieces of text"),
        amid("crawl-250", "four characters a second", _TIMED_OUT, Kind.HARMLESS),
        amid("reasoning+cut-5", "the connection closes in the text after reasoning"),
        amid("reasoning+cut-1", "the connection closes in reasoning", stuck=_NOTHING_TO_CONTINUE),
        amid("cut-2, json", "the connection closes in structured output", stuck=_NOTHING_TO_CONTINUE),
        amid("tools+cut-2", "the connection closes in a tool call's arguments", stuck=_CALL_OPEN),
        amid("cut-2, refused", "as `cut-2`; the next one refuses to go on (400)", stuck="the next one refuses"),
        amid("cut-2, unknown", "as `cut-2`; whether the next one could go on is not known", stuck="nobody is known to"),
    ),
    "Passing": (
        passing("first-1-503", "503 once"),
        passing("first-1-empty", "200, then the end, once"),
        passing("first-1-cut-0", "cut once, after the opening events"),
        passing("first-1-html-502", "an HTML page once"),
        passing("first-1-429-retry-after-1", "429 once, Retry-After: 1", alone=_LIMITED),
        passing("first-1-cut-2", "cut once, after two pieces of text", Kind.AMID),
        harmless("close-idle", "the connection is dead after the answer: the next request on it is lost"),
    ),
    "Slow or short, not broken": (
        harmless("slow-headers-100", "0.1 s before the headers"),
        harmless("slow-first-100", "0.1 s before the first content"),
        harmless("delay-20", "0.02 s before each piece"),
        harmless("length", "the output limit is reached", Kind.SHORT, Kind.SHORT),
        harmless("filtered", "a content filter ends the answer", Kind.SHORT, Kind.SHORT),
    ),
}
# What else those need that are not named as they behave.
_SPECIAL: dict[str, dict[str, object]] = {
    "nobody": {"does": ()},
    "cut-99": {"says_all": True},
    "eof-99": {"says_all": True},
    "crawl-250": {"timeouts": (("least_characters_per_second", 40.0), ("rate_window_seconds", 1.0))},
    "cut-2, json": {"does": ("cut-2",), "asks": "json"},
    "tools+cut-2": {"asks": "tools", "held": _CALL_OPEN, "then": "caller"},
    "cut-2, refused": {"does": ("cut-2",), "then": "stubborn"},
    "cut-2, unknown": {"does": ("cut-2",), "then": "plain"},
}
NOBODY = "nobody"  # the fault of a provider that is not there

FAULTS: tuple[Fault, ...] = tuple(
    fault._replace(**_SPECIAL.get(fault.name, {})) for group in GROUPS.values() for fault in group
)

# Modifiers that break nothing: what they do to answers is tested in tests/e2e and tests/demo.
NO_FAULTS = frozenset(
    {
        *("tools", "reasoning", "reasoning-raw", "refusal", "citations", "long-<n>", "prefill", "prefill-echo"),
        *("no-usage", "usage-odd", "usage-odd-groq", "usage-odd-every"),
        *("dup-tool-index", "overlap-tools", "unknown-event", "crlf", "no-space", "comments", "one-byte", "split-utf8"),
        "prefill-space",
    }
)


def left_out() -> list[str]:
    """Modifiers and refusals of the scripted upstream that are in no fault and not known to break nothing."""
    seen = {pattern for fault in FAULTS for modifier in fault.does for pattern in _patterns(modifier)}
    return sorted(misbehaviour.table().keys() - seen - NO_FAULTS)


def _patterns(modifier: str) -> list[str]:
    """The rows of the upstream's table that a modifier is an example of."""
    if first := misbehaviour.FIRST.fullmatch(modifier):
        return ["first-<n>-<modifier>", *_patterns(first["modifier"])]
    if error := misbehaviour.ERROR.fullmatch(modifier):
        plain = ["error-200"] if modifier == "error-200" else []
        return [*plain, f"{error['way']}-<n>", *(_patterns(error["fault"]) if error["fault"] else [])]
    fault = parse_fault(modifier)
    if fault is not None:
        unit = misbehaviour.faults.WAYS[fault.wait.way].unit if fault.wait else ""
        return [fault.name, *([f"<status>-{fault.wait.way}-<{unit}>"] if fault.wait else [])]
    return [modifier, *(f"{modifier.rpartition('-')[0]}-<{unit}>" for unit in ("n", "ms"))]
