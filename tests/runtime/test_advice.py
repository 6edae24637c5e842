"""What `segue check` warns of: above all what is written and can never come to pass (F17)."""

import pytest

from proxy.runtime.advice import advice
from tests.runtime.sample import HASH, RIGHT, changed, configured

KEY = f"{{id: ab12cd34, hash: {HASH}}}"
FIRST, SECOND = "- openai/gpt-6.1-sol", "- anthropic/claude-opus-5-5"
EMBEDDING = ("- openai/e", "- {provider: openai, model: e, name: again}")


def told(text: str) -> str:
    return "\n".join(advice(configured(text), now=1_800_000_000.0))


def with_route(settings: str, *candidates: str) -> str:
    """RIGHT with these candidates instead of its two (none = those two), and settings of the route."""
    text = changed(f"{FIRST}\n      {SECOND}", "\n      ".join(candidates or (FIRST, SECOND)))
    return text.replace("tenants:", f"    {settings}\ntenants:") if settings else text


def test_nothing_to_say():
    assert told(RIGHT) == ""


def test_keys_routes_and_exposure():
    rights = f", models: [gpt], expires: 2020-01-01}}\n      - {{id: zz12cd34, hash: {'0' * 64}, models: [gpt]}}"
    text = changed(KEY, KEY[:-1] + rights).replace("tenants:", "  lone:\n    candidates: [far/m]\ntenants:")
    text = text.replace("routes:", "  far: {type: vllm, base_url: 'http://far.example/v1', api_key: k}\nroutes:")
    found = told(text + "operations: {host: 0.0.0.0}")
    assert "ab12cd34 of tenant team-a has expired" in found
    assert "zz12cd34 of tenant team-a has a placeholder" in found
    assert "route lone: no key may use it" in found
    assert "route lone: it has one candidate, so nothing to fall back to" in found
    assert "unencrypted to http://far.example/v1" in found
    assert "metrics are open" in found


@pytest.mark.parametrize(
    ("settings", "candidates", "warning"),
    [
        ("retries: {same_target: 0}", (FIRST,), "every failure of it reaches the client"),
        ("hedging: 2", (FIRST,), "hedging never happens: there is no second candidate"),
        ("hedging: p95", (FIRST,), "hedging never happens"),
        ("hedging: 120", (), "hedging after 120 s never happens: no candidate has more than 120 s to begin"),
        ("hedging: 60\n    timeouts: {total_seconds: 50}", (), "no candidate has more than 50 s"),
        ("on_content_filter: next", (FIRST,), "there is no next candidate"),
        ("midstream: restart", (FIRST,), "'midstream: restart' never happens"),
        ("midstream: continue", (), "'midstream: continue' never happens"),
        # The only one that accepts a prefill is never asked after another.
        ("midstream: continue", ("- anthropic/claude-opus-4-5", FIRST), "'midstream: continue' never happens"),
        ("affinity: key", (), "affinity never happens: no step has several candidates"),
        ("", ("- any: [openai/gpt-6.1-sol]", SECOND), "'any' in step 1 chooses nothing"),
        ("dimensions: 8\n    hedging: p95", EMBEDDING, "hedging never happens: embeddings are no streams"),
        ("dimensions: 8\n    midstream: continue", EMBEDDING, "'midstream: continue' never happens: embeddings are no"),
        ("timeouts: {rate_window_seconds: 3}", (), "'rate_window_seconds' says nothing"),
    ],
)
def test_f17_nothing_configured_silently_never_fires(settings: str, candidates: tuple[str, ...], warning: str):
    assert warning in told(with_route(settings, *candidates))


@pytest.mark.parametrize(
    ("settings", "candidates"),
    [
        ("retries: {same_target: 0}", ()),
        ("hedging: 2", ()),
        ("hedging: 119", ()),
        ("midstream: restart", ()),
        ("midstream: continue", (FIRST, "- anthropic/claude-opus-4-5")),
        ("midstream: continue", ("- any: [anthropic/claude-opus-4-5, openai/gpt-6.1-sol]",)),
        ("affinity: key", ("- any: [openai/gpt-6.1-sol, anthropic/claude-opus-5-5]",)),
        ("timeouts: {rate_window_seconds: 3, least_characters_per_second: 5}", ()),
        # Whoever paused, and was not asked yet, is waited for in the end.
        ("retries: {same_target: 0, longest_wait_seconds: 1}", ()),
    ],
)
def test_what_can_come_to_pass_is_not_warned_of(settings: str, candidates: tuple[str, ...]):
    assert told(with_route(settings, *candidates)) == ""


def test_a_quirk_makes_a_successor():
    text = with_route("midstream: continue").replace("sk-anthropic", "k\n    quirks: {prefill: plain}")
    assert told(text) == ""


def test_defaults_are_meant_for_those_that_can():
    alone = with_route("", FIRST)
    quiet = told(alone)
    assert quiet.count("\n") == 0
    assert told(alone + "defaults: {hedging: 2, affinity: key}\n") == quiet
    assert "'midstream: continue' never happens" in told(alone + "defaults: {midstream: continue}\n")
