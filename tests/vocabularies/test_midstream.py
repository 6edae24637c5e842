"""An answer that breaks and goes on by another provider: in every vocabulary, whoever wrote the beginning, cut after
any frame from its first content on (contract §7)."""

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.canonical.events import (
    BlockKind,
    Citation,
    Cited,
    Closed,
    Delta,
    Event,
    Finished,
    Opened,
    Started,
    StopReason,
)
from proxy.canonical.events import UsageReported as Reported
from proxy.canonical.usage import Usage
from proxy.conformance.lint import lint
from proxy.errors import StreamBroken
from proxy.wire.decoder import Step
from tests.vocabularies import corpus, facts
from tests.vocabularies.breaking import (
    DOWNSTREAM,
    HOP,
    VOID,
    Telling,
    answer,
    cut_short,
    cuts,
    has_calls,
    several_blocks,
    several_parts,
    valid,
)

FEATURES = ("text", "many deltas", "reasoning", "raw reasoning", "citations", "refusal", "multi-byte text", "comments")
WITH_CALLS = ("parallel tools", "reasoning then tools")
SUCCESSORS = (("responses", "citations"), ("messages", "text"), ("chat", "citations"), ("responses", "reasoning"))
MODES = ("comments", "events", "none")


def beginnings(upstream: str) -> dict[str, bytes]:
    """The streams to break."""
    recorded = {feature: corpus.recording(upstream, feature).stream for feature in (*FEATURES, *WITH_CALLS)}
    crafted = {"responses": {"several parts": several_parts()}, "messages": {"several blocks": several_blocks()}}
    return {**corpus.fixtures(upstream), **recorded, **crafted.get(upstream, {})}


# Its text comes as a list of parts, which passes to its own clients as it is.
LISTED = ("chat", "mistral-thinking")
BEGINNINGS = [(upstream, name) for upstream in corpus.UPSTREAM for name in beginnings(upstream)]


def judge(telling: Telling, upstream: str) -> None:
    """The whole stream conforms and says what it ought to. A provider's own extensions pass to its own clients."""
    verdict = lint(telling.wire, lint_name(telling.downstream))
    passed_on = ("unknown-event", "chat.fields") if telling.downstream == upstream else ()
    wrong = [str(violation) for violation in verdict.violations if not violation.rule.endswith(passed_on)]
    assert not wrong, telling.wire.decode()
    assert verdict.text == telling.text
    assert verdict.terminal in ("response.completed", "[DONE]", "message_stop", "done")


@cache
def alone(downstream: str, vocabulary: str, feature: str) -> facts.Facts:
    """What a client understands of the answer if it is the first one."""
    telling = Telling(downstream)
    telling.hear("another", [Step(None, answer(vocabulary, feature))])
    return facts.of_stream(downstream, telling.wire)


def tokens(telling: Telling) -> list[int]:
    """Input and output as the end tells them; 0 where it does not."""
    told = lint(telling.wire, lint_name(telling.downstream)).usage or {}
    names = (("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens"))
    return [told.get(ours, told.get(theirs, 0)) for ours, theirs in names]


def lint_name(downstream: str) -> str:
    return "chat" if downstream == "completions" else downstream


@pytest.mark.parametrize("downstream", DOWNSTREAM)
@pytest.mark.parametrize(("upstream", "name"), BEGINNINGS)
def test_another_provider_goes_on_after_any_frame(downstream: str, upstream: str, name: str):
    for number, steps in enumerate(cuts(upstream, beginnings(upstream)[name])):
        telling = Telling(downstream, MODES[number % 3])
        telling.hear(upstream, steps)
        if not telling.can_go_on or has_calls(steps) or has_choices(steps) or (downstream, name) == LISTED:
            continue
        vocabulary, feature = SUCCESSORS[number % 4]
        so_far = telling.text
        telling.go_on(answer(vocabulary, feature))
        assert telling.text.startswith(so_far)
        judge(telling, upstream)
        assert tokens(telling)[1] == corpus.recording(vocabulary, feature).truth.usage.output


@pytest.mark.parametrize("downstream", DOWNSTREAM)
@pytest.mark.parametrize(("upstream", "name"), BEGINNINGS)
def test_another_provider_begins_anew_after_any_frame(downstream: str, upstream: str, name: str):
    for number, steps in enumerate(cuts(upstream, beginnings(upstream)[name])):
        telling = Telling(downstream, MODES[number % 3])
        telling.hear(upstream, steps)
        if downstream != "domain" and has_calls(steps):
            continue
        vocabulary, feature = SUCCESSORS[number % 4]
        telling.begin_anew(answer(vocabulary, feature))
        judge(telling, upstream)
        if downstream == "completions":
            truth = corpus.recording(vocabulary, feature).truth.usage
            assert tokens(telling) == [truth.input, truth.output]
        else:
            told = facts.of_frames(downstream, valid(downstream, telling.wire))
            assert told == alone(downstream, vocabulary, feature)


