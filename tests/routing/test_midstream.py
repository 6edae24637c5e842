"""What may become of an answer that broke, and what a successor is asked."""

from typing import Any

import pytest

from proxy.canonical.events import BlockKind, Closed, Delta, Event, Foreign, Opened, Progress, Started, UsageReported
from proxy.canonical.origin import Origins, Seal
from proxy.canonical.request import OutputFormat, Reasoning, Request, Text, ToolChoice, Turn
from proxy.canonical.usage import Usage
from proxy.errors import Cause, UpstreamFault
from proxy.providers.compatible import COMPATIBLE
from proxy.routing.candidates import Candidate, Operation, Target
from proxy.routing.midstream import (
    FEWEST_TOKENS,
    Decision,
    Policy,
    Sent,
    continuation,
    decide,
    successors,
    tokens_of,
)
from proxy.vocabularies.catalog import UPSTREAM
from proxy.wire.quirks import STANDARD, Quirks

SEAL = Seal(Origins(b"a secret for the tests"), "here")
CUT = UpstreamFault(Cause.TRUNCATED, "It broke.")
CONTINUE = Policy("continue", tells_discards=False, asked=False)
RESTART = Policy("restart", tells_discards=False, asked=False)
ASKED = Policy("restart", tells_discards=False, asked=True)
DOMAIN = Policy("restart", tells_discards=True, asked=False)

TEXT: list[Event] = [Started(), Opened(0, BlockKind.TEXT), Delta(0, "Once upon"), Delta(0, " a ")]
THOUGHT: list[Event] = [Opened(7, BlockKind.REASONING), Delta(7, "hm"), Closed(7)]
CALL: list[Event] = [Opened(8, BlockKind.TOOL_CALL, "call_1", "f"), Delta(8, "{")]


def sent(*events: Event) -> Sent:
    found = Sent()
    found.add(list(events))
    return found


def asked(**more: Any) -> Request:
    settings = {"turns": (Turn("user", (Text("Hi"),)),)} | more
    return Request("somebody's", "a model", {}, **settings)


PLAIN = asked()


def candidate(vocabulary: str, prefill: Any, path: str | None = None) -> Candidate:
    quirks = Quirks(prefill=prefill, prefill_path=path)
    wire = UPSTREAM[vocabulary]
    target = Target(
        f"{vocabulary}/m",
        COMPATIBLE,
        "m",
        "https://provider",
        {Operation.GENERATE: (wire, "/usual")},
        quirks,
        "key",
        (),
        SEAL,
    )
    return Candidate(target, wire, "https://provider/usual", target.peer(first=False))


def test_one_open_text_can_be_gone_on_with():
    assert decide(CONTINUE, PLAIN, sent(*TEXT), CUT) is Decision.CONTINUE


def test_thoughts_that_came_to_their_end_do_not_forbid_it():
    assert decide(CONTINUE, PLAIN, sent(*THOUGHT, *TEXT), CUT) is Decision.CONTINUE


@pytest.mark.parametrize(
    "events",
    [
        [],
        THOUGHT,
        THOUGHT[:2],
        [*THOUGHT[:2], *TEXT],
        [*TEXT, Closed(0)],
        [*TEXT, *CALL],
        [*TEXT, Closed(0), *CALL],
        [*TEXT, Opened(1, BlockKind.TEXT)],
        [*TEXT, Opened(1, BlockKind.REFUSAL)],
        [Opened(0, BlockKind.REFUSAL), Delta(0, "no")],
        [Opened(0, BlockKind.TEXT, choice=1), Delta(0, "no")],
        [*TEXT, Opened(1, BlockKind.HOSTED)],
        [*TEXT, Progress("start", "search")],
        [*TEXT, Foreign("searching", content=True)],
    ],
    ids=lambda events: "-".join(type(event).__name__ for event in events) or "nothing",
)
def test_anything_else_in_flight_forbids_it(events: list[Event]):
    assert decide(CONTINUE, PLAIN, sent(*events), CUT) is Decision.FAIL


def test_frames_without_content_do_not_forbid_it():
    assert decide(CONTINUE, PLAIN, sent(*TEXT, Foreign("keep-alive")), CUT) is Decision.CONTINUE


@pytest.mark.parametrize(
    "request_",
    [
        asked(output=OutputFormat("json_object")),
        asked(tool_choice=ToolChoice("required")),
        asked(tool_choice=ToolChoice("tool", "f")),
        asked(tool_choice=ToolChoice("allowed", names=("f",), required=True)),
        asked(tool_choice=ToolChoice("opaque", type="web_search")),
        asked(reasoning=Reasoning(effort="low")),
        asked(reasoning=Reasoning(budget=1024)),
        asked(reasoning=Reasoning(adaptive=True)),
        asked(parameters={"n": 2}),
        asked(parameters={"modalities": ["text", "audio"]}),
        asked(parameters={"logprobs": True}),
        asked(parameters={"top_logprobs": 3}),
        asked(turns=(Turn("user", (Text("Hi"),)), Turn("assistant", (Text("Well"),)))),
    ],
    ids=str,
)
def test_what_a_second_model_could_not_finish_is_not_gone_on_with(request_: Request):
    assert decide(CONTINUE, request_, sent(*TEXT), CUT) is Decision.FAIL


