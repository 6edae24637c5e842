"""Scripts as files, and as servers know and forget them."""

import asyncio
import hashlib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from proxy.store.scripts import Script
from tests.store.recording import Recorded
from tests.store.servers import Server

KEYS = ["segue:{segue}:x"]
FOLDER = files("proxy.store").joinpath("scripts")
NAMES = sorted(path.name.removesuffix(".lua") for path in FOLDER.iterdir() if path.name.endswith(".lua"))
COUNT = "#!lua\nreturn redis.call('INCR', KEYS[1])"


def text(tmp_path: Path, content: str) -> Script:
    (tmp_path / "x.lua").write_text(content)
    return Script("x", tmp_path)


@pytest.mark.parametrize(
    ("header", "writes", "runs_when_full"),
    [
        ("#!lua", True, False),
        ("#!lua flags=allow-oom", True, True),
        ("#!lua flags=no-writes", False, True),
        ("#!lua flags=no-writes,allow-stale", False, True),
    ],
)
def test_the_header_says_when_it_may_run(tmp_path: Path, header: str, writes: bool, runs_when_full: bool):
    script = text(tmp_path, f"{header}\nreturn 1\n")
    assert (script.writes, script.runs_when_full) == (writes, runs_when_full)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("return 1", "must begin with"),
        ("-- #!lua", "must begin with"),
        ("#!lua name=x", "must begin with"),
        ("#!lua flags=allow-omm", "does not know: allow-omm"),
        ("#!lua flags=no-cluster", "leave out no-cluster"),
        ("#!lua flags=allow-oom,allow-cross-slot-keys", "leave out allow-cross-slot-keys"),
    ],
)
def test_a_header_that_would_fail_later_fails_at_once(tmp_path: Path, header: str, problem: str):
    with pytest.raises(ValueError, match=problem):
        text(tmp_path, f"{header}\nreturn 1\n")


def test_a_script_that_does_not_exist():
    with pytest.raises(FileNotFoundError):
        Script("nothing")


def test_the_digest_is_the_servers(server: Server):
    script = Script("probe")
    assert script.sha == hashlib.sha1(script.text).hexdigest() == server.ask("SCRIPT", "LOAD", script.text.decode())


@pytest.mark.parametrize("name", NAMES)
def test_every_script_compiles(server: Server, name: str):
    script = Script(name)
    assert server.ask("SCRIPT", "LOAD", script.text.decode()) == script.sha


@pytest.mark.parametrize("forget", ["SCRIPT FLUSH", "FLUSHALL", "restart"])
async def test_a_server_that_forgot_is_told_again(
    server: Server, client: Recorded, write: Callable[[str], Script], forget: str
):
    count = write(COUNT)
    assert await client.store.run(count, KEYS, []) == 1
    if forget == "restart":
        server.stop()
        server.start()
        await asyncio.sleep(0.05)
    else:
        server.ask(*forget.split())
    kept = 1 if forget == "SCRIPT FLUSH" else 0
    counted = await asyncio.gather(*(client.store.run(count, KEYS, []) for _ in range(5)))
    assert sorted(counted) == [kept + number for number in range(1, 6)]
    assert server.ask("SCRIPT", "EXISTS", count.sha) == [True]
    assert client.changes == []


async def test_a_server_that_dies_again_and_again(server: Server, client: Recorded, write: Callable[[str], Script]):
    count = write(COUNT)
    for _ in range(5):
        assert await client.store.run(count, KEYS, []) == 1
        server.kill()
        server.start()
        await asyncio.sleep(0.05)
    assert client.changes == []


async def test_a_long_script_with_long_arguments(client: Recorded, write: Callable[[str], Script]):
    long = write("#!lua flags=no-writes\n--" + "x" * 200_000 + "\nreturn #ARGV[1] + #ARGV")
    assert await client.store.run(long, KEYS, ["x" * 3_000_000, *["y"] * 5000]) == 3_005_001


async def test_a_script_is_held_to_its_flags(client: Recorded, write: Callable[[str], Script], server: Server):
    liar = write("#!lua flags=no-writes\nreturn redis.call('SET', KEYS[1], '1')")
    with pytest.raises(Exception, match="Write commands are not allowed"):
        await client.store.run(liar, KEYS, [])
    assert server.ask("GET", *KEYS) is None
