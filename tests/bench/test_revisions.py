"""What `bench ab` can be told to hold against each other."""

import shlex
from pathlib import Path

import pytest

from bench.children import ChildError
from bench.revisions import command_of, shown
from bench.systems import SEGUE_COMMAND


def test_a_command_is_taken_as_it_is(tmp_path: Path) -> None:
    command = command_of("A", "{python} -m other --port {port}", tmp_path)
    assert (command.name, command.line, command.workers) == ("A", "{python} -m other --port {port}", 1)


def test_this_tree_runs_as_it_stands(tmp_path: Path) -> None:
    assert command_of("B", ".", tmp_path).line == SEGUE_COMMAND
    assert shown(".").endswith(" (this tree)")
    assert list(tmp_path.iterdir()) == []


def test_a_commit_is_unpacked_and_its_modules_win(tmp_path: Path) -> None:
    command = command_of("A", "HEAD", tmp_path)
    place = tmp_path / "A"
    assert (place / "proxy" / "__main__.py").is_file()
    assert shlex.split(command.line)[:4] == ["env", "-C", str(place), f"PYTHONPATH={place}"]
    assert shown("HEAD").endswith(" (HEAD)")


@pytest.mark.parametrize(("schema", "workers"), [('{"workers": {}}', 1), ('{"port": {}}', None)])
def test_an_older_commit_is_not_told_what_it_does_not_know(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, schema: str, workers: int | None
) -> None:
    def unpack(revision: str, place: Path) -> None:
        (place / "config").mkdir(parents=True)
        (place / "config" / "schema.json").write_text(schema)

    monkeypatch.setattr("bench.revisions._unpack", unpack)
    assert command_of("A", "HEAD", tmp_path).workers == workers


def test_an_unknown_commit_is_named(tmp_path: Path) -> None:
    with pytest.raises(ChildError, match="no commit 'nowhere'"):
        command_of("A", "nowhere", tmp_path)