@pytest.mark.parametrize(
    "request_",
    [
        asked(tool_choice=ToolChoice("auto")),
        asked(tool_choice=ToolChoice("none")),
        asked(tool_choice=ToolChoice("allowed", names=("f",))),
        asked(reasoning=Reasoning(disabled=True)),
        asked(reasoning=Reasoning(effort="none")),
        asked(reasoning=Reasoning(summary="auto")),
        asked(parameters={"n": 1, "modalities": ["text"], "logprobs": False, "top_logprobs": 0}),
    ],
    ids=str,
)
def test_settings_that_change_nothing_about_that(request_: Request):
    assert decide(CONTINUE, request_, sent(*TEXT), CUT) is Decision.CONTINUE


def test_the_policy_fail_fails_whatever_was_sent():
    for tells_discards in (False, True):
        policy = Policy("fail", tells_discards=tells_discards, asked=True)
        assert not policy.watches
        assert decide(policy, PLAIN, sent(*TEXT), CUT) is Decision.FAIL


@pytest.mark.parametrize("policy", [CONTINUE, ASKED, DOMAIN], ids=str)
def test_a_fault_that_ends_the_chain_ends_the_answer(policy: Policy):
    fault = UpstreamFault(Cause.CALLERS_FAULT, "Your fault.")
    assert decide(policy, PLAIN, sent(*TEXT), fault) is Decision.FAIL


@pytest.mark.parametrize("policy", [CONTINUE, ASKED, DOMAIN], ids=str)
def test_where_nobody_knows_what_went_out_nobody_goes_on(policy: Policy):
    unsure = sent(*TEXT)
    unsure.is_certain = False
    assert decide(policy, PLAIN, unsure, CUT) is Decision.FAIL


def test_nobody_is_restarted_who_does_not_know_what_that_is():
    assert decide(RESTART, PLAIN, sent(*TEXT), CUT) is Decision.CONTINUE
    assert decide(RESTART, PLAIN, sent(*TEXT, *CALL), CUT) is Decision.FAIL
    assert decide(RESTART, asked(output=OutputFormat("json_object")), sent(*TEXT), CUT) is Decision.FAIL


def test_who_asked_is_restarted_but_not_after_a_tool_call():
    structured = asked(output=OutputFormat("json_object"), reasoning=Reasoning(effort="high"))
    assert decide(ASKED, structured, sent(*THOUGHT, *TEXT, Closed(0)), CUT) is Decision.RESTART
    assert decide(ASKED, PLAIN, sent(*TEXT, *CALL), CUT) is Decision.FAIL
    assert decide(ASKED, PLAIN, sent(*TEXT, Progress("start", "search")), CUT) is Decision.FAIL


def test_where_discards_are_understood_everything_can_be_restarted():
    assert decide(DOMAIN, PLAIN, sent(*TEXT, *CALL), CUT) is Decision.RESTART


def test_what_is_void_is_forgotten_but_not_its_numbers():
    told = sent(*TEXT, *CALL, Progress("start", "search"))
    assert told.next_block == 9
    told.void()
    assert (told.next_block, told.open_text, told.has_acts, told.tokens) == (9, None, False, 0)
    told.add([Opened(9, BlockKind.TEXT), Delta(9, "anew")])
    assert (told.next_block, told.open_text) == (10, 9)
    assert decide(CONTINUE, PLAIN, told, CUT) is Decision.CONTINUE


def test_a_block_that_goes_on_may_be_opened_again():
    told = sent(*TEXT)
    told.add([Opened(0, BlockKind.TEXT), Delta(0, "time")])
    assert told.answer.blocks[0].text == "Once upon a time"


def test_f09_what_was_sent_is_what_is_gone_on_with():
    found = continuation(PLAIN, sent(*THOUGHT, *TEXT))
    assert found is not None
    assert found.continuation is not None
    assert (found.continuation.text, found.continuation.limit) == ("Once upon a", None)
    assert (found.body, found.turns) == (PLAIN.body, PLAIN.turns)


def test_where_only_whitespace_was_sent_the_question_is_asked_again():
    assert continuation(PLAIN, sent(Opened(0, BlockKind.TEXT), Delta(0, "\n "))) is PLAIN


def test_the_output_limit_is_lowered_by_what_was_sent():
    def left(limit: int, *events: Event) -> int | None:
        found = continuation(asked(parameters={"max_output_tokens": limit}), sent(*events))
        return None if found is None or found.continuation is None else found.continuation.limit

    assert left(100, *TEXT) == 97  # 12 characters
    assert left(100, *THOUGHT, *TEXT) == 96
    assert left(100, *TEXT, UsageReported(Usage(5, 40))) == 60
    assert left(10, *TEXT) == FEWEST_TOKENS
    assert left(3, *TEXT) is None


@pytest.mark.parametrize(("characters", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2), (400, 100)])
def test_tokens_are_estimated_upwards(characters: int, tokens: int):
    assert tokens_of(characters) == tokens


def test_only_those_who_are_known_to_go_on_are_asked_to():
    request = continuation(PLAIN, sent(*TEXT))
    assert request is not None
    able = [candidate("chat", "plain"), candidate("chat", "prefix"), candidate("messages", "plain")]
    unable = [candidate("chat", None), candidate("messages", None), candidate("responses", "plain")]
    assert successors([*unable, *able], request) == able
    assert successors([*unable, *able], PLAIN) == [*unable, *able]


def test_a_successor_is_asked_at_the_address_for_that():
    request = continuation(PLAIN, sent(*TEXT))
    assert request is not None
    beta = candidate("chat", "prefix", "/beta/chat")
    assert [each.url for each in successors([beta], request)] == ["https://provider/beta/chat"]
    assert [each.url for each in successors([beta], PLAIN)] == ["https://provider/usual"]


def test_the_default_is_that_nobody_goes_on():
    assert STANDARD.prefill is None
