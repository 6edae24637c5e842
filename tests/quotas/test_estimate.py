"""How many tokens a request may come to: by its text's bytes, and a surcharge for what is no text."""

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.canonical.request import (
    Audio,
    Continuation,
    Document,
    Image,
    OpaquePart,
    Part,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from proxy.quotas.estimate import Bytes, Surcharges, estimated_prompt, tokens_of_bytes

BARE = Surcharges(overhead=0, turn=0, tool=0, image=1000, document=4000, audio=2000, margin_percent=0)


def request(*parts: Part, tools: tuple[Tool, ...] = ()) -> Request:
    return Request("chat", "m", {}, (Turn("user", parts),), tools)


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("é", 1), ("日本", 3), ("aé", 2), ("\ud800", 2)]
)
def test_text_by_its_bytes(text: str, tokens: int):
    assert estimated_prompt(request(Text(text)), BARE) == tokens


@given(st.text())
def test_it_is_a_quarter_of_ascii_and_half_of_the_rest(text: str):
    counted = Bytes()
    counted.add(text)
    ascii_bytes = sum(character.isascii() for character in text)
    others = len(text.encode()) - ascii_bytes
    assert (counted.ascii, counted.others) == (ascii_bytes, others)
    assert counted.tokens == ceil(ascii_bytes / 4 + others / 2) == tokens_of_bytes(ascii_bytes, others)


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        (Image(content="A" * 100_000, media_type="image/png"), 1000),
        (Document(content="A" * 100_000, media_type="application/pdf"), 4000),
        (Document(text="abcd" * 10), 10),
        (Audio("wav", "A" * 100_000), 2000),
        (Thinking("abcd", material="abcd"), 2),
        (ToolCall("call_1", "abcd", "{}  "), 2),
        (ToolResult("call_1", (Text("abcd"), Image(url="https://x/y"))), 1001),
        (OpaquePart("chat", "x", {"ab": "cd"}), 3),
    ],
)
def test_what_is_no_text_has_its_surcharge(part: Part, tokens: int):
    assert estimated_prompt(request(part), BARE) == tokens


def test_tools_and_what_is_to_be_gone_on_with_count():
    asked = request(tools=(Tool("abcd", "efgh", {"a": 1}),))
    assert estimated_prompt(asked, BARE) == 4
    again = Request("chat", "m", {}, continuation=Continuation("abcdefgh"))
    assert estimated_prompt(again, BARE) == 2


def test_overhead_and_margin():
    asked = Request("chat", "m", {}, (Turn("user", (Text("a" * 400),)), Turn("user", ())), (Tool("abcd"),))
    # 100 for the text, 1 for the tool's name, 100 + 2 * 4 + 20 around them, and 10 %
    assert estimated_prompt(asked, Surcharges()) == ceil((101 + 128) * 1.1)
