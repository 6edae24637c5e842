"""Every modifier, as a client sees it, in every vocabulary it applies to."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from proxy.demo.misbehaviour import MODIFIERS, read_modifiers
from tests.demo.seeing import TOOLS, VOCABULARIES, Client, Seen, spoken

SAID = "You said: Hi there"
TERMINALS = {"responses": b"response.completed", "chat": b"[DONE]", "messages": b"message_stop"}
every_vocabulary = pytest.mark.parametrize("vocabulary", VOCABULARIES)
Look = Callable[[Seen, str], None]


def is_complete(seen: Seen, vocabulary: str) -> None:
    assert seen.status == 200
    assert seen.end == "clean"
    assert TERMINALS[vocabulary] in seen.raw
    assert "".join(spoken(seen)) == SAID


def is_cut_after_two(seen: Seen, vocabulary: str) -> None:
    assert len(spoken(seen)) == 2
    assert TERMINALS[vocabulary] not in seen.raw


def has_ended(how: str) -> Look:
    def look(seen: Seen, vocabulary: str) -> None:
        is_cut_after_two(seen, vocabulary)
        assert (seen.status, seen.end) == (200, how)

    return look


def is_nothing(how: str) -> Look:
    def look(seen: Seen, vocabulary: str) -> None:
        assert (seen.status, seen.end, seen.raw) == (0, how, b"")

    return look


def is_empty(how: str) -> Look:
    def look(seen: Seen, vocabulary: str) -> None:
        assert (seen.status, seen.end, seen.raw) == (200, how, b"")
        assert seen.headers["content-type"].startswith("text/event-stream")

    return look


def is_page(status: int) -> Look:
    def look(seen: Seen, vocabulary: str) -> None:
        assert seen.status == status
        assert seen.headers["content-type"] == "text/html"
        assert seen.raw.startswith(b"<html>")

    return look


def is_shapeless(seen: Seen, vocabulary: str) -> None:
    assert (seen.status, seen.json) == (200, {"status": "ok"})


def is_redirect(seen: Seen, vocabulary: str) -> None:
    assert seen.status == 307
    assert seen.headers["location"].endswith("/elsewhere")


def breaks(count: int) -> Look:
    def look(seen: Seen, vocabulary: str) -> None:
        is_complete(seen, vocabulary)
        at = seen.payloads.index(None)
        assert seen.payloads.count(None) == count
        assert seen.payloads[at : at + count] == [None] * count
        before = Seen(chunks=[b"data:%s\n" % json.dumps(payload).encode() for payload in seen.payloads[:at]])
        assert len(spoken(before)) == 2

    return look


def is_error(after: int, kind: str) -> Look:
    def look(seen: Seen, vocabulary: str) -> None:
        assert (seen.status, seen.end, len(spoken(seen))) == (200, "clean", after)
        last = seen.payloads[-1]
        error = last if vocabulary == "responses" else last["error"]
        if kind == "failed":
            assert vocabulary != "responses" or (last["type"], last["response"]["status"]) == (
                "response.failed",
                "failed",
            )
        elif vocabulary == "responses":
            assert (last["type"], error["code"]) == ("error", kind)
        assert TERMINALS[vocabulary] not in seen.raw

    return look


def is_hollow_error(after: int, code: int) -> Look:
    def look(seen: Seen, vocabulary: str) -> None:
        assert len(spoken(seen)) == after
        assert TERMINALS[vocabulary] not in seen.raw
        last = seen.payloads[-1]
        if vocabulary == "chat":
            assert (last["choices"], last["error"]["code"]) == ([], code)
        else:
            assert last["type"] == "error"

    return look


def has_stop(responses: str, chat: str, messages: str) -> Look:
    def look(seen: Seen, vocabulary: str) -> None:
        assert TERMINALS[vocabulary] in seen.raw or b"response.incomplete" in seen.raw
        found = {
            "responses": lambda: (seen.payloads[-1]["response"].get("incomplete_details") or {}).get("reason", ""),
            "chat": lambda: seen.payloads[-2]["choices"][0]["finish_reason"],
            "messages": lambda: seen.payloads[-2]["delta"]["stop_reason"],
        }[vocabulary]()
        assert found == {"responses": responses, "chat": chat, "messages": messages}[vocabulary]

    return look


def is_silent_answer(seen: Seen, vocabulary: str) -> None:
    assert TERMINALS[vocabulary] in seen.raw
    assert spoken(seen) == []
    assert vocabulary != "responses" or seen.payloads[-1]["response"]["output"] == []


def reasons(*members: bytes) -> Look:
    def look(seen: Seen, vocabulary: str) -> None:
        is_complete(seen, vocabulary)
        assert members[VOCABULARIES.index(vocabulary)] in seen.raw

    return look


def refuses(seen: Seen, vocabulary: str) -> None:
    member = {"responses": b"response.refusal.delta", "chat": b'"refusal":"I', "messages": b'"stop_reason":"refusal"'}
    assert member[vocabulary] in seen.raw


def cites(seen: Seen, vocabulary: str) -> None:
    is_complete(seen, vocabulary)
    member = {"responses": b"annotation.added", "chat": b'"annotations":[{', "messages": b"citations_delta"}
    assert seen.raw.count(member[vocabulary]) >= 2


def is_long(seen: Seen, vocabulary: str) -> None:
    assert spoken(seen) == [f"word{i} " for i in range(30)]


def is_spelled_out(seen: Seen, vocabulary: str) -> None:
    is_complete(seen, vocabulary)
    assert spoken(seen) == list(SAID)


def tells_no_usage(seen: Seen, vocabulary: str) -> None:
    is_complete(seen, vocabulary)
    assert b"_tokens" not in seen.raw.replace(b"max_output_tokens", b"")


def _usages(seen: Seen, vocabulary: str) -> list[int]:
    """Which frames tell usage that is not zero."""

    def told(payload: Any) -> Any:
        message = payload.get("response") or payload.get("message") or {}
        usage = payload.get("usage") or message.get("usage") or (payload.get("x_groq") or {}).get("usage") or {}
        return usage.get("total_tokens") or usage.get("output_tokens")

    return [i for i, payload in enumerate(seen.payloads) if told(payload)]


def tells_usage_at_the_finish(seen: Seen, vocabulary: str) -> None:
    is_complete(seen, vocabulary)
    finish = {"responses": -1, "chat": -1, "messages": -2}[vocabulary]
    assert _usages(seen, vocabulary) == [len(seen.payloads) + finish]
    assert vocabulary != "chat" or seen.payloads[-1]["choices"][0]["finish_reason"] == "stop"


def tells_usage_groq(seen: Seen, vocabulary: str) -> None:
    tells_usage_at_the_finish(seen, vocabulary)
    assert seen.raw.count(b'"x_groq"') == 1


def tells_usage_everywhere(seen: Seen, vocabulary: str) -> None:
    is_complete(seen, vocabulary)
    assert len(_usages(seen, vocabulary)) >= 5


def has_novelty(seen: Seen, vocabulary: str) -> None:
    is_complete(seen, vocabulary)
    assert seen.raw.count(b'"novelty"') + seen.raw.count(b'"prompt_filter_results"') == 1


def ends_lines_with_crlf(seen: Seen, vocabulary: str) -> None:
    is_complete(seen, vocabulary)
    assert seen.raw.count(b"\n") == seen.raw.count(b"\r\n") > 10


def has_no_space(seen: Seen, vocabulary: str) -> None:
    is_complete(seen, vocabulary)
    assert b"data: " not in seen.raw
    assert b"event: " not in seen.raw


def has_comments(seen: Seen, vocabulary: str) -> None:
    is_complete(seen, vocabulary)
    assert seen.raw.count(b": still working\n\n") == seen.raw.count(b"data: ")


def dribbles(seen: Seen, vocabulary: str) -> None:
    is_complete(seen, vocabulary)
    assert {len(chunk) for chunk in seen.chunks} == {1}


def splits_characters(seen: Seen, vocabulary: str) -> None:
    assert "".join(spoken(seen)).endswith("🌍! " + SAID)
    assert any(not _decodes(chunk) for chunk in seen.chunks)


def _decodes(chunk: bytes) -> bool:
    try:
        chunk.decode()
    except UnicodeDecodeError:
        return False
    return True


# modifier of the table: an example of it, and what is seen when the answer is streamed
EXAMPLES: dict[str, tuple[str, Look]] = {
    "reasoning": (
        "reasoning",
        reasons(b"reasoning_summary_text.delta", b"reasoning_content", b"signature_delta"),
    ),
    "reasoning-raw": ("reasoning-raw", reasons(b"response.reasoning_text.delta", b'"reasoning":', b"thinking_delta")),
    "refusal": ("refusal", refuses),
    "citations": ("citations", cites),
    "long-<n>": ("long-30", is_long),
    "length": ("length", has_stop("max_output_tokens", "length", "max_tokens")),
    "filtered": ("filtered", has_stop("content_filter", "content_filter", "refusal")),
    "empty-answer": ("empty-answer", is_silent_answer),
    "html-502": ("html-502", is_page(502)),
    "html-200": ("html-200", is_page(200)),
    "shapeless-200": ("shapeless-200", is_shapeless),
    "redirect": ("redirect", is_redirect),
    "empty": ("empty", is_empty("clean")),
    "hang": ("hang", is_nothing("silent")),
    "hang-body": ("hang-body", is_empty("silent")),
    "reset": ("reset", is_nothing("broken")),
    "cut-<n>": ("cut-2", has_ended("broken")),
    "eof-<n>": ("eof-2", has_ended("clean")),
    "stall-<n>": ("stall-2", has_ended("silent")),
    "malformed-<n>": ("malformed-2", breaks(1)),
    "malformed2-<n>": ("malformed2-2", breaks(2)),
    "error-200": ("error-200", is_error(0, "server_error")),
    "error-<n>": ("error-3-429", is_error(3, "rate_limit_exceeded")),
    "failed-<n>": ("failed-3", is_error(3, "failed")),
    "choices-error-<n>": ("choices-error-3-429", is_hollow_error(3, 429)),
    "crawl-<ms>": ("crawl-1", is_spelled_out),
    "no-usage": ("no-usage", tells_no_usage),
    "usage-odd": ("usage-odd", tells_usage_at_the_finish),
    "usage-odd-groq": ("usage-odd-groq", tells_usage_groq),
    "usage-odd-every": ("usage-odd-every", tells_usage_everywhere),
    "unknown-event": ("unknown-event", has_novelty),
    "crlf": ("crlf", ends_lines_with_crlf),
    "no-space": ("no-space", has_no_space),
    "comments": ("comments", has_comments),
    "one-byte": ("one-byte", dribbles),
    "split-utf8": ("split-utf8", splits_characters),
}
ELSEWHERE = {"tools", "overlap-tools", "dup-tool-index", "slow-headers-<ms>", "slow-first-<ms>", "delay-<ms>"}
# In test_recovering.py.
ELSEWHERE |= {"first-<n>-<modifier>", "close-idle", "prefill", "prefill-echo"}


@every_vocabulary
@pytest.mark.parametrize("modifier", EXAMPLES)
async def test_modifier(client: Client, vocabulary: str, modifier: str) -> None:
    example, look = EXAMPLES[modifier]
    look(await client.ask(vocabulary, f"demo+{example}"), vocabulary)


def test_every_modifier_has_a_test() -> None:
    assert EXAMPLES.keys() | ELSEWHERE == MODIFIERS.keys()


@every_vocabulary
async def test_plain_names_behave(client: Client, vocabulary: str) -> None:
    for model in ("demo-small", "some/other:model"):
        is_complete(await client.ask(vocabulary, model), vocabulary)


@every_vocabulary
async def test_modifiers_combine(client: Client, vocabulary: str) -> None:
    seen = await client.ask(vocabulary, "demo+long-9+crlf+comments+cut-7")
    assert (len(spoken(seen)), seen.end) == (7, "broken")
    assert b": still working\r\n\r\n" in seen.raw


@every_vocabulary
@pytest.mark.parametrize("stream", [True, False])
async def test_an_unknown_modifier_is_refused(client: Client, vocabulary: str, stream: bool) -> None:
    seen = await client.ask(vocabulary, "demo+hagn", stream)
    assert seen.status == 400
    assert "hagn" in seen.json["error"]["message"]


@every_vocabulary
@pytest.mark.parametrize(
    ("modifier", "promised"),
    [("slow-headers-60", 0.06), ("slow-first-60", 0.06), ("delay-20", 0.1), ("crawl-5", 0.09)],
)
async def test_pauses(client: Client, vocabulary: str, modifier: str, promised: float) -> None:
    started = time.monotonic()
    is_complete(await client.ask(vocabulary, f"demo+{modifier}"), vocabulary)
    assert time.monotonic() - started >= promised


def _calls(seen: Seen, vocabulary: str) -> list[tuple[int, str]]:
    """Index and name of every tool call's opening."""
    found = []
    for payload in seen.payloads:
        if payload.get("type") == "response.output_item.added":
            found.append((payload["output_index"], payload["item"]["name"]))
        elif payload.get("type") == "content_block_start":
            found.append((payload["index"], payload["content_block"]["name"]))
        elif payload.get("choices"):
            opened = payload["choices"][0]["delta"].get("tool_calls", [])
            found += [(call["index"], call["function"]["name"]) for call in opened if "id" in call]
    return found


