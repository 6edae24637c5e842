"""What a right configuration becomes."""

import re
from dataclasses import fields
from datetime import UTC, datetime

from proxy.canonical.origin import Origins
from proxy.routing.breaker import BreakerSettings
from proxy.routing.candidates import Operation, Target
from proxy.routing.settings import Concurrency, Hedging, Retries, Timeouts
from proxy.runtime import keys, routes
from proxy.runtime.snapshot import ServerSettings
from proxy.runtime.spec_routes import BreakerSpec, ConcurrencySpec, HedgingSpec, RetriesSpec, RouteTimeouts
from proxy.runtime.spec_upstreams import QuirksSpec
from proxy.wire.quirks import Quirks
from tests.runtime.sample import HASH, RIGHT, SECRET, changed, loaded

CANDIDATE = "- anthropic/claude-opus-5-5"
KEY = f"{{id: ab12cd34, hash: {HASH}}}"


def target(candidate: str, more: str = "") -> Target:
    return loaded(changed(CANDIDATE, candidate) + more).routes["gpt"].candidates[1]


def test_a_shorthand_candidate():
    first, second = loaded(RIGHT).routes["gpt"].candidates
    assert (first.name, first.model, first.credential) == ("openai/gpt-6.1-sol", "gpt-6.1-sol", "openai")
    assert first.base_url == "https://api.openai.com/v1"
    assert first.headers == (("authorization", "Bearer sk-openai"),)
    assert dict(second.headers) == {"x-api-key": "sk-anthropic", "anthropic-version": "2023-06-01"}


def test_operations_name_vocabulary_and_path():
    first, second = loaded(RIGHT).routes["gpt"].candidates
    vocabulary, path = first.operations[Operation.GENERATE]
    assert (vocabulary.name, path) == ("responses", "/responses")
    vocabulary, path = first.operations[Operation.EMBEDDINGS]
    assert (vocabulary.name, path) == ("embeddings", "/embeddings")
    assert Operation.EMBEDDINGS not in second.operations
    assert first.counts == {"responses": "/responses/input_tokens"}
    assert second.counts == {"messages": "/messages/count_tokens"}


def test_the_model_keeps_its_slashes():
    assert target("- openai/org/model:7b").model == "org/model:7b"


def test_catalogued_facts_and_their_overrides():
    known = target(CANDIDATE)
    assert (known.context_window, known.max_output_tokens, known.takes_images) == (1_000_000, 128_000, True)
    assert "temperature" in known.quirks.drop_parameters
    told = target(
        "- {provider: anthropic, model: claude-opus-5-5, context_window: 9, max_output_tokens: 8, images: no}"
    )
    assert (told.context_window, told.max_output_tokens, told.takes_images) == (9, 8, False)
    unknown = target("- anthropic/mystery")
    assert (unknown.context_window, unknown.max_output_tokens, unknown.takes_images) == (None, None, None)


def test_another_vocabulary_brings_its_own_quirks():
    text = changed("sk-openai", "k\n    vocabulary: chat\n    quirks: {system_role: system, stop_maximum: null}")
    first = loaded(text).routes["gpt"].candidates[0]
    vocabulary, path = first.operations[Operation.GENERATE]
    assert (vocabulary.name, path) == ("chat", "/chat/completions")
    assert (first.quirks.system_role, first.quirks.stop_maximum) == ("system", None)
    assert first.quirks.max_tokens_parameter == Quirks().max_tokens_parameter


def test_every_quirk_can_be_overridden():
    of_the_candidate = {"output_maximum"}
    assert set(QuirksSpec.model_fields) == {field.name for field in fields(Quirks)} - of_the_candidate
    assert target("- {provider: anthropic, model: m, max_output_tokens: 8}").quirks.output_maximum == 8


def test_any_server_by_its_address():
    provider = "  here:\n    type: compatible\n    base_url: http://localhost:1/v1/\n    headers: {X-Team: a}\nroutes:"
    text = changed("routes:", provider).replace(CANDIDATE, "- {provider: here, model: m, vocabulary: messages}")
    there = loaded(text).routes["gpt"].candidates[1]
    assert (there.base_url, there.headers) == ("http://localhost:1/v1", (("x-team", "a"),))
    assert there.operations[Operation.GENERATE][1] == "/messages"


def test_two_entries_of_one_provider_are_two_origins():
    text = changed("routes:", "  openai-2:\n    type: openai\n    api_key: sk-other\nroutes:")
    text = text.replace(CANDIDATE, "- openai-2/gpt-6.1-sol")
    first, second = loaded(text).routes["gpt"].candidates
    assert first.provider is second.provider
    assert first.seal.origin != second.seal.origin
    assert second.seal.open(first.seal.close("encrypted", "x")) is None
    again = loaded(text).routes["gpt"].candidates[0]
    assert again.seal.open(first.seal.close("encrypted", "x")) is not None


