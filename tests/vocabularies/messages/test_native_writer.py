"""Messages in front of messages: the client's own body, patched only where it must be."""

import copy
from typing import Any

from anthropic.types import MessageCountTokensParams
from anthropic.types.beta import MessageCountTokensParams as BetaMessageCountTokensParams

from proxy.canonical.account import Warning
from proxy.vocabularies.messages.native_writer import COUNTED
from proxy.vocabularies.messages.vocabulary import MESSAGES
from proxy.wire.quirks import Quirks
from tests.vocabularies.messages.stage import ELSEWHERE, SEAL, body, passed, peer

SIGNED, RED = SEAL.close("signature", "sig"), SEAL.close("redacted", "red")


def turns(*blocks: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": list(blocks)},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "ok"}]},
    ]


CALL = {"type": "tool_use", "id": "call_1", "name": "f", "input": {}}


def test_everything_the_client_sent_arrives():
    request = body(
        messages=turns({"type": "text", "text": "a", "novelty": 1}, CALL),
        tools=[{"type": "bash_20250124", "name": "bash"}], novelty={"x": None}, stream=True, temperature=1.5,
        cache_control={"type": "ephemeral"}, output_config={"task_budget": {"total": 9}},
    )  # fmt: skip
    before = copy.deepcopy(request)
    sent, warnings = passed(request)
    assert sent == {**before, "model": "claude-upstream"}
    assert warnings == []
    assert request == before
    assert sent["messages"][0] is request["messages"][0]


def test_the_empty_block_of_a_restart_is_stripped():
    """The API refuses an empty text; a user's own is left for it to refuse."""
    empty = {"type": "text", "text": ""}
    sent, warnings = passed(body(messages=turns(empty, {"type": "text", "text": "a"}, empty, CALL)))
    assert sent["messages"][1]["content"] == [{"type": "text", "text": "a"}, CALL]
    assert warnings == []
    users = [{"role": "user", "content": [empty]}]
    assert passed(body(messages=users)).body["messages"] == users


def test_material_is_opened_for_its_origin():
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": SIGNED}
    sent, warnings = passed(body(messages=turns(thinking, {"type": "redacted_thinking", "data": RED}, CALL)))
    assert sent["messages"][1]["content"] == [
        {**thinking, "signature": "sig"},
        {"type": "redacted_thinking", "data": "red"},
        CALL,
    ]
    assert warnings == []


def test_s04_material_of_another_origin_is_dropped_and_said():
    foreign = {"type": "thinking", "thinking": "Hm.", "signature": ELSEWHERE.close("signature", "x")}
    sent, warnings = passed(body(messages=turns(foreign, CALL)))
    assert sent["messages"][1]["content"] == [CALL]
    assert warnings == [Warning("reasoning", "dropped")]


def test_a_forged_tag_is_dropped():
    forged = {"type": "thinking", "thinking": "Hm.", "signature": SIGNED + "x"}
    assert passed(body(messages=turns(forged, CALL)))[0]["messages"][1]["content"] == [CALL]


def test_untagged_material_goes_to_the_first_candidate_only():
    untagged = {"type": "thinking", "thinking": "Hm.", "signature": "raw"}
    request = body(messages=turns(untagged, CALL))
    assert passed(request)[0]["messages"][1]["content"] == [untagged, CALL]
    later = SEAL._replace(takes_untagged=False)
    assert passed(request, seal=later)[0]["messages"][1]["content"] == [CALL]


def test_f10_an_empty_signature_never_reaches_a_provider():
    empty = {"type": "thinking", "thinking": "Hm.", "signature": ""}
    sent, warnings = passed(body(messages=turns(empty, CALL)))
    assert sent["messages"][1]["content"] == [CALL]
    assert warnings == []


def test_a_turn_of_nothing_but_foreign_thinking_goes_with_it():
    foreign = {"type": "thinking", "thinking": "Hm.", "signature": ELSEWHERE.close("signature", "x")}
    sent, _ = passed(body(messages=turns(foreign)))
    assert [message["role"] for message in sent["messages"]] == ["user", "user"]


def test_a_budget_is_withdrawn_when_the_thinking_before_the_calls_is_lost():
    foreign = {"type": "thinking", "thinking": "Hm.", "signature": ELSEWHERE.close("signature", "x")}
    budget = {"type": "enabled", "budget_tokens": 2048}
    sent, warnings = passed(body(messages=turns(foreign, CALL), thinking=budget))
    assert "thinking" not in sent
    assert warnings[-1] == Warning("thinking", "dropped")
    kept = {"type": "thinking", "thinking": "Hm.", "signature": SIGNED}
    assert passed(body(messages=turns(kept, CALL), thinking=budget))[0]["thinking"] == budget


