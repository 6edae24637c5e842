"""Every cell of this vocabulary's column of the parameter table."""

from typing import Any

import pytest

from proxy.canonical.request import Request
from proxy.vocabularies.responses.parameters import COLUMN
from proxy.vocabularies.responses.vocabulary import RESPONSES
from proxy.wire.parameters import PARAMETERS, Action
from tests.vocabularies.responses.corpus import peer

DROPPED = object()
INELIGIBLE = object()

# A value another vocabulary's client may send, and the members it becomes.
EXPECTED: dict[str, tuple[Any, Any]] = {
    "max_output_tokens": (99, {"max_output_tokens": 99}),
    "temperature": (0.5, {"temperature": 0.5}),
    "top_p": (0.9, {"top_p": 0.9}),
    "top_k": (40, DROPPED),
    "stop": (["END"], DROPPED),
    "seed": (7, DROPPED),
    "n": (2, INELIGIBLE),
    "logprobs": (True, INELIGIBLE),
    "top_logprobs": (3, INELIGIBLE),
    "logit_bias": ({"50256": -100}, INELIGIBLE),
    "presence_penalty": (0.5, DROPPED),
    "frequency_penalty": (0.5, DROPPED),
    "modalities": (["text", "audio"], INELIGIBLE),
    "audio": ({"voice": "alloy", "format": "wav"}, INELIGIBLE),
    "prediction": ({"type": "content", "content": "x"}, DROPPED),
    "parallel_tool_calls": (False, {"parallel_tool_calls": False}),
    "max_tool_calls": (3, {"max_tool_calls": 3}),
    "service_tier": ("standard_only", {"service_tier": "default"}),
    "prompt_cache_key": ("k", {"prompt_cache_key": "k"}),
    "prompt_cache_retention": ("24h", {"prompt_cache_retention": "24h"}),
    "safety_identifier": ("s", {"safety_identifier": "s"}),
    "user": ("u", {"user": "u"}),
    "metadata": ({"a": "b"}, {"metadata": {"a": "b"}}),
    "include": (["file_search_call.results"], {"include": ["file_search_call.results"]}),
    "truncation": ("auto", {"truncation": "auto"}),
    "verbosity": ("low", {"text": {"verbosity": "low"}}),
    "store": (True, {}),
    "web_search_options": ({}, INELIGIBLE),
    "prompt": ({"id": "p"}, {"prompt": {"id": "p"}}),
    "context_management": ({"edits": []}, DROPPED),
    "container": ("c", INELIGIBLE),
    "mcp_servers": ([{"url": "https://a.example"}], INELIGIBLE),
}
STRUCTURAL = {parameter.name for parameter in PARAMETERS if parameter.structural}
BARE = {"model": "gpt-upstream", "store": False, "stream": False, "input": []}


def test_every_row_has_a_cell_and_an_expectation():
    assert set(COLUMN) == {parameter.name for parameter in PARAMETERS}
    assert set(EXPECTED) == set(COLUMN) - STRUCTURAL


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_cell_does_what_it_says(name: str):
    value, expected = EXPECTED[name]
    request = Request("elsewhere", "smart", {}, parameters={name: value})
    objections = RESPONSES.objections(request, peer())
    assert [objection.param for objection in objections] == ([name] if expected is INELIGIBLE else [])
    body, warnings = RESPONSES.write_request(request, peer())
    members = expected if isinstance(expected, dict) else {}
    assert body == {**BARE, **members}
    assert [(w.param, w.action) for w in warnings] == ([(name, "dropped")] if expected is DROPPED else [])


@pytest.mark.parametrize(("name", "value"), [("service_tier", "turbo"), ("service_tier", 3), ("metadata", {"a": 1})])
def test_values_that_cannot_be_expressed_are_dropped_with_a_warning(name: str, value: Any):
    body, warnings = RESPONSES.write_request(Request("elsewhere", "smart", {}, parameters={name: value}), peer())
    assert body == BARE
    assert [(w.param, w.action) for w in warnings] == [(name, "dropped")]


@pytest.mark.parametrize("name", [n for n, rule in COLUMN.items() if rule.neutral])
def test_values_that_ask_for_nothing_pass_silently(name: str):
    for value in COLUMN[name].neutral:
        request = Request("elsewhere", "smart", {}, parameters={name: value})
        assert RESPONSES.objections(request, peer()) == []
        assert RESPONSES.write_request(request, peer()) == (BARE, [])


def test_cells_that_do_more_than_pass_say_why():
    assert [n for n, rule in COLUMN.items() if rule.action is not Action.PASS and not rule.note] == []
