"""Two masters never share data or a socket, and a killed one leaves neither its store nor an obstacle behind."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy.master import data_directory
from proxy.master.data_directory import DirectoryInUse
from tests.master.stores import QUICK, Scene, is_alive, until

MASTER = """
import asyncio, sys
from pathlib import Path
from proxy.master.embedded_store import EmbeddedStore

async def serve(run, data):
    store = EmbeddedStore(run / "store.sock", data, 64 << 20, run, lambda event: None)
    await store.start()
    print(store.condition.pid, flush=True)
    await asyncio.sleep(120)

asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
"""
Master = tuple[subprocess.Popen[str], int]


@pytest.fixture
def master(scene: Scene) -> Iterator[Callable[[], Master]]:
    """Starts another process with a store at the scene: it, and its store's pid."""
    running: list[subprocess.Popen[str]] = []

    def start() -> Master:
        command = [sys.executable, "-c", MASTER, str(scene.run), str(scene.data)]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert running[-1].stdout is not None
        return running[-1], int(running[-1].stdout.readline())

    yield start
    for each in running:
        each.kill()
        each.communicate()


@pytest.mark.parametrize("is_frozen", [False, True])
async def test_a_killed_master_takes_its_store_along(scene: Scene, master: Callable[[], Master], is_frozen: bool):
    killed, pid = master()
    if is_frozen:
        os.kill(pid, signal.SIGSTOP)
    killed.kill()
    killed.wait()
    await until(lambda: not is_alive(pid), within=5)


async def test_the_next_one_takes_over_what_a_killed_one_left(scene: Scene, master: Callable[[], Master]):
    killed, pid = master()
    scene.ask("SET", "kept", "yes")
    killed.kill()
    killed.wait()
    # At once: it has to wait until the old store is gone, replace its socket, and not mind its lock files.
    store = await scene.started(patience=QUICK._replace(lock=5.0))
    assert not is_alive(pid)
    assert scene.ask("GET", "kept") == "$3\r\nyes\r\n"
    assert scene.kinds() == ["store_up"]
    assert store.condition.quarantined == ()


async def test_a_second_master_is_refused_and_the_first_one_unharmed(scene: Scene, master: Callable[[], Master]):
    first, pid = master()
    scene.ask("SET", "kept", "yes")
    second = scene.store()
    with pytest.raises(DirectoryInUse) as refused:
        await second.start()
    assert f"{scene.data} is in use by segue, process {first.pid}; stop it" in str(refused.value)
    assert "store.directory" in str(refused.value)
    await second.stop()
    assert is_alive(pid)
    assert scene.ask("GET", "kept") == "$3\r\nyes\r\n"


async def test_one_socket_is_not_taken_from_another(scene: Scene, tmp_path: Path):
    first = await scene.started(directory=None)
    for directory in (None, tmp_path / "other"):
        with pytest.raises(DirectoryInUse, match=f"{scene.run} is in use"):
            await scene.store(directory=directory).start()
    assert first.condition.is_running
    assert scene.ask("PING") == "+PONG\r\n"
    assert not (tmp_path / "other" / "lock").exists()


async def test_a_socket_left_behind_is_replaced(scene: Scene):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(scene.socket))
    (scene.data).mkdir()
    (scene.data / "lock").write_text("4194000 somewhere\n")
    store = await scene.started()
    assert store.condition.is_running
    assert scene.ask("PING") == "+PONG\r\n"


async def test_the_store_holds_the_lock_too(scene: Scene):
    """So that the next master waits for it, when only the master is gone."""
    store = await scene.started()
    assert store.condition.pid is not None
    held = {os.path.realpath(path) for path in Path(f"/proc/{store.condition.pid}/fd").iterdir()}
    assert {str(scene.data / "lock"), str(scene.run / "store.lock")} <= held


async def test_a_lock_of_the_dead_that_is_still_held_names_the_store(tmp_path: Path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    (tmp_path / "lock").write_text(f"{gone.pid} {socket.gethostname()}\n")
    with (tmp_path / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(DirectoryInUse, match=f"process {gone.pid}, which is gone; end that valkey-server"):
            await data_directory.lock(tmp_path / "lock", "stop it", 0.1)


@pytest.mark.parametrize(
    ("written", "said"),
    [("7 elsewhere\n", "process 7 on elsewhere; stop it"), ("", "by another segue; stop it"), ("\0\0", "another")],
)
async def test_who_holds_a_lock_is_said_as_far_as_known(tmp_path: Path, written: str, said: str):
    (tmp_path / "lock").write_text(written)
    with (tmp_path / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(DirectoryInUse, match=said):
            await data_directory.lock(tmp_path / "lock", "stop it", 0.0)


async def test_a_lock_whose_file_was_just_removed_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its last holder removes it: who had opened it before would otherwise hold what nobody else looks at."""
    path = tmp_path / "lock"
    really = fcntl.flock
    tries: list[int] = []

    def removed_before(descriptor: int, how: int) -> None:
        if not tries:
            path.unlink()
        tries.append(descriptor)
        really(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", removed_before)
    held = await data_directory.lock(path, "wait", 5.0)
    assert len(tries) == 2
    assert os.path.samestat(os.fstat(held.descriptor), path.stat())
    held.release()
    assert not path.exists()


def test_two_quarantines_in_a_second(tmp_path: Path):
    for _ in range(3):
        (tmp_path / "store").mkdir()
        data_directory.quarantine(tmp_path)
    assert len(data_directory.quarantined(tmp_path)) == 3
