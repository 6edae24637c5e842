"""The hand-written provider streams, judged as such: the good ones conform, the others break just what they are for."""

from pathlib import Path

import pytest
from openai.types.responses import Response

from proxy.conformance import response_object
from proxy.conformance.lint import lint

FOLDER = Path(__file__).parents[1] / "fixtures"
STREAMS = {f"{path.parent.name}/{path.stem}": path for path in sorted(FOLDER.glob("*/*.sse"))}
# What a fixture stands for, where that is not a good stream.
DEVIATIONS = {
    "chat/azure-text": {"chat.fields"},
    "chat/choices-empty-with-error": {"chat.error"},
    "chat/deepseek-reasoning": {"chat.usage-chunk"},
    "chat/mistral-thinking": {"chat.fields", "chat.usage-chunk"},
    "chat/no-role-no-done": {"chat.role-first", "chat.truncated"},
    "chat/ollama-tools-all-index-0": {"chat.tool-identity"},
    "chat/openrouter-error": {"chat.error"},
    "chat/openrouter-error-in-choice": {"chat.fields", "chat.truncated"},
    "chat/openrouter-reasoning": {"chat.usage-chunk", "chat.after-finish"},
    "chat/tools-fresh-id-each-chunk": {"chat.tool-identity"},
    "chat/tools-name-repeated": {"chat.tool-identity"},
    "chat/tools-no-index-no-id": {"chat.fields", "chat.finish-reason"},
    "chat/truncated": {"chat.truncated"},
    "chat/usage-in-every-chunk": {"chat.usage-chunk"},
    "messages/no_message_stop": {"messages.truncated"},
    "messages/truncated": {"messages.truncated"},
    "responses/usage_partial": {"responses.usage"},
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_fixture_breaks_only_what_it_is_for(name: str):
    report = lint(STREAMS[name].read_bytes(), ours=False)
    assert {violation.rule for violation in report.violations} == DEVIATIONS.get(name, set()), str(report)
    assert report.vocabulary == name.partition("/")[0]


def test_deviations_name_fixtures():
    assert DEVIATIONS.keys() <= STREAMS.keys()


def test_a_provider_owes_what_the_official_models_know():
    optional = {name for name, kind in response_object._PROVIDERS_RESPONSE.items() if kind.optional}
    assert optional == set(response_object._RESPONSE) - set(Response.model_fields) - {"segue"}
