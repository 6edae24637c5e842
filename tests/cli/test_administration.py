"""`segue keys`, `tenants` and `reload` against an instance that runs, over both of its ways in."""

import asyncio
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from proxy.cli.commands import application
from proxy.master.reloading import Reloaded
from proxy.runtime import keys
from proxy.telemetry import log
from tests.cli.instances import segue, serving
from tests.master.instance import ADMIN, CONFIGURATION, LINE, TENANT, WITHOUT_ADMIN, Scene, snapshot_of
from tests.runtime.sample import SECRET
from tests.store.servers import running

KEY = re.compile(r"\bsg-[0-9a-z]{8}-[0-9A-Za-z]{38}\b")


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run directories of this test's own, with short paths; nothing logged among what commands say."""
    place = tempfile.mkdtemp(prefix="segue-test-")
    monkeypatch.setenv("XDG_RUNTIME_DIR", place)
    monkeypatch.delenv("SEGUE_ADMIN_KEY", raising=False)
    log.configure("error")
    yield
    log.configure("info")
    shutil.rmtree(place)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "segue.yaml"
    path.write_text(CONFIGURATION)
    return path


@pytest.fixture
async def scene(file: Path) -> AsyncIterator[Scene]:
    with running() as server:
        async with serving(server, file) as found:
            yield found


async def made(file: Path, *more: str) -> str:
    """The id of a key just made."""
    shown = await segue("keys", "create", "-c", str(file), "--tenant", "team-a", *more)
    assert shown.exit_code == 0, shown.stderr
    [key] = KEY.findall(shown.stdout)
    parts = keys.parse(key)
    assert parts is not None
    return parts.id


async def listed(file: Path) -> list[list[str]]:
    """The rows, without their head, by column."""
    shown = await segue("keys", "list", "-c", str(file))
    return [re.split(r"  +", line) for line in shown.stdout.splitlines()[1:]]


async def test_the_life_of_a_key(scene: Scene, file: Path):
    first = await made(file, "--model", "gpt", "--scope", "generate", "--scope", "models", "--expires", "2099-01-31")
    assert await listed(file) == [
        ["ab12cd34", "team-a", "active", "all", "generate, embeddings, models", "never", f"segue.yaml:{LINE}"],
        [first, "team-a", "active", "gpt", "generate, models", "2099-01-31T00:00:00Z", "store"],
    ]
    shown = await segue("keys", "scope", first, "--all-models", "--scope", "generate", "-c", str(file))
    assert re.search(r"models +all\nscopes +generate\n", shown.stdout)
    shown = await segue("keys", "expire", first, "--at", "never", "-c", str(file))
    assert re.search(r"expires +never", shown.stdout)
    shown = await segue("keys", "rotate", first, "--overlap", "0s", "-c", str(file))
    [second] = KEY.findall(shown.stdout)
    assert f"{first} works until" in shown.stdout
    shown = await segue("keys", "revoke", second, "--terminate", "-c", str(file))  # all of it: only its id is sent
    assert shown.stdout == f"revoked {second.split('-')[1]}\n"
    assert [row[2] for row in await listed(file)] == ["active", "expired", "revoked"]
    assert scene.master.ordered[-1] == ("cut", [second.split("-")[1]])


@pytest.mark.parametrize(
    ("when", "expected"), [("now", "expired"), ("90d", "active"), ("30m", "active"), ("999999d", "active")]
)
async def test_a_span_is_counted_from_now(scene: Scene, file: Path, when: str, expected: str):
    first = await made(file)
    shown = await segue("keys", "expire", first, "--at", when, "-c", str(file))
    assert re.search(rf"state +{expected}\n", shown.stdout)


