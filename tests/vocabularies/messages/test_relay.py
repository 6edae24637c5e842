"""Same vocabulary on both sides: every byte of each `data` survives, but for the rewrites of contract §4."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from proxy.canonical.account import Hop
from proxy.canonical.events import Failed, FaultKind
from proxy.conformance.lint import lint, lint_document
from proxy.errors import StreamBroken
from proxy.vocabularies.messages.vocabulary import MESSAGES
from tests.vocabularies.messages.stage import CORPUS, SEAL, WHOLE, encoded, encoder, events, peer, relayed, steps
from tests.vocabularies.messages.test_decoder import MESSAGE

_ORIGINAL_ID = b"msg_01XFDUDYJgAACzvnptvVoYEL"
_SEGUE = re.compile(rb',"segue":\{.*\}\}(?=\n\n)')


def undone(wire: bytes, original: bytes) -> bytes:
    """The relayed bytes with the listed rewrites taken back."""
    wire = re.sub(rb"msg_[0-9A-Za-z]{20,}", _ORIGINAL_ID, wire)
    wire = wire.replace(b'"model":"route"', b'"model":"claude-sonnet-5"')
    wire = re.sub(rb"sg1\.[\w-]+\.\w+\.[\w-]+\.", b"", wire)
    wire = _SEGUE.sub(b"}", wire)
    for theirs, ours in zip(
        re.findall(rb'"(toolu_\w+)"', original), re.findall(rb'"(call_[0-9A-Za-z]{24})"', wire), strict=True
    ):
        wire = wire.replace(ours, theirs)
    return wire


@pytest.mark.parametrize("name", [name for name in WHOLE if name not in ("cache", "no_message_stop")])
def test_every_other_byte_is_untouched(name: str):
    wire = relayed(CORPUS[name])
    assert undone(wire, CORPUS[name]) == CORPUS[name]


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_relayed_conforms(name: str):
    verdict = lint(relayed(CORPUS[name]), "messages")
    assert verdict.ok, str(verdict)


@pytest.mark.parametrize("name", WHOLE)
def test_every_cut_is_relayed_alike(name: str):
    writing = encoder()
    assert writing.relay(steps(CORPUS[name], 9)) == relayed(CORPUS[name])


def test_the_closing_account_gets_the_input_that_only_the_start_told():
    wire = relayed(CORPUS["cache"])
    closing = json.loads(re.search(rb'data: (\{"type":"message_delta".*)', wire).group(1))
    assert closing["usage"] == {
        "input_tokens": 4,
        "cache_creation_input_tokens": 248,
        "cache_read_input_tokens": 1800,
        "output_tokens": 12,
    }
    assert closing["segue"]["served_by"] == "claude@first"


def test_an_end_the_provider_forgot_is_added():
    assert relayed(CORPUS["no_message_stop"]).endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')


def test_multi_line_spaced_json_and_missing_event_lines_are_relayed():
    spaced = b"".join(
        b"data: " + json.dumps(json.loads(line[6:]), indent=1).replace("\n", "\ndata: ").encode() + b"\n\n"
        for line in CORPUS["tools"].split(b"\n")
        if line.startswith(b"data:")
    )
    verdict = lint(relayed(spaced), "messages")
    assert verdict.ok, str(verdict)
    assert [call.name for call in verdict.tool_calls] == ["get_weather", "get_time", "ping"]


def test_after_an_eager_opening_the_providers_own_start_is_not_repeated():
    writing = encoder("events")
    wire = writing.opening() + writing.notice(Hop("a", "b", "rate_limit", 1, 3)) + writing.relay(steps(CORPUS["text"]))
    assert wire.count(b"event: message_start") == 1
    verdict = lint(wire, "messages")
    assert verdict.ok, str(verdict)
    assert verdict.usage["input_tokens"] == 25


def test_a_waiting_notice_follows_the_providers_start():
    writing = encoder("events")
    assert writing.notice(Hop("a", "b", "rate_limit", 1, 3)) == b""
    names = re.findall(rb"^event: (.*)$", writing.relay(steps(CORPUS["text"])), re.MULTILINE)
    assert names[:3] == [b"message_start", b"segue:fallback_start", b"content_block_start"]


@pytest.mark.parametrize("name", ["error", "error_at_once", "truncated"])
def test_an_error_frame_is_ours_to_write(name: str):
    writing = encoder()
    wire = writing.relay(steps(CORPUS[name]))
    assert b"event: error" not in wire
    verdict = lint(wire + writing.fail(StreamBroken("broke")), "messages")
    assert verdict.ok, str(verdict)
    assert verdict.terminal == "error"


def test_unknown_events_and_compaction_pass():
    unknown = b'event: hint\ndata: {"type":"hint", "a": 1}\n\n'
    start = b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":'
    delta = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
    compaction = (
        start + b'{"type":"compaction","content":null}}\n\n' + delta
        + b'{"type":"compaction_delta","content":"S","encrypted_content":"Enc=="}}\n\n'
    )  # fmt: skip
    wire = encoder().relay(steps(unknown + compaction))
    assert unknown in wire
    assert SEAL.close("compaction", "Enc==").encode() in wire


def test_a_delta_of_no_block_is_left_out():
    stray = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":9,"delta":{"type":"text_delta",'
    wire = CORPUS["text"].replace(b"event: ping", stray + b'"text":"x"}}\n\nevent: ping')
    assert relayed(wire) == relayed(CORPUS["text"])


def test_a_document_is_relayed_with_the_same_rewrites():
    body: dict[str, Any] = {**MESSAGE, "container": {"id": "c"}}
    told = MESSAGES.read_document(body, peer())
    document = encoder().relay_document(body, told)
    assert lint_document(document, "messages") == []
    assert document["container"] == {"id": "c"}
    assert document["model"] == "route"
    thinking, redacted, text, call = document["content"]
    assert thinking["signature"] == SEAL.close("signature", "sig==")
    assert redacted["data"] == SEAL.close("redacted", "red==")
    assert text == body["content"][2]
    assert re.fullmatch("call_[0-9A-Za-z]{24}", call["id"])
    assert body["content"][3]["id"] == "toolu_1"


def call(index: int, name: str, arguments: str) -> bytes:
    start = {"type": "tool_use", "id": f"toolu_{name}", "name": name, "input": {}}
    delta = {"type": "input_json_delta", "partial_json": arguments}
    return b"".join(
        b"event: content_block_%b\ndata: %b\n\n" % (step.encode(), json.dumps(payload).encode())
        for step, payload in (
            ("start", {"type": "content_block_start", "index": index, "content_block": start}),
            ("delta", {"type": "content_block_delta", "index": index, "delta": delta}),
            ("stop", {"type": "content_block_stop", "index": index}),
        )
    )


def message(*blocks: bytes, usage: str = ',"usage":{"input_tokens":3,"output_tokens":1}') -> bytes:
    start = (
        '{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-5",'
        f'"content":[],"stop_reason":null,"stop_sequence":null{usage}}}}}'
    )
    end = f'{{"type":"message_delta","delta":{{"stop_reason":"tool_use","stop_sequence":null}}{usage}}}'
    return (
        b"event: message_start\ndata: " + start.encode() + b"\n\n" + b"".join(blocks)
        + b"event: message_delta\ndata: " + end.encode() + b"\n\n"
        + b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    )  # fmt: skip


@pytest.mark.parametrize("write", [relayed, lambda wire: encoded(events(wire))], ids=["relayed", "encoded"])
@pytest.mark.parametrize("indexes", [(0, 0, 0), (0, 1, 0), (2, 2, 5)])
def test_an_index_used_again_is_another_block(indexes: tuple[int, ...], write: Callable[[bytes], bytes]):
    names = ("first", "second", "third")
    wire = message(*(call(index, name, f'{{"{name}":1}}') for index, name in zip(indexes, names, strict=True)))
    verdict = lint(write(wire), "messages")
    assert verdict.ok, str(verdict)
    assert [(one.name, one.arguments) for one in verdict.tool_calls] == [(name, f'{{"{name}":1}}') for name in names]


def test_a_block_that_starts_again_while_it_is_open_is_malformed():
    wire = message(call(0, "first", "{}")).replace(b"content_block_stop", b"ping")
    told = events(wire.replace(b"event: message_delta", call(0, "second", "{}") + b"event: message_delta"))
    assert isinstance(told[-1], Failed)
    assert told[-1].kind is FaultKind.MALFORMED


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ("", (0, 0)),
        (',"usage":null', (0, 0)),
        (',"usage":{}', (0, 0)),
        (',"usage":{"output_tokens":7}', (0, 7)),
        (',"usage":{"input_tokens":4,"output_tokens":null}', (4, 0)),
    ],
)
def test_figures_nobody_reported_are_there(usage: str, expected: tuple[int, int]):
    verdict = lint(relayed(message(call(0, "f", "{}"), usage=usage)), "messages")
    assert verdict.ok, str(verdict)
    assert (verdict.usage["input_tokens"], verdict.usage["output_tokens"]) == expected


def test_a_document_without_figures_gets_them():
    body = {name: value for name, value in MESSAGE.items() if name != "usage"}
    document = encoder().relay_document(body, MESSAGES.read_document(body, peer()))
    assert lint_document(document, "messages") == []
