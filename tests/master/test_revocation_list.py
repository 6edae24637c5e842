"""What was revoked stays revoked, whatever became of the file's end, its neighbours or the disk."""

import json
import os
import re
import resource
from pathlib import Path

import pytest

from proxy.master import revocation_list
from proxy.master.revocation_list import load

A, B, C = "aaaaaaaa", "bbbbbbbb", "0c0c0c0c"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "revocations"


def warnings(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_what_is_added_is_there_again(path: Path, capsys: pytest.CaptureFixture[str]):
    revoked = load(path)
    assert (revoked.ids, revoked.can_persist, revoked.problem) == (set(), True, "")
    revoked.add([B, A])
    revoked.add({C})
    assert revoked.ids == load(path).ids == {A, B, C}
    assert re.fullmatch(rf"{A} \d{{10}}\n{B} \d{{10}}\n{C} \d{{10}}\n", path.read_text())
    assert path.stat().st_mode & 0o777 == 0o600
    assert warnings(capsys) == []


def test_it_is_on_the_disk_before_it_is_said(path: Path, monkeypatch: pytest.MonkeyPatch):
    revoked = load(path)
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(path.read_text()))
    revoked.add([A])
    assert synced == [path.read_text()]


def test_repeats_do_not_make_it_grow(path: Path):
    revoked = load(path)
    revoked.add([A, A])
    size = path.stat().st_size
    revoked.add([A])
    load(path).add([A])
    assert path.stat().st_size == size


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_last_line_cut_short_counts_for_nothing(path: Path, cut: int, capsys: pytest.CaptureFixture[str]):
    load(path).add([A, B])
    path.write_bytes(path.read_bytes()[:-cut])
    revoked = load(path)
    assert revoked.ids == {A}
    revoked.add([C])
    assert load(path).ids == {A, C}
    assert warnings(capsys) == []


def test_looking_at_it_changes_nothing(path: Path):
    """A second master looks before it is refused, while the first one may be writing."""
    load(path).add([A])
    with path.open("ab") as file:
        file.write(b"bbbb")
    before = path.read_bytes()
    load(path)
    assert path.read_bytes() == before


def test_a_tail_of_zeros(path: Path):
    load(path).add([A])
    with path.open("ab") as file:
        file.write(bytes(10_000))
    load(path).add([B])
    assert load(path).ids == {A, B}
    assert path.stat().st_size < 100


def test_garbage_is_passed_over_with_one_warning(path: Path, capsys: pytest.CaptureFixture[str]):
    garbage = [b"# mine", b"\xff\xfe\0", b"", b"AAAAAAAA 1", b"short 1"]
    path.write_bytes(b"\n".join([*garbage[:3], f"{A} 1795277793".encode(), *garbage[3:], f"{B} 2".encode(), b""]))
    assert load(path).ids == {A, B}
    [warned] = warnings(capsys)
    assert (warned["event"], warned["level"], warned["lines"]) == ("revocations_unreadable", "warning", 5)
    assert warned["file"] == str(path)
    assert path.read_bytes().startswith(b"# mine\n")


@pytest.mark.parametrize("wrong", ["", "AAAAAAAA", "aaaaaaa", "aaaaaaaaa", "aaaaaaa\n", "../../x/", "äääääääa"])
def test_what_is_no_id_is_refused_whole(path: Path, wrong: str):
    revoked = load(path)
    with pytest.raises(ValueError, match="no key's id"):
        revoked.add([A, wrong])
    assert revoked.ids == load(path).ids == set()


def test_a_disk_that_takes_no_more(path: Path):
    revoked = load(path)
    revoked.add([A])
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 7, limits[1]))
    try:
        with pytest.raises(OSError, match=r"No space left|too large"):
            revoked.add([B])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert revoked.ids == {A}
    assert not revoked.can_persist
    assert str(path) in revoked.problem
    assert path.read_bytes() == before
    revoked.add([B])
    assert revoked.can_persist
    assert load(path).ids == {A, B}


def test_a_sync_that_fails_is_no_promise(path: Path, monkeypatch: pytest.MonkeyPatch):
    revoked = load(path)
    revoked.add([A])

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="Input/output"):
            revoked.add([B])
    assert revoked.ids == load(path).ids == {A}


def test_without_a_place_nothing_is_promised():
    revoked = load(None)
    assert (revoked.ids, revoked.can_persist) == (set(), False)
    with pytest.raises(OSError, match="without a data directory"):
        revoked.add([A])
    assert revoked.ids == set()


def test_a_missing_directory_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    revoked = load(tmp_path / "missing" / "revocations")
    assert not revoked.can_persist
    [warned] = warnings(capsys)
    assert warned["event"] == "revocations_not_kept"
    assert "missing" in str(warned["problem"])
    with pytest.raises(OSError, match="No such file"):
        revoked.add([A])
    (tmp_path / "missing").mkdir()
    revoked.add([A])
    assert revoked.can_persist


def test_a_directory_in_its_place(path: Path, capsys: pytest.CaptureFixture[str]):
    path.mkdir()
    assert not load(path).can_persist
    assert [line["event"] for line in warnings(capsys)] == ["revocations_not_kept"]


def test_what_can_only_be_read_still_counts(path: Path, monkeypatch: pytest.MonkeyPatch):
    load(path).add([A])

    def refuse(path: Path) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(revocation_list, "_make_writable", refuse)
    revoked = load(path)
    assert (revoked.ids, revoked.can_persist) == ({A}, False)