async def test_the_life_of_a_tenant(scene: Scene, file: Path):
    shown = await segue("tenants", "create", "team-b", "--fallback-events", "none", "-c", str(file))
    hint = f"segue keys create --tenant team-b -c {file}"
    assert shown.stdout == f"made the tenant team-b; its first key: {hint}\n"
    shown = await segue("tenants", "list", "-c", str(file))
    assert shown.stdout == f"tenant  held by\nteam-a  segue.yaml:{LINE - 2}\nteam-b  store\n"
    told = await segue("tenants", "list", "--json", "-c", str(file))
    assert json.loads(told.stdout)["tenants"][1]["fallback_events"] == "none"
    shown = await segue("tenants", "delete", "team-b", "-c", str(file))
    assert shown.stdout == "deleted the tenant team-b; revoked with it: no keys\n"


async def test_json_holds_everything(scene: Scene, file: Path):
    shown = await segue("keys", "create", "--tenant", "team-a", "--json", "-c", str(file))
    told = json.loads(shown.stdout)
    assert told["secret"].startswith(f"sg-{told['key']['id']}-")
    shown = await segue("keys", "list", "--json", "--tenant", "team-a", "-c", str(file))
    assert [key["id"] for key in json.loads(shown.stdout)["keys"]] == ["ab12cd34", told["key"]["id"]]


async def test_a_reload(scene: Scene, file: Path):
    scene.master.reloaded = Reloaded(4, waiting=("server.port",))
    shown = await segue("reload", "-c", str(file))
    assert (shown.exit_code, shown.stdout) == (
        0,
        "configuration 4 is in force\nchanged, but not before the next start: server.port\n",
    )
    scene.master.reloaded = Reloaded(4, problems=("segue.yaml:3: wrong",))
    shown = await segue("reload", "-c", str(file))
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr.endswith("number 4 stays in force.\nsegue.yaml:3: wrong\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("keys", "create", "--tenant", "nobody"), "Neither the configuration nor the store holds a tenant 'nobody'."),
        (("keys", "expire", "ab12cd34", "--at", "now"), f"is in segue.yaml, line {LINE}"),
        (("keys", "revoke", "zzzzzzzz"), "holds a key 'zzzzzzzz'"),
        (("keys", "expire", "zzzzzzzz", "--at", "soon"), "write it like 2027-01-31"),
        (("tenants", "delete", "team-a"), f"is in segue.yaml, line {LINE - 2}"),
    ],
)
async def test_a_refusal_is_a_sentence(scene: Scene, file: Path, arguments: tuple[str, ...], words: str):
    shown = await segue(*arguments, "-c", str(file))
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert words in shown.stderr
    assert shown.stderr.startswith("segue: ")
    assert shown.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("keys", "scope", "zzzzzzzz"), "--all-models"),
        (("keys", "scope", "zzzzzzzz", "--model", "a", "--all-models"), "not both"),
        (("keys", "rotate", "zzzzzzzz", "--overlap", "long"), "7d"),
        (("keys", "list", "--url", "http://127.0.0.1:9"), "not both"),
    ],
)
async def test_contradictions_are_noticed(file: Path, arguments: tuple[str, ...], words: str):
    shown = await segue(*arguments, "-c", str(file))
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert words in shown.stderr


async def test_who_has_not_acknowledged_is_told(scene: Scene, file: Path):
    scene.master.missing = ["worker 1", "b:17"]
    shown = await segue("keys", "create", "--tenant", "team-a", "-c", str(file))
    assert shown.exit_code == 3
    assert KEY.search(shown.stdout)
    assert shown.stderr == "segue: done, but not acknowledged yet by: worker 1, b:17\n"
    scene.server.stop()
    shown = await segue("keys", "list", "-c", str(file))
    assert shown.exit_code == 3
    assert "ab12cd34" in shown.stdout
    assert shown.stderr == "segue: could not be asked: store\n"