@every_vocabulary
async def test_tools(client: Client, vocabulary: str) -> None:
    two = await client.ask(vocabulary, "demo+tools", tools=TOOLS[vocabulary])
    assert _calls(two, vocabulary) == [(0, "weather"), (1, "time")]
    same = await client.ask(vocabulary, "demo+tools+dup-tool-index", tools=TOOLS[vocabulary])
    assert _calls(same, vocabulary) == [(0, "weather"), (0, "time")]
    mixed = await client.ask(vocabulary, "demo+tools+overlap-tools", tools=TOOLS[vocabulary])
    assert _calls(mixed, vocabulary) == [(0, "weather"), (1, "time")]
    assert len(mixed.payloads) == len(two.payloads)
    marks = {"responses": "output_index", "messages": "index"}
    if vocabulary in marks:
        turns = [payload[marks[vocabulary]] for payload in mixed.payloads if marks[vocabulary] in payload]
        assert turns[:4] == [0, 1, 0, 1]
    if vocabulary == "responses":
        assert [payload["sequence_number"] for payload in mixed.payloads] == list(range(len(mixed.payloads)))


@every_vocabulary
async def test_no_call_without_being_told(client: Client, vocabulary: str) -> None:
    is_complete(await client.ask(vocabulary, "demo", tools=TOOLS[vocabulary]), vocabulary)


def test_a_modifier_is_read_once_or_named() -> None:
    assert read_modifiers(["cut-3", "429"]).unknown is None
    assert read_modifiers(["cut", "cut-3"]).unknown == "cut"
    assert read_modifiers(["error-2-nonsense"]).unknown == "error-2-nonsense"
    assert read_modifiers(["first-2-hagn"]).unknown == "first-2-hagn"
