"""The configuration in force: numbered, handed out whole, never replaced by a bad one, and honest about what waits."""

import asyncio
import pickle
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from proxy.control.messages import ORDERS, Configure, Order
from proxy.master import reloading
from proxy.master.reloading import Reloaded, Reloading
from proxy.master.sources import FileSource
from proxy.runtime.build import build_snapshot
from proxy.runtime.store_address import StoreAddress
from proxy.telemetry.metrics import MasterMetrics
from proxy.telemetry.series import decode
from tests.runtime.sample import RIGHT

ADDRESS = StoreAddress(kind="single", path="/run/store.sock")


class Fleet:
    """Workers as the master sees them: `orders` is what they were told; they answer `missing`."""

    def __init__(self) -> None:
        self.orders: list[Configure] = []
        self.missing: dict[str, str] = {}
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def command(self, make: Callable[[int], Order]) -> dict[str, str]:
        order = make(len(self.orders) + 1)
        assert isinstance(order, Configure)
        self.orders.append(order)
        await self.may_answer.wait()
        return self.missing


class Scene:
    def __init__(self, file: Path) -> None:
        self.file = file
        self.fleet = Fleet()
        self.revoked: list[str] = []
        self.metrics = MasterMetrics()
        source = FileSource(str(file), {})
        self.reloading = Reloading(source, source.read(), ADDRESS, lambda: self.revoked, self.metrics)

    async def written(self, text: str) -> Reloaded:
        self.file.write_text(text)
        return await self.reloading.reload(self.fleet.command)

    def outcomes(self) -> dict[str, float]:
        counted = decode(self.metrics.capture()).counts["segue_reloads"].values
        return {labels[0]: value for labels, value in counted.items()}

    def models(self) -> list[str]:
        """The upstream models of what the workers were told last."""
        snapshot = build_snapshot(pickle.loads(self.fleet.orders[-1].spec))
        return [target.model for target in snapshot.routes["gpt"].candidates]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    file = tmp_path / "segue.yaml"
    file.write_text(RIGHT)
    return Scene(file)


OTHER = RIGHT.replace("openai/gpt-6.1-sol", "openai/gpt-6.1-terra")


async def test_a_change_is_numbered_and_handed_out(scene: Scene):
    scene.revoked.append("ab12cd34")
    loaded = scene.reloading.loaded_at
    assert await scene.written(OTHER) == Reloaded(2)
    [order] = scene.fleet.orders
    assert (order.number, order.store, order.revoked) == (2, ADDRESS, ("ab12cd34",))
    assert scene.models() == ["gpt-6.1-terra", "claude-opus-5-5"]
    assert scene.reloading.number == 2
    assert scene.reloading.loaded_at > loaded
    assert scene.reloading.snapshot.routes["gpt"].candidates[0].model == "gpt-6.1-terra"
    assert scene.outcomes() == {"served": 1}
    assert decode(scene.metrics.capture()).levels["segue_snapshot_number"].values == {(): 2}


async def test_who_comes_later_is_told_the_newest(scene: Scene):
    assert scene.reloading.order(0).number == 1
    scene.fleet.may_answer.clear()
    waiting = asyncio.create_task(scene.written(OTHER))
    while not scene.fleet.orders:
        await asyncio.sleep(0)
    assert scene.reloading.order(0).spec == scene.fleet.orders[0].spec, "although the others have not answered yet"
    scene.fleet.may_answer.set()
    await waiting


WRONG = [
    ("routes: [", "not valid YAML"),
    (RIGHT.replace("candidates:", "candidats:"), "routes.gpt.candidats: unknown field"),
    (RIGHT.replace("sk-openai", "${NOT_SET}"), "NOT_SET is not set"),
    (RIGHT.replace("sk-openai", "file:/does/not/exist"), "gives no secret"),
    ("", "the file is empty"),
]


@pytest.mark.parametrize(("text", "why"), WRONG)
async def test_a_bad_file_changes_nothing_and_says_why(
    scene: Scene, text: str, why: str, capsys: pytest.CaptureFixture[str]
):
    before = (scene.reloading.snapshot, scene.reloading.loaded_at, scene.reloading.tried_at)
    refused = await scene.written(text)
    [problem] = refused.problems
    assert problem.startswith(f"{scene.file}:")
    assert why in problem
    assert scene.reloading.last == refused
    assert scene.fleet.orders == []
    assert (scene.reloading.number, scene.outcomes()) == (1, {"refused": 1})
    assert before[:2] == (scene.reloading.snapshot, scene.reloading.loaded_at)
    assert scene.reloading.tried_at > before[2]
    logged = capsys.readouterr().err
    assert why in logged
    assert "sk-" not in logged
    assert await scene.written(RIGHT) == Reloaded(1)
    assert scene.reloading.last.problems == ()


async def test_a_file_that_cannot_be_read(scene: Scene):
    scene.file.unlink()
    refused = await scene.reloading.reload(scene.fleet.command)
    assert refused.problems == (f"{scene.file} cannot be read: No such file or directory",)
    scene.file.write_bytes(b"\xff")
    refused = await scene.reloading.reload(scene.fleet.command)
    assert refused.problems == (f"{scene.file} cannot be read: it is not UTF-8 text",)
    assert scene.outcomes() == {"refused": 2}


