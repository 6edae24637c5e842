"""anthropic-python speaks Messages through Segue to every upstream, with and without a fallback."""

import collections
from collections.abc import Callable
from typing import Any

import anthropic
import pytest

from proxy.demo.content import REASONING, SEAL
from tests.e2e.harness import OpenStage, Stage
from tests.e2e.plays import IMAGE, IMPATIENT, MESSAGES, MESSAGES_TOOLS, SAID, chain, served_by

Claude = Callable[[Stage], anthropic.Anthropic]


def create(client: anthropic.Anthropic, **question: Any) -> Any:
    return client.messages.create(max_tokens=500, **question)


def iterate(client: anthropic.Anthropic, **question: Any) -> Any:
    """By hand: the blocks must come one after the other, numbered without a gap."""
    blocks: list[Any] = []
    message: Any = None
    for event in client.messages.create(max_tokens=500, stream=True, **question):
        if event.type == "message_start":
            message = event.message
        elif event.type == "content_block_start":
            assert event.index == len(blocks)
            blocks.append(event.content_block)
        elif event.type == "message_delta":
            message.stop_reason, message.usage = event.delta.stop_reason, event.usage
    final = accumulate(client, **question)
    assert [block.type for block in final.content] == [block.type for block in blocks]
    assert (final.stop_reason, final.usage.output_tokens) == (message.stop_reason, message.usage.output_tokens)
    return final


def accumulate(client: anthropic.Anthropic, **question: Any) -> Any:
    with client.messages.stream(max_tokens=500, **question) as events:
        return events.get_final_message()


ways = pytest.mark.parametrize("way", [create, iterate, accumulate])


@ways
def test_text(open_stage: OpenStage, claude: Claude, way: Any, upstream: str, falls_back: bool) -> None:
    stage = open_stage(*chain(upstream, falls_back))
    answer = way(claude(stage), model=stage.model, messages=MESSAGES, system="Be brief.")
    assert (answer.content[0].text, answer.stop_reason, answer.model) == (SAID, "end_turn", stage.model)
    asked = sum(exchange.model == "demo" for exchange in stage.requests)
    usage = answer.usage
    assert ((usage.input_tokens + (usage.cache_read_input_tokens or 0)) * asked, usage.output_tokens * asked) == (
        stage.tokens_of("demo")
    )
    assert stage.seen[0].served_by == served_by(upstream)
    assert stage.seen[0].headers["request-id"].startswith("req_")


@ways
def test_parallel_tools_and_their_results(
    open_stage: OpenStage, claude: Claude, way: Any, upstream: str, falls_back: bool
) -> None:
    stage = open_stage(*chain(upstream, falls_back, "tools"))
    question: Any = {"model": stage.model, "tools": MESSAGES_TOOLS}
    answer = way(claude(stage), messages=MESSAGES, **question)
    calls = [block for block in answer.content if block.type == "tool_use"]
    assert [(call.name, call.input) for call in calls] == [
        ("weather", {"city": "value 1"}),
        ("time", {"city": "value 2"}),
    ]
    assert (answer.stop_reason, len({call.id for call in calls})) == ("tool_use", 2)
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": said}
        for call, said in zip(calls, ("sunny", "noon"), strict=True)
    ]
    turn = [*MESSAGES, {"role": "assistant", "content": answer.content}, {"role": "user", "content": results}]
    assert way(claude(stage), messages=turn, **question).content[0].text == "The tools said: sunny; noon"


@ways
def test_thinking(open_stage: OpenStage, claude: Claude, way: Any, upstream: str, falls_back: bool) -> None:
    stage = open_stage(*chain(upstream, falls_back, "reasoning"))
    answer = way(claude(stage), model=stage.model, messages=MESSAGES)
    thinking, text = answer.content
    assert (thinking.type, thinking.thinking, text.text) == ("thinking", REASONING, SAID)