async def test_from_elsewhere_an_admin_key_is_needed(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shown = await segue("tenants", "list", "--url", scene.address)
    assert shown.exit_code == 2
    assert "SEGUE_ADMIN_KEY" in shown.stderr
    (tmp_path / "key").write_text(f"{ADMIN}\n")
    shown = await segue("tenants", "list", "--url", scene.address, "--admin-key-file", str(tmp_path / "key"))
    assert (shown.exit_code, "team-a" in shown.stdout) == (0, True)
    monkeypatch.setenv("SEGUE_ADMIN_KEY", ADMIN)
    assert (await segue("tenants", "list", "--url", f"{scene.address}/")).exit_code == 0
    for wrong, words in ((TENANT, "admin key"), ("ü", "no key has"), ("a\rb", "no key has")):
        monkeypatch.setenv("SEGUE_ADMIN_KEY", wrong)
        shown = await segue("tenants", "list", "--url", scene.address)
        assert shown.exit_code in (1, 2)
        assert words in shown.stderr
        assert wrong not in shown.stderr
    scene.master.snapshot = snapshot_of(WITHOUT_ADMIN)
    monkeypatch.setenv("SEGUE_ADMIN_KEY", ADMIN)
    assert "operations.admin_keys" in (await segue("tenants", "list", "--url", scene.address)).stderr


async def test_the_control_socket_may_be_named(scene: Scene):
    assert "team-a" in (await segue("tenants", "list", "--url", f"unix://{scene.control}")).stdout


async def test_of_several_instances_one_must_be_named(scene: Scene, file: Path):
    async with serving(scene.server, file) as other:
        shown = await segue("keys", "list", "-c", str(file))
        assert shown.exit_code == 2
        assert f"unix://{scene.control}, unix://{other.control}" in shown.stderr
        other.control.unlink()
        other.control.touch()  # as a killed one leaves it
        assert (await segue("keys", "list", "-c", str(file))).exit_code == 0


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1", "cannot reach http://127.0.0.1:1: Connection refused"),
        ("unix:///nowhere.sock", "cannot reach unix:///nowhere.sock: No such file or directory"),
        ("ftp://127.0.0.1", "written http://HOST:PORT"),
        ("127.0.0.1:9090", "written http://HOST:PORT"),
        ("http://127.0.0.1:many", "written http://HOST:PORT"),
        ("http://127.0.0.1:9090/admin", "written http://HOST:PORT"),
        ("http://ho st:9090", "cannot reach http://ho st:9090: no HTTP answer (InvalidURL)"),
        (f"http://{'x' * 70}.test", "no HTTP answer (UnicodeError)"),
    ],
)
async def test_what_cannot_be_reached_is_said(url: str, words: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEGUE_ADMIN_KEY", ADMIN)
    for command in (("keys", "list"), ("status",)):
        shown = await segue(*command, "--url", url)
        assert (shown.exit_code, shown.stdout) == (2, "")
        assert words in shown.stderr
        assert ADMIN not in shown.stderr


async def test_nothing_runs(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for command in (("keys", "list"), ("tenants", "list"), ("reload",), ("status",), ("status", "--json")):
        shown = await segue(*command, "-c", str(file))
        assert (shown.exit_code, shown.stdout) == (2, "")
        assert f"nothing runs: no instance of yours serves {file}" in shown.stderr
        shown = await segue(*command)
        assert shown.exit_code == 2
        assert ("on this machine" if "status" in command else "started in this directory") in shown.stderr


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"hello\n", "no HTTP answer"),
        (b"", "no HTTP answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n<p/>", "is that Segue's second port?"),
        (b"HTTP/1.1 502 Bad\r\ncontent-length: 2\r\n\r\n{}", "status 502"),
    ],
)
async def test_a_server_of_another_kind(answer: bytes, words: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEGUE_ADMIN_KEY", ADMIN)

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        shown = await segue("keys", "list", "--url", f"http://127.0.0.1:{port}")
    assert shown.exit_code in (1, 2)
    assert words in shown.stderr


def test_a_made_admin_key_fits_a_file(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEGUE_SECRET", SECRET)
    arguments = ("keys", "new", "--admin")
    printed = CliRunner().invoke(application(arguments), arguments).stdout
    [key] = KEY.findall(printed)
    file.write_text(WITHOUT_ADMIN + printed[printed.index("operations:") :])
    [found] = snapshot_of(file.read_text()).admin_keys.values()
    assert found.digest == keys.digest(SECRET.encode(), key)