def has_choices(steps: list[Step]) -> bool:
    return any(type(event) is Opened and event.choice for step in steps for event in step.events)


@given(
    downstream=st.sampled_from(DOWNSTREAM),
    upstream=st.sampled_from(list(corpus.UPSTREAM)),
    breaks=st.lists(
        st.tuples(st.booleans(), st.sampled_from(SUCCESSORS), st.floats(0, 1)),
        min_size=1,
        max_size=4,
    ),
    share=st.floats(0, 1),
    mode=st.sampled_from(MODES),
)
@settings(deadline=None)
def test_a_stream_may_break_many_times(
    downstream: str,
    upstream: str,
    breaks: list[tuple[bool, tuple[str, str], float]],
    share: float,
    mode: str,
):
    telling = Telling(downstream, mode)
    every = list(cuts(upstream, corpus.recording(upstream, "reasoning").stream))
    telling.hear(upstream, every[int(share * (len(every) - 1))])
    for number, (goes_on, (vocabulary, feature), place) in enumerate(breaks):
        events = answer(vocabulary, feature)
        if number < len(breaks) - 1:
            events = cut_short(events, place)
        if goes_on and telling.can_go_on and any(type(e) is Opened and e.kind is BlockKind.TEXT for e in events):
            telling.go_on(events)
        else:
            telling.begin_anew(events)
    wrong = [v for v in lint(telling.wire, lint_name(downstream)).violations if v.rule != "notice.hop"]
    assert not wrong, telling.wire.decode()
    assert lint(telling.wire, lint_name(downstream)).text == telling.text


@pytest.mark.parametrize("downstream", DOWNSTREAM)
@pytest.mark.parametrize("anew", [False, True], ids=["resume", "restart"])
def test_it_may_still_fail(downstream: str, anew: bool):
    telling = Telling(downstream)
    telling.hear("chat", next(cuts("chat", corpus.recording("chat", "many deltas").stream)))
    events = cut_short(answer("messages"), 0.5)
    telling.begin_anew(events) if anew else telling.go_on(events)
    telling.wire += telling.encoder.fail(StreamBroken("It broke again."))
    verdict = lint(telling.wire, lint_name(downstream))
    assert verdict.ok, str(verdict)
    assert verdict.text == telling.text
    assert verdict.terminal == ("response.failed" if downstream == "responses" else "error")


@pytest.mark.parametrize("downstream", DOWNSTREAM)
def test_nothing_goes_on_after_the_end(downstream: str):
    telling = Telling(downstream)
    telling.hear("chat", [Step(None, answer("chat"))] if downstream != "chat" else corpus.reads("chat", RECORDED)[0])
    assert lint(telling.wire, lint_name(downstream)).ok
    assert telling.encoder.resume(telling.text, 0) == telling.encoder.restart(VOID) == b""


RECORDED = corpus.recording("chat", "text").stream


CITED = Citation("https://two.example", "Two", start=1, end=4)
SECOND: list[Event] = [
    Started(),
    Opened(0, BlockKind.TEXT),
    Delta(0, " world"),
    Cited(0, CITED),
    Closed(0),
    Reported(Usage(20, 4), final=True),
    Finished(StopReason.END),
]


@pytest.mark.parametrize("downstream", ["responses", "chat", "domain"])
def test_sources_are_found_in_the_whole_text(downstream: str):
    telling = Telling(downstream)
    first = Citation("https://one.example", "One", start=0, end=5)
    events = [Started(), Opened(3, BlockKind.TEXT), Delta(3, "Hello"), Cited(3, first)]
    telling.hear("another", [Step(None, events)])
    telling.go_on(SECOND)
    judge(telling, "another")
    found = [(place["start_index"], place["end_index"]) for place in places(downstream, telling.wire)]
    assert found == [(0, 5), (6, 9)]


def places(downstream: str, stream: bytes) -> list[dict[str, Any]]:
    frames = facts.payloads(stream)
    if downstream == "responses":
        return frames[-1]["response"]["output"][0]["content"][0]["annotations"]
    if downstream == "domain":
        spans = [item["span"] for item in frames[-2]["items"]]
        return [{"start_index": span["start"], "end_index": span["end"]} for span in spans]
    listed = [choice["delta"].get("annotations", []) for frame in frames for choice in frame["choices"]]
    entries = [entry for annotations in listed for entry in annotations]
    assert [entry["index"] for entry in entries] == list(range(len(entries)))
    return [entry["url_citation"] for entry in entries]


