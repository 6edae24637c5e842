"""A client's own Responses body on its way to a provider: what is patched and what passes."""

import copy
from typing import Any

from openai.types.responses import InputTokenCountParams

from proxy.canonical.account import Warning
from proxy.canonical.origin import Origins, Seal
from proxy.vocabularies.responses.request_writer import COUNTED
from proxy.vocabularies.responses.vocabulary import RESPONSES
from proxy.wire.quirks import Quirks
from tests.vocabularies.responses.corpus import OTHER, SEAL, peer

FORGER = Origins(b"another sixteen bytes")


def sent(seal: Seal = SEAL, quirks: Quirks | None = None, **body: Any) -> tuple[dict[str, Any], list[Warning]]:
    """A client's own Responses body as written for a peer; it is never changed itself."""
    whole = {"model": "smart", "input": "hi", **body}
    kept = copy.deepcopy(whole)
    out = RESPONSES.write_request(RESPONSES.read_request(whole), peer(seal, quirks or Quirks()))
    assert whole == kept
    return out.body, out.warnings


def test_a_plain_body_passes_but_for_model_and_store():
    body, warnings = sent(client_metadata={"a": 1}, temperature=1.5, stream=True)
    assert body == {
        "model": "gpt-upstream",
        "input": "hi",
        "client_metadata": {"a": 1},
        "temperature": 1.5,
        "stream": True,
        "store": False,
    }
    assert warnings == []


def test_item_ids_of_ours_are_stripped_and_others_stay():
    kinds = [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
    ]
    given = [
        {
            "type": kind,
            "id": "x",
            "role": "user",
            "content": [],
            "call_id": "c",
            "name": "n",
            "encrypted_content": "raw",
        }
        for kind in kinds
    ]
    given.append({"type": "web_search_call", "id": "ws_1"})
    body, _ = sent(input=given)
    assert [item.get("id") for item in body["input"]] == [None] * 6 + ["ws_1"]