@ways
def test_thinking_returns_to_who_thought_it_and_to_nobody_else(open_stage: OpenStage, claude: Claude, way: Any) -> None:
    """The same provider with another credential is somebody else."""
    stage = open_stage(("anthropic", "demo+reasoning"), ("other-messages", "demo+reasoning"))
    answer = way(claude(stage), model=stage.model, messages=MESSAGES)
    signature = answer.content[0].signature
    assert signature.startswith("sg1.")
    turn = [*MESSAGES, {"role": "assistant", "content": answer.content}, {"role": "user", "content": "And now?"}]
    way(claude(stage), model=stage.model, messages=turn)
    assert stage.requests[-1].body["messages"][1]["content"][0] == {
        "type": "thinking",
        "thinking": REASONING,
        "signature": SEAL,
    }
    stage.upstream.behave("demo+reasoning", "503", times=2)
    assert way(claude(stage), model=stage.model, messages=turn).content[-1].text == "You said: And now?"
    other = next(
        each for each in stage.requests if each.credentials.get("authorization") == "Bearer sk-fake-other-messages"
    )
    assert [block["type"] for block in other.body["messages"][1]["content"]] == ["text"]
    assert not any(SEAL.encode() in each.raw or b"sg1." in each.raw for each in [other])


def test_forged_thinking_goes_nowhere(open_stage: OpenStage, claude: Claude) -> None:
    stage = open_stage(("anthropic", "demo"))
    forged = {"type": "thinking", "thinking": "hm", "signature": "sg1.AAAAAAAAAAAA.signature.AAAAAAAAAAAAAAAA.forged"}
    turn: Any = [
        *MESSAGES,
        {"role": "assistant", "content": [forged, {"type": "text", "text": "Yes."}]},
        {"role": "user", "content": "And now?"},
    ]
    assert create(claude(stage), model=stage.model, messages=turn).content[0].text == "You said: And now?"
    assert b"forged" not in stage.requests[0].raw


def test_unsigned_thinking_is_not_shown_to_who_signs(open_stage: OpenStage, claude: Claude) -> None:
    """Providers of other vocabularies sign nothing; Anthropic refuses thinking without its signature."""
    stage = open_stage(routes={"unsigned": [("chat", "demo+reasoning")], "signing": [("anthropic", "demo")]})
    answer = create(claude(stage), model="unsigned", messages=MESSAGES)
    assert (answer.content[0].thinking, answer.content[0].signature) == (REASONING, "")
    turn = [*MESSAGES, {"role": "assistant", "content": answer.content}, {"role": "user", "content": "And now?"}]
    assert create(claude(stage), model="signing", messages=turn).content[0].text == "You said: And now?"
    assert stage.requests[-1].body["messages"][1]["content"] == [{"type": "text", "text": SAID}]


def test_an_image_arrives_untouched(open_stage: OpenStage, claude: Claude, upstream: str) -> None:
    stage = open_stage(*chain(upstream, False))
    content = IMAGE.partition(",")[2]
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": content}}
    turn = [{"role": "user", "content": [{"type": "text", "text": "Hi there"}, picture]}]
    assert create(claude(stage), model=stage.model, messages=turn).content[0].text == SAID
    assert (content if upstream == "messages" else IMAGE).encode() in stage.requests[0].raw


def test_counting_and_models(open_stage: OpenStage, claude: Claude) -> None:
    stage = open_stage(routes={"counted": [("anthropic", "demo")], "estimated": [("chat", "demo")]})
    client = claude(stage)
    assert client.messages.count_tokens(model="counted", messages=MESSAGES).input_tokens == 5
    assert 0 < client.messages.count_tokens(model="estimated", messages=MESSAGES).input_tokens < 50
    assert sorted(model.id for model in client.models.list()) == ["counted", "estimated"]
    assert client.models.retrieve("counted").type == "model"


def test_counting_sends_what_generating_would(open_stage: OpenStage, claude: Claude) -> None:
    """Our own names and tags stay here, and so does what the counting endpoint does not take."""
    stage = open_stage(("anthropic", "demo+reasoning"))
    answer = create(claude(stage), model=stage.model, messages=MESSAGES)
    turn: Any = [*MESSAGES, {"role": "assistant", "content": answer.content}, {"role": "user", "content": "And now?"}]
    assert answer.content[0].signature.startswith("sg1.")
    assert claude(stage).messages.count_tokens(model=stage.model, messages=turn).input_tokens > 5
    counted = stage.requests[-1]
    assert counted.path == "/v1/messages/count_tokens"
    assert b"sg1." not in counted.raw
    assert SEAL.encode() in counted.raw
    assert set(counted.body) == {"model", "messages"}


