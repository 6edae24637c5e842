"""What becomes of the store's data: damage, a directory nobody can write in, none at all."""

import errno
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from proxy.master import data_directory
from proxy.master.embedded_store import EmbeddedStore
from tests.master.stores import QUICK, Scene, is_alive, until

KEYS = 60
APPENDED = "appendonly.aof.1.incr.aof"
BASE = "appendonly.aof.1.base.rdb"
MANIFEST = "appendonly.aof.manifest"


async def filled(scene: Scene) -> None:
    """Some data of a store that ended."""
    store = await scene.started()
    for number in range(KEYS):
        scene.ask("SET", f"key-{number:02}", "x" * 50)
    await store.stop()
    scene.events.clear()


def edit(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda appended: (appended / name).write_bytes(change((appended / name).read_bytes())) and None


def overwrite(written: bytes) -> bytes:
    middle = len(written) // 2
    return written[:middle] + bytes(40) + written[middle + 40 :]


def length_of(claimed: bytes) -> Callable[[bytes], bytes]:
    """Makes the value in the middle claim another length than its 50 bytes."""

    def change(written: bytes) -> bytes:
        place = written.index(b"$50", len(written) // 2)
        return written[:place] + claimed + written[place + 3 :]

    return change


DAMAGE: dict[str, Callable[[Path], None]] = {
    "zeros in the middle": edit(APPENDED, overwrite),
    "not a command": edit(APPENDED, lambda written: written.replace(b"SET", b"SAT")),
    "a length that is wrong": edit(APPENDED, length_of(b"$90")),
    "a length that brings the store down": edit(APPENDED, length_of(b"$-5")),
    "a length beyond all memory": edit(APPENDED, length_of(b"$90000000000000")),
    "a file missing": lambda appended: (appended / APPENDED).unlink(),
    "a base cut short": edit(BASE, lambda written: written[:20]),
    "a base of some later version": edit(BASE, lambda written: b"REDIS9999" + written[9:]),
    "a manifest that is none": edit(MANIFEST, lambda written: b"nonsense\n"),
    "a manifest that is empty": edit(MANIFEST, lambda written: b""),
    "a manifest missing": lambda appended: (appended / MANIFEST).unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
async def test_damaged_data_are_moved_aside_and_the_store_begins_empty(scene: Scene, damage: Callable[[Path], None]):
    await filled(scene)
    damage(scene.appended)
    left = data_directory.data_sizes(scene.data / "store")
    store = await scene.started()
    assert store.condition.is_running
    assert store.condition.persistence == "aof"
    assert scene.ask("DBSIZE") == ":0\r\n"
    [aside] = store.condition.quarantined
    assert Path(aside).parent == scene.data
    assert Path(aside).name.startswith("quarantine-2")
    assert data_directory.data_sizes(Path(aside)) == left
    assert aside in scene.told("store_data_quarantined")
    assert "xxx" not in "".join(event.text for event in scene.events)  # nothing out of the data
    scene.ask("SET", "after", "yes")
    await store.stop()
    again = await scene.started()
    assert scene.ask("GET", "after") == "$3\r\nyes\r\n"
    assert again.condition.quarantined == (aside,)  # until somebody looks after it


async def test_a_torn_last_write_is_cut_off_and_said(scene: Scene):
    await filled(scene)
    edit(APPENDED, lambda written: written[:-20])(scene.appended)
    whole = len((scene.appended / APPENDED).read_bytes())
    store = await scene.started()
    assert scene.ask("DBSIZE") == f":{KEYS - 1}\r\n"
    lost = whole - len((scene.appended / APPENDED).read_bytes())
    assert f"the last {lost} bytes of {APPENDED}" in scene.told("store_data_cut")
    assert store.condition.quarantined == ()


async def test_damage_that_reads_like_a_torn_write_is_said(scene: Scene):
    """A length that reaches past the end: the store cannot tell it from a torn write, and cuts off half of it."""
    await filled(scene)
    edit(APPENDED, length_of(b"$90000"))(scene.appended)
    whole = len((scene.appended / APPENDED).read_bytes())
    await scene.started()
    lost = whole - len((scene.appended / APPENDED).read_bytes())
    assert lost > whole / 3
    assert f"the last {lost} bytes of {APPENDED}" in scene.told("store_data_cut")
    assert scene.kinds() == ["store_data_cut", "store_up"]


async def test_a_kill_loses_nothing_that_was_answered(scene: Scene):
    store = await scene.started(patience=QUICK._replace(stop=0.0))
    for number in range(KEYS):
        scene.ask("SET", f"key-{number}", "x")
    await store.stop()
    await scene.started()
    assert scene.ask("DBSIZE") == f":{KEYS}\r\n"


async def test_data_are_moved_aside_only_once_without_an_answer(scene: Scene):
    """A disk that spoils what is written on it: no use in trying for ever."""
    await filled(scene)
    scripted = scene.run / "spoiling"
    refusal = "7:M 1 Jan 2027 # Bad file format reading the append only file x: make a backup"
    scripted.write_text(f"#!/bin/sh\ncase $* in *'--appendonly no'*) exec sleep 60;; esac\necho '{refusal}'\nexit 1\n")
    scripted.chmod(0o700)
    store = await scene.started(binary=lambda: scripted, patience=QUICK._replace(start=0.5))
    assert len(store.condition.quarantined) == 1
    assert store.condition.persistence == "none"
    assert "has just begun" in store.condition.why_none
    assert scene.kinds() == ["store_down", "store_data_quarantined", "store_keeps_nothing"]


async def test_what_a_killed_store_left_half_written_is_removed(scene: Scene):
    await filled(scene)
    for name in ("temp-rewriteaof-bg-12.aof", "temp-rewriteaof-12.aof", "temp-12.rdb"):
        (scene.data / "store" / name).write_bytes(bytes(100))
    await scene.started()
    assert {path.name for path in (scene.data / "store").iterdir()} == {"appendonlydir"}


async def test_a_rewrite_under_way_ends_with_its_store(scene: Scene):
    """Its child would hold the lock and write where the next store does."""
    store = await scene.started()
    for number in range(KEYS):
        scene.ask("SET", f"key-{number}", "x")
    scene.ask("CONFIG", "SET", "rdb-key-save-delay", "500000")  # microseconds each, so that it takes half a minute
    scene.ask("BGREWRITEAOF")
    assert store.condition.pid is not None
    server = psutil.Process(store.condition.pid)
    await until(lambda: len(server.children()) == 1)
    [child] = server.children()
    server.kill()
    await until(lambda: store.condition.is_running and store.condition.restarts == 1)
    assert not is_alive(child.pid)
    assert {path.name for path in (scene.data / "store").iterdir()} == {"appendonlydir"}
    assert scene.ask("DBSIZE") == f":{KEYS}\r\n"


async def test_a_path_with_spaces_and_quotes(scene: Scene):
    scene.data = scene.data / 'it\'s "here" \\ ü'
    scene.data.parent.mkdir()
    store = await scene.started()
    assert store.condition.persistence == "aof"
    assert scene.ask("SET", "kept", "yes") == "+OK\r\n"
    assert (scene.appended / APPENDED).stat().st_size > 0


def a_file(scene: Scene) -> Path:
    scene.data.write_text("mine")
    return scene.data


def a_parent_missing(scene: Scene) -> Path:
    return scene.data / "deeper"


def read_only(scene: Scene) -> Path:
    if os.geteuid() == 0:
        return Path("/proc/self")  # root may write anywhere but where there is no writing
    scene.data.mkdir(mode=0o500)
    return scene.data


def a_file_inside(scene: Scene) -> Path:
    scene.data.mkdir()
    (scene.data / "store").write_text("mine")
    return scene.data


@pytest.mark.parametrize("make", [a_file, a_parent_missing, read_only, a_file_inside])
async def test_where_nothing_can_be_written_it_keeps_nothing(scene: Scene, make: Callable[[Scene], Path]):
    directory = make(scene)
    store = await scene.started(directory=directory)
    assert store.condition.is_running
    assert store.condition.persistence == "none"
    assert str(directory) in store.condition.why_none
    assert scene.kinds() == ["store_keeps_nothing", "store_up"]
    assert scene.events[0].is_warning
    assert "store.directory" in scene.events[0].text
    assert scene.ask("SET", "a", "b") == "+OK\r\n"
    await store.stop()
    assert {path.name for path in scene.run.iterdir()} == {"store.log"}


async def test_without_a_directory_that_is_only_noted(scene: Scene):
    store = await scene.started(directory=None)
    assert (store.condition.is_running, store.condition.persistence) == (True, "none")
    assert [(event.kind, event.is_warning) for event in scene.events] == [
        ("store_keeps_nothing", False),
        ("store_up", False),
    ]
    assert "yes\r\n" in scene.ask("SET", "a", "yes") + scene.ask("GET", "a")
    assert not scene.data.exists()


async def no_room(monkeypatch: pytest.MonkeyPatch, store: EmbeddedStore) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(data_directory, "why_unusable", lambda directory: full)
    await store.start()


async def test_a_full_disk_without_data_keeps_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    store = scene.store()
    await no_room(monkeypatch, store)
    assert store.condition.persistence == "none"
    assert "No space left on device" in store.condition.why_none


async def test_data_on_a_full_disk_are_still_read(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    await filled(scene)
    store = scene.store()
    await no_room(monkeypatch, store)
    assert (store.condition.is_running, store.condition.persistence) == (True, "aof")
    assert scene.ask("DBSIZE") == f":{KEYS}\r\n"


async def test_a_directory_lost_while_running(scene: Scene):
    store = await scene.started()
    assert store.condition.pid is not None
    shutil.rmtree(scene.data)
    scene.data.write_text("a file now")
    os.kill(store.condition.pid, signal.SIGKILL)
    await until(lambda: store.condition.is_running and store.condition.restarts == 1)
    assert store.condition.persistence == "none"
    assert "Not a directory" in store.condition.why_none