def test_relayed_sources_keep_their_places_in_the_list_of_a_chat():
    """The official accumulators merge entries of one index: a second 0 would glue two addresses together."""
    cited = corpus.fixtures("chat")["openai-citations"]
    steps = list(cuts("chat", cited))[-1]
    telling = Telling("chat")
    telling.hear("chat", steps)
    before = sum(frame.count(b'url_citation":') for frame in telling.wire.split(b"\n\n"))
    telling.go_on(SECOND)
    last = [frame for frame in facts.payloads(telling.wire) if frame["choices"][:1]][-2]
    assert [entry["index"] for entry in last["choices"][0]["delta"]["annotations"]] == [before]
    assert before > 0


def test_the_last_words_of_a_chat_are_not_lost_with_their_finish():
    """Some servers say the last words and the reason in one chunk, which is held back until it is surely the last."""
    head = '{"id":"c","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":'
    said = (f'{head}{{"content":"Hel"}}}}]}}', f'{head}{{"content":"lo"}},"finish_reason":"stop"}}]}}')
    telling = Telling("chat")
    first, second, _ = corpus.reads("chat", *(f"data: {text}\n\n".encode() for text in said))
    telling.hear("chat", first + second)
    assert b'"lo"' not in telling.wire
    telling.go_on(SECOND)
    judge(telling, "chat")
    assert telling.text == "Hello world"


def test_a_relayed_message_keeps_its_phase():
    for steps in cuts("responses", several_parts()):
        telling = Telling("responses")
        telling.hear("responses", steps)
        if telling.texts[-1:] == ["Two, "]:
            break
    telling.go_on(SECOND)
    output = facts.payloads(telling.wire)[-1]["response"]["output"]
    assert [item.get("phase") for item in output] == [None, "final_answer"]
    assert [part["text"] for part in output[1]["content"]] == ["One. ", "Two,  world"]


@pytest.mark.parametrize("downstream", DOWNSTREAM)
@pytest.mark.parametrize("anew", [False, True], ids=["resume", "restart"])
def test_what_was_reported_before(downstream: str, anew: bool):
    """Figures of a resumed answer stand until others come; those of a void one are gone."""
    telling = Telling(downstream)
    telling.hear("another", [Step(None, [Started(Usage(11, 1)), Opened(0, BlockKind.TEXT), Delta(0, "Hel")])])
    silent = [event for event in SECOND if type(event) is not Reported]
    telling.begin_anew(silent) if anew else telling.go_on(silent)
    assert tokens(telling) == ([0, 0] if anew else [11, 1])


@pytest.mark.parametrize("vocabulary", ["chat", "messages"])
def test_figures_that_were_relayed_stand_too(vocabulary: str):
    """In a chat they were held back: they come behind the finish, and so did the break."""
    recorded = corpus.recording(vocabulary, "text")
    telling = Telling(vocabulary)
    telling.hear(vocabulary, list(cuts(vocabulary, recorded.stream))[-1])
    telling.go_on([event for event in SECOND if type(event) is not Reported])
    judge(telling, vocabulary)
    fresh = recorded.truth.usage.input - (recorded.truth.usage.cached if vocabulary == "messages" else 0)
    assert tokens(telling) == [fresh, recorded.truth.usage.output]


@pytest.mark.parametrize("upstream", ["another", "responses", "chat", "messages"])
@pytest.mark.parametrize("downstream", ["responses", "chat", "messages"])
def test_the_same_block_goes_on(downstream: str, upstream: str):
    """Nothing is announced again, and the block ends when the successor's does."""
    telling = Telling(downstream)
    if upstream == "another":
        telling.hear(upstream, [Step(None, [Started(), Opened(0, BlockKind.TEXT), Delta(0, "Hel")])])
    else:
        telling.hear(upstream, next(cuts(upstream, corpus.recording(upstream, "many deltas").stream)))
    before = len(telling.wire)
    telling.go_on(SECOND[:-2])
    after = telling.wire[before:]
    assert not any(
        word in after for word in (b'"response.output_item.added"', b"part.added", b"block_start", b'"role"')
    )
    ends = {"responses": b"event: response.content_part.done", "messages": b"event: content_block_stop"}
    assert after.count(ends.get(downstream, b'finish_reason":"')) == (downstream != "chat")


@pytest.mark.parametrize("downstream", DOWNSTREAM)
def test_a_hop_that_goes_on_discards_nothing(downstream: str):
    telling = Telling(downstream)
    telling.hear("another", [Step(None, [Started(), Opened(0, BlockKind.TEXT), Delta(0, "Hel")])])
    telling.go_on(SECOND)
    [notice] = lint(telling.wire, lint_name(downstream)).notices
    assert (notice["discard"], notice["detail"]) == (False, HOP.detail)