def test_errors_become_the_sdks_exceptions(open_stage: OpenStage, claude: Claude) -> None:
    stage = open_stage(
        routes={
            "limited": [("messages", "demo+429-retry-after-30"), ("chat", "demo+429-retry-after-30")],
            "broken": [("messages", "demo+500"), ("responses", "demo+error-200")],
            "long": [("messages", "demo+context-overflow")],
        }
    )
    client = claude(stage)
    with pytest.raises(anthropic.RateLimitError) as limited:
        create(client, model="limited", messages=MESSAGES)
    assert limited.value.response.headers["x-should-retry"] == "false"
    with pytest.raises(anthropic.InternalServerError) as broken:
        create(client, model="broken", messages=MESSAGES)
    assert broken.value.status_code == 502
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        create(client, model="long", messages=MESSAGES)
    assert len(stage.asked) == 2 + 2 * 2 + 1
    with pytest.raises(anthropic.NotFoundError) as unknown:
        create(client, model="none", messages=MESSAGES)
    assert unknown.value.body["error"]["type"] == "not_found_error"  # type: ignore[index]
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        create(client, model="long", messages=MESSAGES, extra_body={"max_tokens": "many"})
    with (
        anthropic.Anthropic(base_url=stage.url, api_key="sg-wrong") as stranger,
        pytest.raises(anthropic.AuthenticationError),
    ):
        create(stranger, model="long", messages=MESSAGES)
    assert len(stage.asked) == 2 + 2 * 2 + 1


@pytest.mark.parametrize("cut", ["cut-2", "eof-2", "error-2", "malformed2-2", "stall-2"])
def test_a_stream_that_breaks_raises(open_stage: OpenStage, claude: Claude, upstream: str, cut: str) -> None:
    stage = open_stage(*chain(upstream, False, cut), defaults=IMPATIENT)
    said: list[str] = []
    with (
        claude(stage).messages.stream(model=stage.model, max_tokens=500, messages=MESSAGES) as events,
        pytest.raises(anthropic.APIStatusError),
    ):
        collections.deque(map(said.append, events.text_stream))
    assert "".join(said) == SAID[:7]
    assert stage.seen[0].content.rstrip().split(b"\n\n")[-1].startswith(b"event: error")


def test_nobody_can_answer_though_the_stream_is_open(open_stage: OpenStage, claude: Claude) -> None:
    """With `announce: eager` the status is 200 before anybody was asked."""
    route = {"candidates": [("responses", "demo+503"), ("chat", "demo+cut-0")], "announce": "eager"}
    stage = open_stage(routes={Stage.model: route})
    with pytest.raises(anthropic.APIStatusError):
        accumulate(claude(stage), model=stage.model, messages=MESSAGES)
    assert stage.seen[0].status == 200


def test_the_beta_client(open_stage: OpenStage, claude: Claude) -> None:
    """It asks with ?beta=true; betas we know go on to a provider of the vocabulary, and only there."""
    stage = open_stage(("anthropic", "demo"), ("chat", "demo"))
    question: Any = {"model": stage.model, "max_tokens": 500, "messages": MESSAGES}
    betas = ["interleaved-thinking-2025-05-14", "no-such-beta-2020-01-01"]
    for _ in range(2):
        answer = claude(stage).beta.messages.create(**question, betas=betas)
        assert answer.content[0].text == SAID
        stage.upstream.behave("demo", "503", times=2)
    own, _, _, foreign = stage.requests
    assert own.headers["anthropic-beta"] == "interleaved-thinking-2025-05-14"
    assert "anthropic-beta" not in foreign.headers


async def test_the_asynchronous_client(open_stage: OpenStage, upstream: str, falls_back: bool) -> None:
    stage = open_stage(*chain(upstream, falls_back))
    question: Any = {"model": stage.model, "max_tokens": 500, "messages": MESSAGES}
    async with anthropic.AsyncAnthropic(base_url=stage.url, auth_token=stage.key, api_key=None) as client:
        assert (await client.messages.create(**question)).content[0].text == SAID
        async with client.messages.stream(**question) as events:
            assert "".join([text async for text in events.text_stream]) == SAID
