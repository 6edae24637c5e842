"""The command line as a person meets it: what is printed, where, and the exit status."""

import json
import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from proxy import __version__
from proxy.cli.commands import COMMANDS, application
from proxy.runtime import keys
from tests.runtime.sample import RIGHT, SECRET, changed


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEGUE_SECRET", SECRET)


def segue(*arguments: str, typed: str | bytes | None = None) -> Result:
    return CliRunner().invoke(application(arguments), arguments, input=typed, catch_exceptions=False)


def test_help_lists_every_command():
    shown = segue("--help")
    assert shown.exit_code == 0
    for name, command in COMMANDS.items():
        assert f"{name} " in shown.stdout
        assert command.help in shown.stdout


def test_version():
    assert segue("--version").stdout == f"segue {__version__}\n"


def test_an_unknown_command():
    assert segue("sevre").exit_code == 2


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_where_the_table_says(name: str):
    assert segue(name, "--help").exit_code == 0


def test_check_prints_each_mistake_on_a_line(tmp_path: Path):
    file = tmp_path / "wrong.yaml"
    file.write_text(changed("candidates:", "candidats:").replace("sk-anthropic", '"a b"'))
    shown = segue("check", str(file))
    assert shown.exit_code == 1
    assert [line.split(" ", 1)[0] for line in shown.stdout.splitlines()] == [f"{file}:6:", f"{file}:9:"]
    assert "routes.gpt.candidats: unknown field 'candidats' — did you mean 'candidates'?" in shown.stdout


def test_check_sums_up_what_is_right(tmp_path: Path):
    file = tmp_path / "right.yaml"
    file.write_text(RIGHT)
    shown = segue("check", str(file))
    assert shown.exit_code == 0
    assert shown.stdout.startswith(f"{file}: no mistakes\n")
    assert "2. anthropic/claude-opus-5-5 (messages, 1,000,000 tokens)" in shown.stdout
    assert "team-a: key ab12cd34, every model" in shown.stdout
    assert "warnings" not in shown.stdout


def test_check_takes_its_file_either_way(tmp_path: Path):
    file = tmp_path / "right.yaml"
    file.write_text(RIGHT)
    assert segue("check", "-c", str(file)).stdout == segue("check", str(file)).stdout
    for arguments in ((), (str(file), "-c", str(file))):
        shown = segue("check", *arguments)
        assert (shown.exit_code, shown.stderr) == (2, "segue: name one configuration to check: segue check FILE\n")


@pytest.mark.parametrize(
    ("command", "name", "reason"),
    [
        (("check",), "missing", "No such file"),
        (("check",), "", "directory"),
        (("check",), "binary", "UTF-8"),
        (("serve", "-c"), "missing", "No such file"),
        (("lint-stream",), "missing", "No such file"),
        (("keys", "new", "--secret-file"), "missing", "No such file"),
    ],
)
def test_unreadable_files_take_one_line(command: tuple[str, ...], name: str, reason: str, tmp_path: Path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    shown = segue(*command, str(tmp_path / name))
    assert shown.exit_code == 2
    assert reason in shown.stderr
    assert shown.stderr.count("\n") == 1


def test_a_made_key_is_of_the_printed_hash():
    shown = segue("keys", "new", "--tenant", "acme")
    [key] = re.findall(r"\bsg-\w{8}-\w{38}\b", shown.stdout)
    assert "  acme:\n" in shown.stdout
    assert keys.digest(SECRET.encode(), key) in shown.stdout
    assert f'id: "{key.split("-")[1]}"' in shown.stdout
    assert key not in segue("keys", "new").stdout


def test_the_printed_lines_fit_a_file(tmp_path: Path):
    printed = segue("keys", "new", "--tenant", "team-b").stdout
    file = tmp_path / "right.yaml"
    file.write_text(RIGHT[: RIGHT.index("tenants:")] + printed[printed.index("tenants:") :])
    assert segue("check", str(file)).exit_code == 0


def test_a_key_is_hashed_without_being_shown(tmp_path: Path):
    key = keys.compose("ab12cd34", "s" * 32)
    expected = f'- {{id: "ab12cd34", hash: "{keys.digest(SECRET.encode(), key)}"}}\n'
    assert segue("keys", "hash", typed=f"{key}\n").stdout == expected
    assert segue("keys", "hash", key).stdout == expected


def test_the_secret_may_come_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SEGUE_SECRET")
    key = keys.compose("ab12cd34", "s" * 32)
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    (tmp_path / "unfinished.yaml").write_text(
        f"secret: file:{tmp_path}/secret\nproviders: {{openai: {{api_key: '${{X}}'}}}}\n"
    )
    hashes = [
        segue("keys", "hash", *source, typed=key).stdout
        for source in (("--secret-file", str(tmp_path / "secret")), ("-c", str(tmp_path / "unfinished.yaml")))
    ]
    assert hashes == [f'- {{id: "ab12cd34", hash: "{keys.digest(SECRET.encode(), key)}"}}\n'] * 2


@pytest.mark.parametrize(
    ("secret", "arguments", "reason"),
    [
        ("", ["new"], "SEGUE_SECRET"),
        ("short", ["new"], "16 characters"),
        (SECRET, ["new", "--secret-file", "a", "-c", "b"], "not both"),
        (SECRET, ["new", "--admin", "--tenant", "a"], "not both"),
        (SECRET, ["hash", "sg-ab12cd34-mistyped"], "checksum"),
        (SECRET, ["new", "-c", os.devnull], "empty"),
    ],
)
def test_no_key_without_a_reason(secret: str, arguments: list[str], reason: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEGUE_SECRET", secret)
    shown = segue("keys", *arguments)
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert reason in shown.stderr
    assert "mistyped" not in shown.stderr


BROKEN = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[]}\n\n'


def test_a_broken_stream_is_told_by_line(tmp_path: Path):
    file = tmp_path / "broken.sse"
    file.write_bytes(BROKEN)
    shown = segue("lint-stream", str(file), "--vocabulary", "chat")
    assert shown.exit_code == 1
    assert re.match(rf"{re.escape(str(file))}:1: frame 1: [a-z._]+: .+ Remedy: ", shown.stdout)
    assert "violations" in shown.stdout.splitlines()[-1]


def test_a_stream_may_come_from_standard_input():
    shown = segue("lint-stream", "-", typed=BROKEN)
    assert shown.exit_code == 1
    assert shown.stdout.startswith("-:1: frame 1: ")


def test_a_stream_that_conforms():
    events = {
        "stream_started": {"request_id": "r1", "message_id": "m1", "is_new_turn": True},
        "delta": {"type": "text", "content": "hello"},
        "done": {"effective_model": "gpt", "selected_model": "gpt", "quota_decision": "allow"},
    }
    stream = "".join(f"event: {name}\ndata: {json.dumps(members)}\n\n" for name, members in events.items())
    shown = segue("lint-stream", "-", typed=stream)
    assert (shown.exit_code, shown.stdout) == (0, "domain: 3 frames, ends in done: conforms\n")


def test_an_unknown_vocabulary_lists_the_known():
    shown = segue("lint-stream", "-", "--vocabulary", "klingon", typed="")
    assert shown.exit_code == 2
    assert "responses, chat, messages, domain" in shown.stderr
