"""Every mistake is found, named with its place and line, and comes with a remedy."""

import re

import pytest

from proxy.runtime.validation import fields_at
from tests.runtime.sample import HASH, RIGHT, SECRET, changed, problems
from tests.runtime.test_generated import ENVIRONMENT
from tools.generate import ROOT

KEY = f"- {{id: ab12cd34, hash: {HASH}}}"
CANDIDATE = "- anthropic/claude-opus-5-5"


def test_what_is_right_has_none():
    assert problems(RIGHT) == []


@pytest.mark.parametrize(
    ("text", "place", "line", "message", "remedy"),
    [
        (changed("    candidates:", "    candidats:"), "routes.gpt.candidats", 9, "unknown field", "'candidates'"),
        (changed("secret: ", "secert: "), "secert", 1, "unknown field", "'secret'"),
        (changed("a pepper for tests only", "short"), "secret", 1, "shorter than 16", "openssl"),
        (changed("a pepper for tests only", "${NOPE}"), "secret", 1, "NOPE is not set", "set NOPE"),
        (changed(CANDIDATE, "- antropic/x"), "routes.gpt.candidates[1].provider", 11, "'antropic'", "'anthropic'"),
        (changed(CANDIDATE, "- claude"), "routes.gpt.candidates[1]", 11, "provider/model", ""),
        (
            changed("  anthropic:\n", '  "anthro\\npic":\n'),
            'providers["anthro\\npic"]',
            5,
            "no place in a name",
            "printable",
        ),
        (changed("  gpt:\n", '  "gpt\\r":\n'), 'routes["gpt\\r"]', 8, "no place in a name", "printable"),
        (changed("  team-a:\n", '  "team\\x07":\n'), 'tenants["team\\x07"]', 13, "no place in a name", "printable"),
        (changed(CANDIDATE, '- "openai/a\\r\\nb: c"'), "routes.gpt.candidates[1].model", 11, "no place", "printable"),
        (
            changed(CANDIDATE, '- {provider: openai, model: m, name: "☃"}'),
            "routes.gpt.candidates[1].name",
            11,
            "no place in a name",
            "printable",
        ),
        (
            changed(CANDIDATE, '- {provider: openai, model: m, name: "credential:x"}'),
            "routes.gpt.candidates[1]",
            11,
            "begins with 'credential:'",
            "another 'name'",
        ),
        (changed(CANDIDATE, "- {provider: openai}"), "routes.gpt.candidates[1].model", 11, "missing", "add"),
        (changed(CANDIDATE, "- openai/gpt-6.1-sol"), "routes.gpt.candidates[1]", 11, "twice", "'name'"),
        (changed("  anthropic:\n", "  claude:\n"), "providers.claude", 5, "unknown provider type", "types: openai, "),
        (
            changed("  anthropic:\n", "  anthropic:\n    type: antropic\n"),
            "providers.anthropic.type",
            6,
            "unknown provider type 'antropic'",
            "did you mean 'anthropic'?",
        ),
        (
            changed("  anthropic:\n", "  x:\n    type: azure\n"),
            "providers.x",
            5,
            "'base_url' is missing",
            "base_url: https://",
        ),
        (changed("    api_key: sk-anthropic", ""), "providers.anthropic", 5, "missing", "${ANTHROPIC_API_KEY}"),
        (changed("sk-anthropic", '""'), "providers.anthropic.api_key", 6, "empty", "${ANTHROPIC_API_KEY}"),
        (changed("sk-anthropic", '"sk two"'), "providers.anthropic.api_key", 6, "characters", "copy"),
        (
            changed("sk-anthropic", "k\n    base_url: ftp://h/v1"),
            "providers.anthropic.base_url",
            7,
            "http or https",
            "https://HOST/v1",
        ),
        (
            changed("sk-anthropic", "k\n    base_url: https://me:pass@h/v1"),
            "providers.anthropic.base_url",
            7,
            "credentials",
            "api_key",
        ),
        (changed("sk-anthropic", "k\n    base_url: http://[::1"), "providers.anthropic.base_url", 7, "address", ""),
        (changed("sk-anthropic", "k\n    base_url: http://h/v1?x=1"), "providers.anthropic.base_url", 7, "path", "?"),
        (
            changed("sk-anthropic", "k\n    vocabulary: chat"),
            "providers.anthropic.vocabulary",
            7,
            "does not speak 'chat'",
            "messages",
        ),
        (
            changed(CANDIDATE, "- {provider: openai, model: m, vocabulary: messages}"),
            "routes.gpt.candidates[1].vocabulary",
            11,
            "does not speak",
            "responses, chat",
        ),
        (
            changed("sk-anthropic", "k\n    headers: {Host: x}"),
            "providers.anthropic.headers.Host",
            7,
            "set by Segue",
            "remove",
        ),
        (
            changed("sk-anthropic", "k\n    quirks: {drop_parameters: [sed]}"),
            "providers.anthropic.quirks.drop_parameters",
            7,
            "'sed'",
            "'seed'",
        ),
        (
            changed("sk-anthropic", "k\n    quirks: {system_role: null}"),
            "providers.anthropic.quirks.system_role",
            7,
            "null",
            "",
        ),
        (changed(HASH, "abc"), "tenants.team-a.keys[0].hash", 15, "64", "segue keys hash"),
        (changed(HASH, "sg-ab12cd34-secret"), "tenants.team-a.keys[0].hash", 15, "a key", "segue keys hash"),
        (changed("ab12cd34", "AB12"), "tenants.team-a.keys[0].id", 15, "eight", "dashes"),
        (changed(KEY, f"{KEY}\n      {KEY}"), "tenants.team-a.keys[1].hash", 16, "also in team-a", "segue keys new"),
        (
            changed(KEY, KEY[:-1] + ", models: [gtp]}"),
            "tenants.team-a.keys[0].models[0]",
            15,
            "no route matches 'gtp'",
            "'gpt'",
        ),
        (
            changed(KEY, KEY[:-1] + ', models: ["claude*"]}'),
            "tenants.team-a.keys[0].models[0]",
            15,
            "no route",
            "one of: gpt",
        ),
        (
            changed(KEY, KEY[:-1] + ", scopes: [generat]}"),
            "tenants.team-a.keys[0].scopes[0]",
            15,
            "'models'",
            "generat",
        ),
        (changed(KEY, KEY[:-1] + ", expires: soon}"), "tenants.team-a.keys[0].expires", 15, "date", ""),
        (RIGHT + "server: {ping_interval_seconds: 90}", "server.ping_interval_seconds", 16, "at most 60", "90"),
        (RIGHT + "server: {ping_interval_seconds: 4.9}", "server.ping_interval_seconds", 16, "at least 5", "4.9"),
        (RIGHT + "server: {body_limit: 3 loaves}", "server.body_limit", 16, "32MiB", ""),
        (RIGHT + "server: 8080", "server", 16, "mapping", ""),
        (
            RIGHT + "defaults: {breaker: {open_seconds: 60, longest_open_seconds: 5}}",
            "defaults.breaker",
            16,
            "open_seconds",
            "",
        ),
    ],
)
def test_a_mistake(text: str, place: str, line: int, message: str, remedy: str):
    found = {problem.place: problem for problem in problems(text)}
    assert place in found, found
    problem = found[place]
    assert problem.line == line
    assert message in problem.message
    assert remedy in problem.remedy


