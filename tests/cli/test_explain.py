"""`segue explain`: whom a request would be sent to, who is left out and why, as a person and as a program see it."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.canonical.origin import Origins
from proxy.cli.told import NOBODY
from proxy.runtime import keys
from tests.cli.explaining import FIRST, SECOND, configuration, ranks, text, told
from tests.cli.instances import segue
from tests.master.instance import CONFIGURATION, TENANT
from tests.runtime.sample import SECRET, loaded

IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    place = tempfile.mkdtemp(prefix="segue-test-")
    monkeypatch.setenv("XDG_RUNTIME_DIR", place)
    yield
    shutil.rmtree(place)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return configuration(tmp_path)


def written(tmp_path: Path, body: Any) -> str:
    path = tmp_path / "body.json"
    path.write_text(body if isinstance(body, str) else json.dumps(body))
    return str(path)


def chat(*content: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(content) or "Hi"}], **more}


PLAIN = f"""\
gpt: whoever may ask for it

asked, in this order
  1. {FIRST} (responses, 1,050,000 tokens)
       opens     after 5 failures in a row, or 50 % of at least 10 in 30 s; for 10 s, doubling up to 300 s
       timeouts  connect 5 s, headers 60 s, first token 120 s, idle 60 s
  2. {SECOND} (messages, 1,000,000 tokens)
       opens     after 5 failures in a row, or 50 % of at least 10 in 30 s; for 10 s, doubling up to 300 s
       timeouts  connect 5 s, headers 60 s, first token 120 s, idle 60 s

the route
  deadline        600 s for everything, of which the first candidate has 240 s to begin
  retries         1 more try at the same target, the first after up to 0.25 s; a provider may ask for up to 5 s
  hedging         never
  mid-stream      fail
  affinity        none
  announce        held
  content filter  its refusal is final

