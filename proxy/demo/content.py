"""What to say: a question read from any vocabulary, and the one answer that every vocabulary spells its own way."""

from collections.abc import Set
from dataclasses import dataclass, field, replace

from proxy.demo.frames import Json, encode_json
from proxy.demo.sampling import pieces, sample, tokens_in

TEXT_DELTAS = 5
REASONING = "The caller said something, so the answer repeats it and proves that it arrived."
REFUSAL = "I'm sorry, but I can't help with that."
MULTIBYTE = "Grüße, 世界 🌍! "
SEAL = "gAAAAABo" + "c2VhbGVkLXJlYXNvbmluZy1vZi10aGUtZGVtbw" * 4
TRUNCATED = {"length", "filtered"}  # flags of an answer that ends early, and the stop reason they are


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    schema: Json = field(default_factory=dict)
    is_custom: bool = False  # takes free text instead of JSON


@dataclass(frozen=True, slots=True)
class Question:
    """What an upstream needs to know of a request. `prompt` is everything the model would read."""

    model: str
    prompt: str
    said: str = ""  # the caller's last words
    begun: str = ""  # text of the assistant's that ends the conversation, to be gone on with
    tool_results: tuple[str, ...] = ()  # given when the conversation ends with them
    tools: tuple[Tool, ...] = ()
    must_call: str | None = None  # "" = any tool, else its name
    may_call_several: bool = True
    schema: Json | None = None  # the answer must be JSON of this shape
    max_tokens: int | None = None
    is_streamed: bool = False
    wants_usage: bool = True
    wants_seal: bool = True
    choices: int = 1


@dataclass(frozen=True, slots=True)
class Citation:
    url: str
    title: str
    snippet: str


@dataclass(frozen=True, slots=True)
class Text:
    deltas: tuple[str, ...]
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True, slots=True)
class Reasoning:
    deltas: tuple[str, ...]
    is_raw: bool = False  # the thoughts themselves instead of a summary


@dataclass(frozen=True, slots=True)
class Refusal:
    deltas: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ToolCall:
    ordinal: int
    name: str
    deltas: tuple[str, ...]
    is_custom: bool = False


Part = Text | Reasoning | Refusal | ToolCall


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens: `cached` is a part of `input`, the whole prompt; `reasoning` a part of `output`, the whole answer."""

    input: int
    cached: int
    output: int
    reasoning: int


@dataclass(frozen=True, slots=True)
class Answer:
    parts: tuple[Part, ...]
    stop: str  # stop, tools, refusal, length or filtered
    usage: Usage


def words(part: Part) -> str:
    return "".join(part.deltas)


def compose(question: Question, flags: Set[str] = frozenset(), long: int | None = None, choice: int = 0) -> Answer:
    """The answer to `question`, the same every time. `flags` and `long` are modifiers of `misbehaviour.MODIFIERS`."""
    parts: list[Part] = []
    stop = next(iter(sorted(flags & TRUNCATED)), "stop")
    if flags & {"reasoning", "reasoning-raw"}:
        parts.append(Reasoning(pieces(REASONING, 3), is_raw="reasoning-raw" in flags))
    calls = _calls(question, "tools" in flags)
    if "refusal" in flags:
        parts.append(Refusal(pieces(REFUSAL, 3)))
        stop = "refusal"
    elif calls:
        parts += calls
        stop = "tools"
    elif "empty-answer" in flags:
        parts.clear()
    elif deltas := _going_on(_deltas(question, flags, long, choice), question.begun if "prefill" in flags else ""):
        text = Text(deltas, _citations(question) if "citations" in flags else ())
        if question.max_tokens is not None and tokens_in(words(text)) > question.max_tokens:
            text = replace(text, deltas=pieces(words(text)[: question.max_tokens * 4], TEXT_DELTAS))
            stop = "length"
        parts.append(text)
    return Answer(tuple(parts), stop, _usage(question, parts))


def _deltas(question: Question, flags: Set[str], long: int | None, choice: int) -> tuple[str, ...]:
    if long is not None:
        return tuple(f"word{i} " for i in range(long))
    said = "You said: " + question.said
    if question.tool_results:
        said = "The tools said: " + "; ".join(question.tool_results)
    if question.schema is not None:
        said = encode_json(sample(question.schema, said) if question.schema else {"answer": said}).decode()
    elif "split-utf8" in flags:
        said = MULTIBYTE + said
    return pieces(said + (f" ({choice + 1})" if choice else ""), TEXT_DELTAS)


def _going_on(deltas: tuple[str, ...], begun: str) -> tuple[str, ...]:
    """What is left to say; if the answer begins otherwise, all of it."""
    if not "".join(deltas).startswith(begun):
        return deltas
    left = len(begun)
    found = []
    for delta in deltas:
        found.append(delta[left:])
        left = max(0, left - len(delta))
    return tuple(filter(None, found))


def spelled_out(answer: Answer) -> Answer:
    """The same with its text a character at a time."""
    parts = (replace(part, deltas=tuple(words(part))) if isinstance(part, Text) else part for part in answer.parts)
    return replace(answer, parts=tuple(parts))


def _calls(question: Question, wants_several: bool) -> list[ToolCall]:
    """A tool is called only if the request says so, or the modifier: then two at once if the request allows it."""
    if not question.tools or question.tool_results or (question.must_call is None and not wants_several):
        return []
    named = [tool for tool in question.tools if tool.name == question.must_call]
    tools = named or list(question.tools)
    wanted = 2 if wants_several and question.may_call_several else 1
    return [_call(i, tools[i % len(tools)]) for i in range(wanted)]


def _call(ordinal: int, tool: Tool) -> ToolCall:
    said = f"value {ordinal + 1}"
    given = (
        f"input {ordinal + 1} for {tool.name}" if tool.is_custom else encode_json(sample(tool.schema, said)).decode()
    )
    return ToolCall(ordinal, tool.name, pieces(given, 3), tool.is_custom)


def _citations(question: Question) -> tuple[Citation, ...]:
    return tuple(
        Citation(f"https://example.com/source/{i}", f"Source {i}", (question.said or "nothing")[:80]) for i in (1, 2)
    )


def _usage(question: Question, parts: list[Part]) -> Usage:
    prompt = tokens_in(question.prompt) + 3
    reasoning = sum(tokens_in(words(part)) for part in parts if isinstance(part, Reasoning))
    output = sum(tokens_in(words(part)) for part in parts)
    return Usage(prompt, prompt // 4, output, reasoning)


def total(usages: list[Usage]) -> Usage:
    """The usage of several choices of one prompt."""
    first = usages[0]
    return Usage(first.input, first.cached, sum(each.output for each in usages), sum(each.reasoning for each in usages))