@pytest.mark.parametrize("section", ["secret", "providers", "routes"])
def test_what_every_file_needs(section: str):
    lines = RIGHT.splitlines(keepends=True)
    start = next(index for index, line in enumerate(lines) if line.startswith(section))
    end = next((index for index in range(start + 1, len(lines)) if not lines[index].startswith(" ")), len(lines))
    assert section in [problem.place for problem in problems("".join(lines[:start] + lines[end:]))]


def test_an_empty_mapping_lacks_everything():
    assert [problem.place for problem in problems("{}")] == ["providers", "routes", "secret"]


def test_tenants_and_keys_may_come_later():
    text = RIGHT.replace(f"      {KEY}\n", "").replace("    keys:\n", "    keys: []\n")
    assert problems(text) == []


def test_a_route_without_candidates():
    text = RIGHT.replace("      - openai/gpt-6.1-sol\n      - anthropic/claude-opus-5-5\n", "      []\n")
    assert [problem.place for problem in problems(text)] == ["routes.gpt"]


def test_one_target_name_means_one_thing():
    text = changed(
        "tenants:", "  other:\n    candidates:\n      - {provider: openai, model: gpt-6.1-sol, images: false}\ntenants:"
    )
    [problem] = problems(text)
    assert problem.place == "routes.other.candidates[0]"
    assert "'gpt'" in problem.message
    assert problems(text.replace("images: false", "timeouts: {idle_seconds: 3}")) == []
    assert problems(text.replace("images: false", "images: false, name: blind")) == []