{NOBODY}
"""


async def test_a_plain_route(file: Path):
    assert await text(file, "--model", "gpt") == PLAIN


async def test_steps_and_how_draws_go(file: Path):
    explained = await told(file, "--model", "steps")
    assert ranks(explained) == [
        (1, FIRST),
        (2, "openai/a"),
        (2, "openai/b"),
        (4, "openai/c"),
        (5, "anthropic/claude-opus-4-5"),
        (5, "anthropic/claude-sonnet-4-5"),
    ]
    assert [each["share"] for each in explained["candidates"]] == [None, 0.75, 0.25, 0, None, None]
    assert [each["chosen_by"] for each in explained["candidates"]][3:] == ["weighted", "least_loaded", "least_loaded"]
    shown = await text(file, "--model", "steps")
    assert "asked, in this order (equal numbers: drawn anew for each request)" in shown
    assert "place     first for 75 % of the requests" in shown
    assert "place     after the others of its step" in shown
    assert "place     first if the fewest attempts for its weight run there" in shown
    assert "retries         none at the same target" in shown
    assert "hedging         the next candidate is asked too after 2 s, for at most 10 % of the requests" in shown
    assert "continue (can go on: anthropic/claude-opus-4-5, anthropic/claude-sonnet-4-5)" in shown
    assert "requests with the same x-session keep to the same candidate of a step: give its value with --mark" in shown


async def test_a_mark_decides_the_draws(file: Path):
    found = [await told(file, "--model", "steps", "--mark", mark) for mark in ("one", "one", "two", "three", "four")]
    assert ranks(found[0]) == ranks(found[1])
    assert {ranks(each)[1] for each in found} == {(2, "openai/a"), (2, "openai/b")}
    for each in found:
        assert [rank for rank, _ in ranks(each)] == [1, 2, 3, 4, 5, 6]
        assert ranks(each)[3] == (4, "openai/c")
        assert not any("keep to the same candidate" in note for note in each["notes"])


async def test_a_key_is_a_mark_too(file: Path):
    assert [rank for rank, _ in ranks(await told(file, "--model", "mine"))] == [1, 1]
    assert [rank for rank, _ in ranks(await told(file, "--model", "mine", "--key", "ab12cd34"))] == [1, 2]


@pytest.mark.parametrize("key", ["ab12cd34", TENANT])
async def test_whose_key_it_is(file: Path, key: str):
    explained = await told(file, "--model", "gpt", "--key", key)
    assert (explained["key"], explained["tenant"]) == ("ab12cd34", "team-a")
    assert "gpt: key ab12cd34 of tenant team-a\n" in await text(file, "--model", "gpt", "--key", key)
    assert TENANT[12:] not in await text(file, "--model", "gpt", "--key", key)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--model", "gtp"), 404, "'gtp' does not exist"),
        (("--model", ""), 404, "'' does not exist"),
        (("--model", "closed", "--key", "ab12cd34"), 403, "may not use the model 'closed'"),
        (("--model", "gtp", "--key", "ab12cd34"), 403, "may not use the model 'gtp'"),
        (("--model", "gpt", "--key", "zz12cd34"), 401, "unknown here or has been revoked"),
        (("--model", "gpt", "--key", "sg-nonsense"), 401, "check that it was copied whole"),
        (("--model", "gpt", "--key", "ключ"), 401, "check that it was copied whole"),
        (("--model", "gpt", "--key", keys.compose("ab12cd34", "x" * 32)), 401, "unknown here"),
        (("--model", "gpt", "--key", keys.compose("zz12cd34", "x" * 32)), 401, "unknown here"),
    ],
)
async def test_what_the_api_would_refuse(file: Path, arguments: tuple[str, ...], status: int, message: str):
    explained = await told(file, *arguments, code=1)
    assert explained["refused"]["status"] == status
    assert message in explained["refused"]["message"]
    assert explained["candidates"] == []
    shown = await text(file, *arguments, code=1)
    assert f"\nthe API answers {status}" in shown
    assert (": a key that opens nothing\n" in shown) == (status == 401)


async def test_an_expired_key(file: Path):
    file.write_text(file.read_text().replace("{id: ab12cd34,", "{id: ab12cd34, expires: 2020-01-01,"))
    for key in ("ab12cd34", TENANT):
        assert "has expired" in (await told(file, "--model", "gpt", "--key", key, code=1))["refused"]["message"]


async def test_who_cannot_serve_a_body_is_left_out(file: Path, tmp_path: Path):
    body = written(tmp_path, chat(IMAGE, model="blind"))
    explained = await told(file, "--body", body)
    assert (explained["model"], explained["read_as"]) == ("blind", "chat")
    assert ranks(explained) == [(1, "openai/a")]
    assert explained["left_out"] == [{"target": "blind", "param": "image", "message": "blind takes no images"}]
    assert "\nleft out\n  blind  image: blind takes no images\n" in await text(file, "--body", body)


async def test_when_nobody_can(file: Path, tmp_path: Path):
    body = written(tmp_path, chat(n=3))
    explained = await told(file, "--model", "gpt", "--body", body, code=1)
    assert (explained["refused"]["status"], explained["refused"]["param"]) == (400, "n")
    assert [each["target"] for each in explained["left_out"]] == [FIRST, SECOND]
    assert "the API answers 400 (param: n)" in await text(file, "--model", "gpt", "--body", body, code=1)


async def test_what_would_not_be_told_to_a_candidate(file: Path, tmp_path: Path):
    body = written(tmp_path, chat(seed=7, temperature=0.5))
    first, second = (await told(file, "--model", "gpt", "--body", body))["candidates"]
    assert {"param": "seed", "action": "dropped"} in second["drops"]
    assert {"param": "temperature", "action": "dropped"} in first["drops"]
    assert "       dropped   " in await text(file, "--model", "gpt", "--body", body)


@pytest.mark.parametrize(
    ("body", "vocabulary"),
    [
        ({"input": "Hi"}, "responses"),
        (chat(), "chat"),
        (chat(max_tokens=5), "chat"),
        (chat(max_tokens=5, system="Be short."), "messages"),
        (chat(max_tokens=5, thinking={"type": "disabled"}), "messages"),
        ({"prompt": "Once"}, "completions"),
    ],
)
async def test_whose_body_it_looks_like(file: Path, tmp_path: Path, body: Any, vocabulary: str):
    assert (await told(file, "--model", "gpt", "--body", written(tmp_path, body)))["read_as"] == vocabulary


async def test_whose_body_it_is_can_be_said(file: Path, tmp_path: Path):
    body = written(tmp_path, chat(max_tokens=5))
    explained = await told(file, "--model", "gpt", "--body", body, "--vocabulary", "messages")
    assert explained["read_as"] == "messages"
    shown = await segue("explain", "-c", str(file), "--model", "gpt", "--vocabulary", "esperanto")
    assert shown.exit_code == 2
    assert "choose from responses, chat," in shown.stderr


async def test_embeddings(file: Path, tmp_path: Path):
    body = written(tmp_path, {"input": "Hi"})
    explained = await told(file, "--model", "vectors", "--body", body)
    assert (explained["operation"], explained["read_as"]) == ("embeddings", "embeddings")
    assert ranks(explained) == [(1, "openai/text-embedding-3-small")]
    other = await told(file, "--model", "gpt", "--body", body, "--vocabulary", "embeddings")
    assert [each["message"] for each in other["left_out"]] == ["its provider offers no embeddings"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": "Hi"}, "messages"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"input": 5}, "input"),
        ({}, "input"),
    ],
)
async def test_a_body_nobody_understands(file: Path, tmp_path: Path, body: Any, param: str):
    explained = await told(file, "--model", "gpt", "--body", written(tmp_path, body), code=1)
    assert (explained["refused"]["status"], explained["refused"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "say which model"),
        (("--body", "missing.json"), "No such file"),
        (("--body", "broken.json", "--model", "gpt"), "not valid JSON"),
        (("--body", "list.json", "--model", "gpt"), "must be a JSON object"),
        (("--body", "empty.json"), "say which model"),
    ],
)
async def test_what_cannot_be_explained(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], complaint: str
):
    monkeypatch.chdir(tmp_path)
    for name, content in (("broken.json", "{"), ("list.json", "[]"), ("empty.json", "{}")):
        Path(name).write_text(content)
    shown = await segue("explain", "-c", str(file), *arguments)
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert complaint in shown.stderr


async def test_mistakes_in_the_file_are_told(file: Path):
    file.write_text(file.read_text().replace("candidates:", "candidats:"))
    shown = await segue("explain", "-c", str(file), "--model", "gpt")
    assert shown.exit_code == 2
    assert f"{file}:" in shown.stderr
    assert "did you mean 'candidates'?" in shown.stderr


async def test_without_a_file_the_environment_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.endswith(("_API_KEY", "_MODELS"))]:
        monkeypatch.delenv(name)
    shown = await segue("explain", "--model", "default")
    assert (shown.exit_code, "no provider key in the environment" in shown.stderr) == (2, True)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-fake")
    shown = await segue("explain", "--model", "default")
    assert shown.exit_code == 0
    assert "  1. anthropic/" in shown.stdout


async def test_s04_who_thought_it_comes_first(file: Path, tmp_path: Path):
    origins, second = Origins(SECRET.encode()), loaded(CONFIGURATION).routes["gpt"].candidates[1]
    thought = {
        "type": "thinking",
        "thinking": "hm",
        "signature": origins.tag(second.seal.origin, "signature", "opaque"),
    }
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [thought, {"type": "text", "text": "Hi"}]},
        {"role": "user", "content": "And?"},
    ]
    body = written(tmp_path, {"max_tokens": 5, "messages": turns})
    explained = await told(file, "--model", "gpt", "--body", body, "--vocabulary", "messages")
    assert ranks(explained) == [(1, SECOND), (2, FIRST)]
    assert [each["thought_before"] for each in explained["candidates"]] == [True, False]
    shown = await text(file, "--model", "gpt", "--body", body, "--vocabulary", "messages")
    assert "place     before others: it can read the reasoning that the request sends back" in shown


@pytest.mark.parametrize(
    ("model", "body", "shown"),
    [
        ("steps", chat(), "continue (can go on: anthropic/claude-opus-4-5, anthropic/claude-sonnet-4-5)"),
        (
            "steps",
            chat(response_format={"type": "json_object"}),
            "continue, but what this asks for would fail",
        ),
        ("closed", chat(), "restart for clients that bear it; for others fail (nobody could go on)"),
        ("gpt", chat(), "mid-stream      fail\n"),
    ],
)
async def test_what_becomes_of_a_broken_answer(file: Path, tmp_path: Path, model: str, body: Any, shown: str):
    assert shown in await text(file, "--model", model, "--body", written(tmp_path, body))


async def test_json_has_it_all(file: Path):
    explained = await told(file, "--model", "steps", "--mark", "x")
    assert explained["instance"] is None
    assert explained["notes"] == [NOBODY]
    assert explained["route"] == {
        "deadline": 600.0,
        "first_slice": 80.0,
        "retries": {"same_target": 0, "first_wait_seconds": 0.25, "longest_wait_seconds": 5.0},
        "hedging": {"after_seconds": 2.0, "share": 0.1},
        "midstream": "continue",
        "text_broken": "continue",
        "affinity": "header:x-session",
        "announce": "held",
        "on_content_filter": "stop",
        "on_empty_answer": "accept",
    }
    first = explained["candidates"][0]
    assert first["breaker"] is None
    assert first["breaker_settings"]["slow_start_seconds"] == 10.0
    assert first["timeouts"]["least_characters_per_second"] == 0.0
    assert "total_seconds" not in first["timeouts"]
