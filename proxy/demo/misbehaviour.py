"""The modifiers of a model name (`demo+429`, `demo+tools+cut-3`): their names, what they mean, how they are read."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from proxy.demo import faults
from proxy.demo.faults import Fault, parse_fault

# `<n>` counts content events: text, refusal, reasoning and argument deltas, and the openings of tool calls. 0 is the
# moment after the opening events; a number past the last one is the moment before the finish. Of an answer that is not
# streamed, 0 is the moment before its body and any other number the middle of it.
MODIFIERS = {
    # what the answer says
    "tools": "two parallel tool calls, if the request has tools and no results yet",
    "reasoning": "reasoning before the answer: a summary, with its sealed or signed proof",
    "reasoning-raw": "reasoning before the answer: the thoughts themselves (chat: the member `reasoning`)",
    "refusal": "the model declines",
    "citations": "two web citations on the text",
    "long-<n>": "n text deltas `word0 word1 …`",
    "length": "the answer ends at the output limit",
    "filtered": "the answer ends because of a content filter",
    "empty-answer": "a complete answer with no content",
    "prefill": "text of the assistant at the conversation's end is gone on with; without this it is refused",
    "prefill-echo": "as `prefill`, and the answer begins with that text",
    # what is there instead of an answer
    "html-502": "an HTML page with status 502",
    "html-200": "an HTML page with status 200",
    "shapeless-200": "JSON with status 200 that is no answer",
    "redirect": "307 to another path",
    "empty": "status 200, then a clean end and no frame at all",
    "hang": "no headers, ever",
    "hang-body": "headers, then nothing, ever",
    "reset": "the connection is reset before any header",
    # where it goes wrong
    "cut-<n>": "after n content events the connection closes in mid-message",
    "eof-<n>": "after n content events the stream ends cleanly, without its terminal",
    "stall-<n>": "after n content events nothing more, ever",
    "malformed-<n>": "one additional broken frame after n content events",
    "malformed2-<n>": "two additional broken frames after n content events",
    "error-200": "an error event right after the opening events (any `error-<n>` but 200: after n content events)",
    "error-<n>": "a server error event after n content events; `error-<n>-<refusal>` names another error",
    "failed-<n>": "as `error-<n>`, told by the closing event where the vocabulary has one (response.failed)",
    "choices-error-<n>": "as `error-<n>`, told in a chunk with `choices: []` where the vocabulary has chunks",
    "close-idle": "after a whole answer the connection is dead: the next request on it meets its close, unread",
    # when it goes wrong
    "first-<n>-<modifier>": "a modifier only for the first n requests for this model that say the same",
    # how slow it is
    "slow-headers-<ms>": "a pause before the headers",
    "slow-first-<ms>": "a pause before the first content event",
    "delay-<ms>": "a pause before every content event",
    "crawl-<ms>": "a streamed text comes a character at a time, with a pause before each",
    # how usage is told
    "no-usage": "no usage anywhere",
    "usage-odd": "usage in the frame with the finish reason, nowhere else, asked for or not",
    "usage-odd-groq": "usage in a member x_groq of that frame",
    "usage-odd-every": "growing usage in every content frame",
    # odd order and odd spelling
    "dup-tool-index": "all parallel tool calls carry the same index",
    "overlap-tools": "the frames of parallel tool calls interleave",
    "unknown-event": "a frame nobody knows, after the first content event",
    "crlf": "lines end in CR LF",
    "no-space": "no space after the colon of a field",
    "comments": "a comment before every frame",
    "one-byte": "every byte is its own write",
    "split-utf8": "multi-byte text, and every write that has some is cut inside a character",
}
_COUNTED = {name.partition("-<")[0] for name in MODIFIERS if name.count("<") == 1}
ERROR = re.compile(r"(?P<way>error|failed|choices-error)-(?P<after>\d+)(-(?P<fault>.+))?")
FIRST = re.compile(r"first-(?P<count>\d+)-(?P<modifier>.+)")
_NUMBERED = re.compile(r"(?P<name>.+)-(?P<number>\d+)")


@dataclass(slots=True)
class Behaviour:
    """What the modifiers ask for, read. `unknown` names the first one that does not exist."""

    flags: set[str] = field(default_factory=set)
    numbers: dict[str, int] = field(default_factory=dict)
    refusal: Fault | None = None
    failure: Fault | None = None  # in mid-stream, after `numbers[failure_way]` content events
    failure_way: str = ""  # error, failed or choices-error
    is_passing: bool = False  # whether some of it holds for the first requests only
    unknown: str | None = None


def modifiers_of(model: str) -> list[str]:
    return model.split("+")[1:]


def due(modifiers: Iterable[str], asked: int) -> list[str]:
    """What holds for the `asked`-th request, counted from 1: every `first-<n>-…` is taken for what it says, or left
    out."""
    found = []
    for modifier in modifiers:
        first = FIRST.fullmatch(modifier)
        if first is None:
            found.append(modifier)
        elif asked <= int(first["count"]):
            found.append(first["modifier"])
    return found


def read_modifiers(modifiers: Iterable[str]) -> Behaviour:
    """One that holds for the first requests only is looked at, and has no effect: see `due`."""
    behaviour = Behaviour()
    for modifier in modifiers:
        if not _read(modifier, behaviour):
            behaviour.unknown = behaviour.unknown or modifier
    return behaviour


def _read(modifier: str, behaviour: Behaviour) -> bool:
    if first := FIRST.fullmatch(modifier):
        behaviour.is_passing = True
        return read_modifiers([first["modifier"]]).unknown is None
    if error := ERROR.fullmatch(modifier):
        behaviour.failure_way = error["way"]
        behaviour.numbers[error["way"]] = 0 if modifier == "error-200" else int(error["after"])
        behaviour.failure = parse_fault(error["fault"] or "500")
        return behaviour.failure is not None
    if modifier in MODIFIERS:
        behaviour.flags.add(modifier)
        return True
    if (numbered := _NUMBERED.fullmatch(modifier)) and numbered["name"] in _COUNTED:
        behaviour.numbers[numbered["name"]] = int(numbered["number"])
        return True
    if fault := parse_fault(modifier):
        behaviour.refusal = fault
        return True
    return False


def table() -> dict[str, str]:
    """Every modifier and every refusal with its meaning, for documentation."""
    return MODIFIERS | faults.table()