def test_embedding_candidates_must_be_one_model():
    text = changed(CANDIDATE, "- openai/other\n    dimensions: 8")
    assert [problem.place for problem in problems(text)] == ["routes.gpt.dimensions"]
    lacks = changed("- openai/gpt-6.1-sol\n      ", "").replace(CANDIDATE, f"{CANDIDATE}\n    dimensions: 8")
    [problem] = problems(lacks)
    assert "no embeddings" in problem.message


def test_all_mistakes_at_once_in_the_order_of_lines_and_each_once():
    text = f"""\
server: {{prot: 1}}
secret: ${{NOPE}}
providers:
  openai: {{}}
  opnai:
    api_key: x
routes:
  gpt:
    candidates:
      - openai
      - nobody/m
      - {{provider: openai}}
tenants:
  t:
    keys:
      - {{id: 1, hash: {HASH}, models: [x, gpt]}}
      -
"""
    assert [(problem.line, problem.place) for problem in problems(text)] == [
        (1, "server.prot"),
        (2, "secret"),
        (4, "providers.openai"),
        (5, "providers.opnai"),
        (10, "routes.gpt.candidates[0]"),
        (11, "routes.gpt.candidates[1].provider"),
        (12, "routes.gpt.candidates[2].model"),
        (16, "tenants.t.keys[0].id"),
        (16, "tenants.t.keys[0].models[0]"),
        (17, "tenants.t.keys[1].hash"),
        (17, "tenants.t.keys[1].id"),
    ]


def test_no_message_repeats_a_secret():
    text = RIGHT.replace("sk-openai", '"sk hush-hush"').replace(HASH, "sg-hush-hush").replace(SECRET, "hush-hush")
    found = problems(text)
    assert len(found) == 3
    assert "hush-hush" not in "".join(map(str, found))


def test_the_fields_of_a_place():
    assert fields_at(("routes", "x", "candidates", 3, "timeouts"))[:2] == ["connect_seconds", "headers_seconds"]
    assert fields_at(("routes", "x", "announce")) == []


ODD = ("null", "[null]", "{a: {b: c}}", "-1", "/", "'\\0'")
REFERENCE = (ROOT / "config" / "segue.yaml").read_text("utf-8")


@pytest.mark.parametrize("odd", ODD)
def test_any_value_in_any_place_is_a_mistake_or_right(odd: str):
    """Whatever stands where, it ends in mistakes with lines and remedies, or in a snapshot."""
    places = list(re.finditer(r"(?m)^( *(?:- )?[\w-]+:|  *-) ?([^#\n]*?) *(?=#|$)", REFERENCE))
    assert len(places) > 80
    for place in places:
        text = f"{REFERENCE[: place.end(1)]} {odd}{REFERENCE[place.end(2) :]}"
        for problem in problems(text, ENVIRONMENT):
            assert problem.line is not None
            assert problem.message
            assert problem.remedy
