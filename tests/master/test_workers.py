"""The master's side of its workers, with real ones: what they are told, who is missing, replaced, or left over."""

import asyncio
import os
import pickle
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from proxy.control.messages import Configure, Cut, Order
from proxy.master import workers as module
from proxy.master.listening import bind
from proxy.master.workers import NeverStarted, Worker, Workers, backoff
from proxy.runtime.build import load
from proxy.runtime.store_address import StoreAddress
from proxy.telemetry.clocks import Clocks
from proxy.telemetry.merging import MergedMetrics
from proxy.telemetry.metrics import MasterMetrics
from proxy.telemetry.series import decode
from tests.runtime.sample import RIGHT, no_files

SPEC = pickle.dumps(load(RIGHT, {}, no_files).spec)
NOWHERE = StoreAddress(kind="single", path="/does/not/exist.sock")
FALSE = shutil.which("false")


def configure(token: int, spec: bytes = SPEC) -> Configure:
    return Configure(token, 1, spec, {}, NOWHERE, ())


def cut(token: int) -> Order:
    return Cut(token, ("ab12cd34",))


class Scene:
    def __init__(self) -> None:
        self.listening = bind("127.0.0.1", 0)
        self.metrics = MasterMetrics()
        self.made: list[Workers] = []

    def workers(self, size: int, spec: bytes = SPEC) -> Workers:
        """Ended with the test."""
        made = Workers(
            self.listening,
            size,
            "warning",
            lambda token: configure(token, spec),
            MergedMetrics(Clocks()),
            self.metrics,
        )
        self.made.append(made)
        return made

    async def serving(self, size: int) -> Workers:
        """All of them serve."""
        made = self.workers(size)
        await made.start()
        await until(lambda: len(made.ready) == size)
        return made

    def restarts(self) -> dict[str, float]:
        counted = decode(self.metrics.capture()).counts["segue_worker_restarts"].values
        return {labels[0]: value for labels, value in counted.items()}


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    before = set(children())
    yield scene
    for made in scene.made:
        await made.kill()
    for listening in scene.listening:
        listening.close()
    assert set(children()) == before


def children() -> list[int]:
    return [each.pid for each in psutil.Process().children() if "proxy.worker" in each.cmdline()]


async def until(holds: Any, within: float = 10.0) -> None:
    async with asyncio.timeout(within):
        while not holds():
            await asyncio.sleep(0.01)


def freeze(worker: Worker) -> None:
    os.kill(worker.process.pid, signal.SIGSTOP)


async def test_an_order_is_carried_out_by_all_and_who_is_frozen_is_named(scene: Scene):
    workers = await scene.serving(2)
    assert await workers.order(cut) == {}
    freeze(workers.alive[1])
    began = time.monotonic()
    assert await workers.order(cut) == {"worker 1": "no answer"}
    assert 1.9 < time.monotonic() - began < 4
    workers.alive[1].process.send_signal(signal.SIGCONT)
    assert await workers.order(cut) == {}


async def test_who_dies_meanwhile_is_not_missing(scene: Scene):
    """The next in its place begins with the newest of everything."""
    workers = await scene.serving(2)
    freeze(workers.alive[0])
    ordering = asyncio.create_task(workers.order(cut))
    await asyncio.sleep(0.1)
    began = time.monotonic()
    workers.alive[0].kill()
    assert await ordering == {}
    assert time.monotonic() - began < 1


async def test_what_a_worker_cannot_do_it_says(scene: Scene):
    workers = await scene.serving(1)
    impossible = load(RIGHT, {}, no_files).spec.model_copy(update={"routes": {}})
    told = await workers.order(lambda token: configure(token, pickle.dumps(impossible)))
    assert list(told) == ["worker 0"]
    assert "there are no routes" in told["worker 0"]
    assert await workers.order(configure) == {}
    assert scene.restarts() == {}