def test_tagged_reasoning_returns_to_its_origin_only():
    item = {"type": "reasoning", "summary": [], "encrypted_content": SEAL.close("encrypted", "gAAA")}
    body, warnings = sent(input=[item, {"role": "user", "content": "go"}])
    assert body["input"][0] == {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
    assert warnings == []
    body, warnings = sent(OTHER, input=[item, {"role": "user", "content": "go"}])
    assert body["input"] == [{"role": "user", "content": "go"}]
    assert warnings == [Warning("input[0]", "dropped")]


def test_untagged_reasoning_goes_to_the_first_candidate_only():
    item = {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
    assert sent(input=[item])[0]["input"] == [item]
    assert sent(SEAL._replace(takes_untagged=False), input=[item])[0]["input"] == []


def test_forged_and_empty_reasoning_is_dropped():
    forged = {"type": "reasoning", "summary": [], "encrypted_content": FORGER.tag(SEAL.origin, "encrypted", "gAAA")}
    assert sent(input=[forged])[0]["input"] == []
    assert sent(input=[{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}])[0]["input"] == []


def test_void_messages_and_our_own_member_are_stripped():
    void = {"type": "message", "role": "assistant", "status": "incomplete", "content": []}
    body, _ = sent(input=[void, {"role": "user", "content": "go"}], segue={"x": 1})
    assert body["input"] == [{"role": "user", "content": "go"}]
    assert "segue" not in body


def thoughts(payload: str) -> dict[str, Any]:
    return {"type": "reasoning", "summary": [], "encrypted_content": SEAL.close("encrypted", payload)}


def test_what_a_restart_took_back_is_stripped_with_the_thoughts_that_led_to_it():
    """A provider refuses reasoning that its own next item does not follow."""
    asked, said = {"role": "user", "content": "go"}, {"role": "assistant", "type": "message", "content": "Hello"}
    void = {"type": "message", "role": "assistant", "status": "incomplete", "content": []}
    void_thoughts = {"type": "reasoning", "summary": [], "content": [], "status": "incomplete"}
    given = [said, asked, thoughts("a"), thoughts("b"), void, void_thoughts, thoughts("c"), said, asked]
    body, warnings = sent(input=given)
    kept = {**thoughts("c"), "encrypted_content": "c"}
    assert body["input"] == [said, asked, kept, said, asked]
    assert warnings == []
    roles = [turn.role for turn in RESPONSES.read_request({"model": "smart", "input": given}).turns]
    assert roles == ["assistant", "user", "assistant", "user"]


def test_thoughts_that_were_only_cut_short_are_kept():
    cut = {**thoughts("a"), "content": [], "status": "incomplete"}
    shown = {"type": "reasoning", "content": [], "status": "incomplete", "summary": [{"type": "summary_text"}]}
    body, warnings = sent(input=[cut, shown, {"role": "user", "content": "go"}])
    assert [item.get("encrypted_content") for item in body["input"]] == ["a", None]
    assert warnings == [Warning("input[1]", "dropped")]


def test_compaction_returns_to_its_origin_or_makes_others_ineligible():
    item = {"type": "compaction", "encrypted_content": SEAL.close("encrypted", "cmp")}
    request = RESPONSES.read_request({"model": "smart", "input": [item]})
    assert RESPONSES.objections(request, peer()) == []
    assert RESPONSES.write_request(request, peer()).body["input"] == [
        {"type": "compaction", "encrypted_content": "cmp"}
    ]
    (objection,) = RESPONSES.objections(request, peer(OTHER))
    assert "compaction" in objection.message


def test_quirks_of_a_compatible_provider():
    quirks = Quirks(
        drop_parameters=frozenset({"metadata", "verbosity"}),
        system_role="system",
        accepts_strict_tools=False,
        structured_output="json_object",
        required_tool_choice="any",
        temperature_maximum=1.0,
        call_id_length=9,
        call_id_alphabet="abcdefghijklmnopqrstuvwxyz0123456789",
    )
    body, warnings = sent(
        quirks=quirks,
        input=[
            {"role": "developer", "content": "Be brief."},
            {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "x"},
        ],
        metadata={"a": "b"},
        temperature=1.7,
        tool_choice="required",
        tools=[{"type": "function", "name": "f", "parameters": {}, "strict": True}],
        text={"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low"},
    )
    assert body["input"][0]["role"] == "system"
    assert body["input"][1]["call_id"] == body["input"][2]["call_id"]
    assert len(body["input"][1]["call_id"]) == 9
    assert body["text"] == {"format": {"type": "json_object"}}
    assert (body["temperature"], body["tool_choice"]) == (1.0, "any")
    assert body["tools"] == [{"type": "function", "name": "f", "parameters": {}}]
    assert {(warning.param, warning.action) for warning in warnings} == {
        ("metadata", "dropped"),
        ("verbosity", "dropped"),
        ("temperature", "changed"),
        ("text.format", "changed"),
    }


def test_a_choice_that_cannot_be_asked_for_is_dropped_with_a_warning():
    body, warnings = sent(quirks=Quirks(required_tool_choice=None, structured_output="none"), tool_choice="required")
    assert "tool_choice" not in body
    assert warnings == [Warning("tool_choice", "dropped")]


def test_counting_is_asked_like_generating_and_with_nothing_else():
    reasoning = {"type": "reasoning", "id": "rs_x", "summary": [], "encrypted_content": SEAL.close("encrypted", "abc")}
    given = {
        "model": "smart",
        "input": [reasoning, {"role": "user", "content": "hi"}],
        "instructions": "Be brief.",
        "max_output_tokens": 9,
        "temperature": 1.0,
        "stream": True,
        "store": True,
        "metadata": {},
        "novelty": 1,
    }
    request = RESPONSES.read_request(given)
    counted = RESPONSES.count_request(request, peer(SEAL, Quirks()))
    assert counted == {
        "model": "gpt-upstream",
        "instructions": "Be brief.",
        "input": [{"type": "reasoning", "summary": [], "encrypted_content": "abc"}, given["input"][1]],
    }
    stateful = {"conversation", "previous_response_id"}
    assert set(InputTokenCountParams.__annotations__) == set(COUNTED) | stateful


def test_counting_is_not_asked_of_who_cannot_read_the_prompt():
    item = {"type": "compaction", "encrypted_content": SEAL.close("encrypted", "abc")}
    request = RESPONSES.read_request({"model": "smart", "input": [item]})
    assert RESPONSES.count_request(request, peer(SEAL, Quirks())) is not None
    assert RESPONSES.count_request(request, peer(OTHER, Quirks())) is None