def test_settings_are_merged_field_by_field():
    more = """
defaults:
  announce: eager
  timeouts: {total_seconds: 100, idle_seconds: 10, connect_seconds: 1}
  breaker: {failure_rate: 0.25, open_seconds: 3}
"""
    candidate = """- provider: anthropic
        model: m
        timeouts: {idle_seconds: 30}
        breaker: {open_seconds: 4, consecutive_failures: 2}
    timeouts: {idle_seconds: 20, headers_seconds: 7}"""
    route = loaded(changed(CANDIDATE, candidate) + more).routes["gpt"]
    assert route.announce == "eager"
    assert route.timeouts == Timeouts(total=100, connect=1, headers=7, idle=20)
    first, second = route.candidates
    assert first.timeouts == route.timeouts
    assert second.timeouts == Timeouts(total=100, connect=1, headers=7, idle=30)
    assert first.breaker == BreakerSettings(failure_rate=0.25, open_time=3)
    assert second.breaker == BreakerSettings(failure_rate=0.25, open_time=4, consecutive_failures=2)


def test_every_setting_can_be_written():
    assert set(routes.BREAKER.values()) == set(BreakerSettings.__struct_fields__)
    assert set(routes.TIMEOUTS.values()) == set(Timeouts.__struct_fields__)
    assert set(routes.RETRIES.values()) == set(Retries.__struct_fields__)
    assert set(routes.CONCURRENCY.values()) == set(Concurrency.__struct_fields__)


def test_the_defaults_are_what_the_descriptions_say():
    """`(default 5)` in the words of a field is the built-in value of the setting."""
    kinds = (
        (RouteTimeouts, routes.TIMEOUTS, Timeouts()),
        (BreakerSpec, routes.BREAKER, BreakerSettings()),
        (RetriesSpec, routes.RETRIES, Retries()),
        (ConcurrencySpec, {"queue": "queue"}, Concurrency(limit=1)),
        (HedgingSpec, {"share": "share"}, Hedging()),
    )
    for section, names, settings in kinds:
        for written, field in names.items():
            told = re.search(r"\(default ([\d.]+)", section.model_fields[written].description or "")
            assert told is not None, (section, written)
            assert float(told[1]) == getattr(settings, field), (section, written)


def test_route_policies():
    words = "announce: eager\n    on_content_filter: next\n    on_empty_answer: retry"
    route = loaded(changed(CANDIDATE, f"{CANDIDATE}\n    {words}")).routes["gpt"]
    assert (route.announce, route.next_on_content_filter, route.accepts_empty_answer) == ("eager", True, False)
    plain = loaded(RIGHT).routes["gpt"]
    assert (plain.announce, plain.next_on_content_filter, plain.accepts_empty_answer) == ("held", False, True)
    assert plain.dimensions is None


def test_the_server_and_its_units():
    assert loaded(RIGHT).server == ServerSettings()
    server = "server: {port: 1, body_limit: 2MiB, ping_interval_seconds: 5, shutdown_grace_seconds: 1.5}"
    told = loaded(f"{RIGHT}{server}\noperations: {{port: 2}}").server
    assert (told.port, told.operations_port, told.body_limit) == (1, 2, 2 * 1024**2)
    assert (told.ping_interval, told.shutdown_grace) == (5, 1.5)


def test_keys_are_found_by_the_digest_of_what_was_presented():
    key = keys.compose("ab12cd34", "s" * 32)
    rights = "models: [gpt], scopes: [generate], expires: 2027-01-31"
    digest = keys.digest(SECRET.encode(), key)
    text = changed(KEY, f"{{id: ab12cd34, hash: {digest}, {rights}}}")
    text = text.replace("  team-a:\n", "  team-a:\n    fallback_events: none\n")
    found = loaded(text).find_key(digest)
    assert found is not None
    assert (found.tenant, found.models, found.scopes) == ("team-a", ("gpt",), ("generate",))
    assert found.expires == datetime(2027, 1, 31, tzinfo=UTC).timestamp()
    assert found.fallback_events == "none"
    assert loaded(text).find_key(keys.digest(SECRET.encode(), keys.compose("ab12cd34", "t" * 32))) is None


def test_a_time_has_its_zone_or_is_utc():
    zoned, bare = (
        next(iter(loaded(changed(KEY, KEY[:-1] + f", expires: '{when}'}}")).keys.values())).expires
        for when in ("2027-01-31T12:00:00+02:00", "2027-01-31 10:00:00")
    )
    assert zoned == bare


def test_tags_depend_on_the_secret():
    tag = loaded(RIGHT).origins.tag("o", "encrypted", "x")
    assert Origins(SECRET.encode()).read(tag) is not None
    assert loaded(changed(SECRET, "another secret for tests")).origins.read(tag) is None