async def test_a_hung_worker_is_replaced_and_the_others_are_not(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_SILENCE", 3)
    workers = await scene.serving(2)
    before = {slot: worker.process.pid for slot, worker in workers.alive.items()}
    freeze(workers.alive[0])
    await until(lambda: scene.restarts() == {"hung": 1} and len(workers.ready) == 2)
    assert workers.alive[0].process.pid != before[0]
    assert workers.alive[1].process.pid == before[1]


async def test_a_master_that_was_frozen_itself_blames_nobody(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    """`docker pause`, a debugger, a machine that was moved: the clock has run, nobody could say anything."""
    monkeypatch.setattr(module, "_SILENCE", 3)
    workers = await scene.serving(2)
    before = {slot: worker.process.pid for slot, worker in workers.alive.items()}
    time.sleep(5)  # its event loop, too
    await asyncio.sleep(1.5)
    assert {slot: worker.process.pid for slot, worker in workers.alive.items()} == before
    assert scene.restarts() == {}


def test_failures_in_a_row_are_given_more_and_more_time():
    assert [backoff(failures) for failures in range(1, 6)] == [0.0, 0.1, 0.2, 0.4, 0.8]
    assert [backoff(failures) for failures in (9, 20, 100_000)] == [10.0, 10.0, 10.0]


async def test_a_crash_loop_backs_off(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    workers = await scene.serving(2)
    monkeypatch.setattr(sys, "executable", FALSE)
    workers.alive[0].kill()
    await asyncio.sleep(2)
    assert 4 <= scene.restarts()["crashed"] <= 7, "at 0, 0, 0.1, 0.3, 0.7, 1.5 seconds"
    assert [worker.slot for worker in workers.ready] == [1]
    monkeypatch.undo()
    await until(lambda: len(workers.ready) == 2)


async def test_workers_that_never_serve_are_given_up(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "executable", FALSE)
    with pytest.raises(NeverStarted, match="the log says why"):
        await scene.workers(2).start()
    assert set(scene.restarts()) == {"crashed"}


async def test_processes_that_cannot_be_made(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "executable", "/does/not/exist")
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(NeverStarted):
        await scene.workers(1).start()
    logged = capsys.readouterr().err
    assert "cannot start a worker" in logged
    assert "No such file or directory" in logged
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 2  # the shared counts, mapped


async def test_a_configuration_a_worker_refuses_is_no_silence(scene: Scene, capfd: pytest.CaptureFixture[str]):
    """As when another version was installed since the master began."""
    impossible = load(RIGHT, {}, no_files).spec.model_copy(update={"routes": {}})
    began = time.monotonic()
    with pytest.raises(NeverStarted):
        await scene.workers(1, pickle.dumps(impossible)).start()
    assert time.monotonic() - began < 15
    assert "there are no routes" in capfd.readouterr().err


async def test_a_worker_of_another_version_is_ended_and_said(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    program = tmp_path / "other-version"
    program.write_text(
        f"#!{sys.executable}\nimport os, sys, time\n"
        "os.write(int(sys.argv[6]), b'\\0\\0\\0\\x0b\\x81\\xa4type\\xa4Dane')\ntime.sleep(60)\n"
    )
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(NeverStarted):
        await scene.workers(1).start()
    assert "worker not understood" in capsys.readouterr().err


@pytest.mark.parametrize("pause", [0.0, 0.001, 0.05, 0.3])
async def test_ended_while_they_begin_none_is_left(scene: Scene, pause: float):
    workers = scene.workers(3)
    starting = asyncio.create_task(workers.start())
    await asyncio.sleep(pause)
    await asyncio.gather(workers.kill(), starting, return_exceptions=True)
    assert children() == []
    assert workers.alive == {}


async def test_nobody_waits_for_a_slot_that_rests(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_FIRST_BACKOFF", 100.0)
    monkeypatch.setattr(module, "_LONGEST_BACKOFF", 100.0)
    workers = await scene.serving(2)
    monkeypatch.setattr(sys, "executable", FALSE)
    workers.alive[0].kill()
    await until(lambda: scene.restarts().get("crashed") == 2)
    began = time.monotonic()
    await workers.drain(0.0, 1.0, asyncio.Event())
    assert time.monotonic() - began < 3
    assert workers.alive == {}


async def test_who_is_frozen_does_not_hold_up_the_end(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    """Neither of them has anything to do, so there is nothing to wait for but its own end."""
    monkeypatch.setattr(module, "_SILENCE", 3)
    workers = await scene.serving(2)
    freeze(workers.alive[0])
    began = time.monotonic()
    await workers.drain(0.0, 100.0, asyncio.Event())
    assert time.monotonic() - began < 8
    assert scene.restarts() == {}, "it was not to be replaced any more"


async def test_long_after_their_time_they_are_killed(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_LAST_WORDS", 0.5)
    workers = await scene.serving(1)
    freeze(workers.alive[0])
    began = time.monotonic()
    await workers.drain(0.2, 0.3, asyncio.Event())
    assert 0.9 < time.monotonic() - began < 4
    assert workers.alive == {}
