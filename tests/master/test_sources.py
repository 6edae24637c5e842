"""When a configuration is read again: what changed for good, in any of its files, in any of the ways files change."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.master.sources import FileSource, FixedSource
from proxy.runtime.build import load
from proxy.runtime.problems import ConfigurationError
from tests.runtime.sample import RIGHT, SECRET, no_files


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "segue.yaml"
    file.write_text(RIGHT)
    return file


def looks(source: FileSource, count: int = 3) -> list[bool]:
    return [source.has_changed() for _ in range(count)]


def opened(file: Path) -> FileSource:
    source = FileSource(str(file), {})
    source.read()
    return source


def written(file: Path) -> None:
    file.write_text(RIGHT + "# more\n")


def replaced(file: Path) -> None:
    beside = file.with_suffix(".next")
    beside.write_text(RIGHT)
    os.utime(beside, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    beside.replace(file)


def same_size(file: Path) -> None:
    file.write_text(RIGHT.replace("sk-openai", "sk-opanai"))


def removed(file: Path) -> None:
    file.unlink()


def linked(file: Path) -> None:
    other = file.with_name("other.yaml")
    other.write_text(RIGHT)
    file.unlink()
    file.symlink_to(other)


@pytest.mark.parametrize("change", [written, replaced, same_size, removed, linked])
def test_a_change_is_noticed_once_it_is_over(file: Path, change: Callable[[Path], None]):
    source = opened(file)
    assert looks(source) == [False, False, False]
    change(file)
    assert looks(source) == [False, True, True]
    if file.exists():
        source.read()
    else:
        with pytest.raises(FileNotFoundError):
            source.read()
    assert looks(source) == [False, False, False]


def test_what_is_still_being_written_is_left_alone(file: Path):
    """Half a file may be a configuration too: one with half of the tenants."""
    source = opened(file)
    for size in range(100, len(RIGHT), 50):
        file.write_text(RIGHT[:size])
        assert not source.has_changed()
    file.write_text(RIGHT + " ")
    assert looks(source, 2) == [False, True]


def test_a_change_that_was_taken_back_is_none(file: Path):
    source = opened(file)
    before = file.stat()
    away = file.with_name("away")
    file.rename(away)
    assert looks(source, 1) == [False]
    away.rename(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    found = looks(source, 3)
    source.read()  # its change time is another: read it, to find that it says the same
    assert found == [False, True, True]
    assert looks(source) == [False, False, False]


def test_the_way_kubernetes_mounts(tmp_path: Path):
    """The file is a link into a directory that is a link, and that one is replaced."""
    for number, text in enumerate((RIGHT, RIGHT.replace("sk-openai", "sk-another"))):
        (tmp_path / f"version-{number}").mkdir()
        (tmp_path / f"version-{number}" / "segue.yaml").write_text(text)
    (tmp_path / "..data").symlink_to("version-0")
    (tmp_path / "segue.yaml").symlink_to("..data/segue.yaml")
    source = opened(tmp_path / "segue.yaml")
    (tmp_path / "..next").symlink_to("version-1")
    (tmp_path / "..next").rename(tmp_path / "..data")
    assert looks(source) == [False, True, True]
    read = source.read()
    assert read.spec.providers["openai"].api_key is not None
    assert read.spec.providers["openai"].api_key.get_secret_value() == "sk-another"


def test_secrets_in_files_are_looked_at_too(file: Path, tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("sk-openai")
    file.write_text(RIGHT.replace("sk-openai", f"file:{secret}"))
    source = opened(file)
    assert looks(source) == [False, False, False]
    secret.write_text("sk-another")
    assert looks(source) == [False, True, True]
    secret.unlink()
    with pytest.raises(ConfigurationError, match="gives no secret"):
        source.read()
    assert looks(source) == [False, False, False]
    secret.write_text("sk-back")
    assert looks(source) == [False, True, True]
    source.read()
    file.write_text(RIGHT)
    looks(source)
    source.read()
    secret.unlink()
    assert looks(source) == [False, False, False], "nothing points to it any more"


def test_a_bad_file_is_not_read_again_until_it_changes(file: Path):
    source = opened(file)
    file.write_text("routes: [")
    assert looks(source, 2) == [False, True]
    with pytest.raises(ConfigurationError):
        source.read()
    assert looks(source) == [False, False, False]
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UnicodeDecodeError):
        source.read()
    assert looks(source) == [False, False, False]


def test_a_home_that_is_nobodys_is_a_file_that_is_not_there():
    source = FileSource("~nobody-of-that-name/segue.yaml", {})
    with pytest.raises(FileNotFoundError):
        source.read()
    assert looks(source) == [False, False, False]


def test_what_the_environment_made_never_changes():
    source = FixedSource(load(RIGHT, {}, no_files))
    assert source.read() is source.read()
    assert not source.has_changed()


def test_a_secret_in_what_is_no_file_is_a_mistake_and_nobody_waits(file: Path, tmp_path: Path):
    """A pipe would be waited for, and a NUL is an error of another sort."""
    source = opened(file)
    os.mkfifo(tmp_path / "pipe")
    for name in (str(tmp_path / "pipe"), "/tmp/\\0x"):
        file.write_text(RIGHT.replace(f"secret: {SECRET}", f'secret: "file:{name}"'))
        with pytest.raises(ConfigurationError, match="secret"):
            source.read()
        assert not source.has_changed()