async def test_the_same_again_is_told_nobody_but_lines_move(scene: Scene):
    assert scene.reloading.snapshot.places["key:ab12cd34"] == 15
    assert await scene.written("# a comment\n\n" + RIGHT) == Reloaded(1)
    assert scene.fleet.orders == []
    assert scene.outcomes() == {"unchanged": 1}
    assert scene.reloading.snapshot.places["key:ab12cd34"] == 17


async def test_who_does_not_serve_it_yet_is_named(scene: Scene, capsys: pytest.CaptureFixture[str]):
    scene.fleet.missing = {"worker 1": "no answer"}
    told = await scene.written(OTHER)
    assert told.missing == {"worker 1": "no answer"}
    assert told.problems == ()
    assert scene.reloading.number == 2
    assert '"missing":{"worker 1":"no answer"}' in capsys.readouterr().err


async def test_who_still_does_not_serve_it_is_named_again(scene: Scene):
    scene.fleet.missing = {"worker 1": "no answer"}
    await scene.written(OTHER)
    assert (await scene.written("nonsense: [")).problems
    assert await scene.written(OTHER) == Reloaded(2, missing={"worker 1": "no answer"})
    scene.fleet.missing = {}
    assert await scene.written(OTHER) == Reloaded(2)
    assert [order.number for order in scene.fleet.orders] == [2, 2, 2]
    await scene.written(OTHER)
    assert len(scene.fleet.orders) == 3, "everybody serves it"


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("server.host", "server: {host: 127.0.0.2}"),
        ("server.port", "server: {port: 1234}"),
        ("server.workers", "server: {workers: 3}"),
        ("operations.host", "operations: {host: 127.0.0.2}"),
        ("operations.port", "operations: {port: 1234}"),
        ("store", "store: redis://elsewhere"),
        ("store", "store: {maximum_memory: 64MiB}"),
        (None, "server: {shutdown_grace_seconds: 7, drain_accepting_seconds: 1, body_limit: 1MiB}"),
        (None, "operations: {admin_keys: [{id: ad12cd34, hash: " + "cd" * 32 + "}]}"),
    ],
)
async def test_what_takes_effect_only_at_the_next_start_is_named(
    scene: Scene, field: str | None, text: str, capsys: pytest.CaptureFixture[str]
):
    named = () if field is None else (field,)
    assert (await scene.written(f"{RIGHT}{text}\n")).waiting == named
    assert ("only after a restart" in capsys.readouterr().err) == bool(named)
    # For as long as it waits, whatever else happens.
    assert (await scene.written(f"{RIGHT}{text}\n")).waiting == named
    await scene.written("nonsense: [")
    assert (await scene.written(f"# again\n{RIGHT}{text}\n")).waiting == named
    assert (await scene.written(RIGHT)).waiting == ()


async def test_a_new_secret_is_obeyed_at_once(scene: Scene):
    told = await scene.written(RIGHT.replace("a pepper for tests only", "another pepper for tests"))
    assert told.waiting == ()
    assert build_snapshot(pickle.loads(scene.fleet.orders[-1].spec)).pepper == b"another pepper for tests"


async def test_one_after_the_other(scene: Scene):
    scene.fleet.may_answer.clear()
    first = asyncio.create_task(scene.written(OTHER))
    while not scene.fleet.orders:
        await asyncio.sleep(0)
    scene.file.write_text(RIGHT)
    second = asyncio.create_task(scene.reloading.reload(scene.fleet.command))
    await asyncio.sleep(0.01)
    assert len(scene.fleet.orders) == 1
    scene.fleet.may_answer.set()
    assert [(await first).number, (await second).number] == [2, 3]
    assert scene.models() == ["gpt-6.1-sol", "claude-opus-5-5"]


async def test_a_changed_file_is_taken_over_by_itself(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reloading, "_LOOK", 0.01)
    watching = asyncio.create_task(scene.reloading.watch(scene.fleet.command))
    try:
        for number, text in enumerate([OTHER, "routes: [", RIGHT], start=1):
            scene.file.write_text(text)
            async with asyncio.timeout(5):
                while sum(scene.outcomes().values()) < number:
                    await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert scene.outcomes() == {"served": 2, "refused": 1}, "and not again while nothing changes"
    finally:
        watching.cancel()


def test_what_is_handed_out_is_what_was_read(scene: Scene):
    """Workers build their snapshot from it: everything a request sees must survive the way."""
    order = ORDERS.decode(msgspec.msgpack.encode(scene.reloading.order(0)))
    assert isinstance(order, Configure)
    there, here = build_snapshot(pickle.loads(order.spec)), scene.reloading.snapshot
    assert [target.name for target in there.routes["gpt"].candidates] == [
        target.name for target in here.routes["gpt"].candidates
    ]
    assert there.keys == here.keys
    assert there.pepper == here.pepper
    assert there.server == here.server
    assert order.places == here.places
    assert order.store == ADDRESS