def test_thinking_is_asked_for_as_the_model_knows_it():
    budget = body(thinking={"type": "enabled", "budget_tokens": 2048}, output_config={"task_budget": {}})
    sent, warnings = passed(budget, Quirks(thinking="adaptive"))
    assert sent["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert sent["output_config"] == {"task_budget": {}, "effort": "low"}
    assert warnings == [Warning("thinking", "changed")]
    adaptive = body(thinking={"type": "adaptive"}, output_config={"effort": "low"})
    sent, warnings = passed(adaptive, Quirks(thinking="budget"))
    assert sent["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    assert "output_config" not in sent
    assert warnings == [Warning("thinking", "changed")]
    assert passed(adaptive)[0]["thinking"] == {"type": "adaptive"}


def test_thinking_is_turned_off_as_the_model_knows_it():
    off = body(thinking={"type": "disabled"}, output_config={"effort": "xhigh"})
    for unchanged in (Quirks(), Quirks(thinking="adaptive"), Quirks(thinking_off="disabled")):
        assert passed(off, unchanged) == ({**off, "model": "claude-upstream"}, [])
    sent, warnings = passed(off, Quirks(thinking_off="between_tools"))
    assert sent["thinking"] == {"type": "between_tools"}
    assert sent["output_config"] == {"effort": "high"}
    assert warnings == [Warning("thinking", "changed"), Warning("output_config.effort", "changed")]
    sent, warnings = passed(off, Quirks(thinking_off="never"))
    assert "thinking" not in sent
    assert sent["output_config"] == {"effort": "xhigh"}
    assert warnings == [Warning("thinking", "dropped")]
    between = body(thinking={"type": "between_tools"})
    assert passed(between, Quirks(thinking_off="disabled"))[0]["thinking"] == {"type": "disabled"}


def test_effort_stays_within_what_the_model_takes():
    request = body(output_config={"effort": "xhigh", "task_budget": {}})
    sent, warnings = passed(request, Quirks(efforts=("low", "medium", "high", "max")))
    assert sent["output_config"] == {"effort": "high", "task_budget": {}}
    assert warnings == [Warning("output_config.effort", "changed")]
    assert passed(request)[1] == []


def test_compaction_returns_only_to_its_origin():
    def request(tag: str) -> dict[str, Any]:
        return body(messages=turns({"type": "compaction", "content": "S", "encrypted_content": tag}, CALL))

    sent, _ = passed(request(SEAL.close("compaction", "enc")))
    assert sent["messages"][1]["content"][0]["encrypted_content"] == "enc"
    foreign = MESSAGES.read_request(request(ELSEWHERE.close("compaction", "enc")))
    assert [objection.param for objection in MESSAGES.objections(foreign, peer())] == ["messages"]


def test_citations_we_had_to_complete_do_not_come_back():
    made_up = {
        "type": "web_search_result_location",
        "url": "u",
        "cited_text": "c",
        "encrypted_index": "",
        "title": None,
    }
    real = {**made_up, "encrypted_index": "Eo8"}
    sent, _ = passed(body(messages=turns({"type": "text", "text": "a", "citations": [made_up, real]}, CALL)))
    assert sent["messages"][1]["content"][0]["citations"] == [real]


def test_quirks_apply():
    quirks = Quirks(
        drop_parameters=frozenset({"top_k", "safety_identifier"}), temperature_maximum=1.0, stop_maximum=1,
        output_maximum=1000, accepts_strict_tools=False, structured_output="none",
    )  # fmt: skip
    form = {"type": "json_schema", "schema": {}}
    sent, warnings = passed(
        body(
            top_k=3, metadata={"user_id": "u"}, temperature=1.5, stop_sequences=["a", "b"],
            tools=[{"name": "f", "input_schema": {}, "strict": True}], output_config={"format": form},
        ),
        quirks,
    )  # fmt: skip
    assert sent == {
        **body(), "model": "claude-upstream", "max_tokens": 1000, "temperature": 1.0, "stop_sequences": ["a"],
        "tools": [{"name": "f", "input_schema": {}}],
    }  # fmt: skip
    assert {warning.param for warning in warnings} == {
        "top_k", "metadata", "temperature", "stop_sequences", "tools.strict", "output_config.format", "max_tokens",
    }  # fmt: skip


def test_counting_is_asked_like_generating_and_with_nothing_else():
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": SIGNED}
    request = body(
        messages=turns(thinking, CALL), system="Be brief.", stream=True, temperature=1.0, metadata={"user_id": "u"},
        stop_sequences=["x"], service_tier="auto", tools=[{"name": "f", "input_schema": {}}], novelty=1,
        thinking={"type": "enabled", "budget_tokens": 2048},
    )  # fmt: skip
    counted = MESSAGES.count_request(MESSAGES.read_request(request), peer())
    sent, _ = passed(request)
    asked = ("messages", "model", "system", "thinking", "tools")
    assert counted == {name: sent[name] for name in asked}
    assert counted["messages"][1]["content"][0]["signature"] == "sig"
    known = MessageCountTokensParams.__annotations__ | BetaMessageCountTokensParams.__annotations__
    assert set(COUNTED) <= set(known)
    assert set(known) - set(COUNTED) == {"betas", "user_profile_id", "workspace_id"}  # headers


def test_counting_is_not_asked_of_who_cannot_read_the_prompt():
    compaction = {"type": "compaction", "content": "S", "encrypted_content": SEAL.close("compaction", "Enc==")}
    request = MESSAGES.read_request(body(messages=turns(compaction, CALL)))
    assert MESSAGES.count_request(request, peer()) is not None
    assert MESSAGES.count_request(request, peer(seal=ELSEWHERE)) is None
