"""`segue demo` over real processes: what it shows is true, what it hands out works, and nothing of it stays behind."""

import argparse
import asyncio
import contextlib
import re
import shlex
import signal
import socket
import sys
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil

from proxy.demo.caller import Answer, Caller, Question
from proxy.demo.handout import Sheet, sheets
from proxy.demo.playbill import ROUTES
from proxy.demo.stage import stage

ROOT = Path(__file__).resolve().parents[2]
SERVING = "Serving until Ctrl-C"
COMPLETED, FAILED = "response.completed", "response.failed"
# What each route of the table does: the status, the last frame, the text, and why candidates were left.
OUTCOMES = {
    "demo": (200, COMPLETED, "You said: Hello there.", []),
    "demo-fallback": (200, COMPLETED, "You said: Hello there.", ["server_error"]),
    "demo-overloaded": (200, COMPLETED, "You said: Hello there.", ["server_error"]),
    "demo-late": (200, COMPLETED, "You said: Hello there.", ["network_error ttft_timeout"]),
    "demo-unlucky": (
        *(200, COMPLETED, "You said: Hello there."),
        ["rate_limit", "server_error", "model_error malformed", "model_error empty_response"],
    ),
    "demo-exhausted": (429, None, "", []),
    "demo-eager": (200, FAILED, "", ["server_error"]),
    "demo-retried": (200, COMPLETED, "You said: Hello there.", []),
    "demo-cut": (200, FAILED, "You said: Hel", []),
    "demo-continued": (200, COMPLETED, "You said: Hello there.", ["network_error truncated"]),
    "demo-stall": (200, FAILED, "You said", []),
    "demo-reasoning": (200, COMPLETED, "You said: Hello there.", []),
    "demo-tools": (200, COMPLETED, "You said: Hello there.", []),  # no tools were sent
}


class Demo:
    """A running demo and everything it has printed so far."""

    def __init__(self, running: asyncio.subprocess.Process) -> None:
        self.running = running
        self.shown = ""
        self.children: list[psutil.Process] = []

    async def until(self, text: str) -> None:
        """Reads on until `text` was printed, and remembers whatever children there are then."""
        assert self.running.stdout is not None
        while text not in self.shown:
            line = await self.running.stdout.readline()
            assert line, f"it ended without {text!r}:\n{self.shown}"
            self.shown += line.decode()
        self.children = psutil.Process(self.running.pid).children(recursive=True)

    async def end(self) -> int:
        assert self.running.stdout is not None
        self.shown += (await self.running.stdout.read()).decode()
        return await self.running.wait()

    def child(self, argument: str) -> psutil.Process:
        (found,) = (each for each in self.children if argument in each.cmdline())
        return found

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return sorted({(host, int(port)) for host, port in re.findall(r"http://([\d.]+):(\d+)", self.shown)})

    def left_behind(self) -> list[object]:
        """Children still there, and ports still open."""
        alive = [each for each in self.children if is_alive(each)]
        return alive + [address for address in self.addresses if is_open(address)]


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_open(address: tuple[str, int]) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(address) == 0


@contextlib.asynccontextmanager
async def demo(*options: str) -> AsyncIterator[Demo]:
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", "demo", *options),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Demo(running)
    finally:
        if running.returncode is None:
            running.terminate()
            await running.wait()


async def output(*command: str, cwd: Path = ROOT) -> str:
    pipe = asyncio.subprocess.PIPE
    running = await asyncio.create_subprocess_exec(*command, cwd=cwd, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    shown, _ = await running.communicate()
    return shown.decode()


def scenes(shown: str) -> dict[str, str]:
    """What was printed under each title, by its first character."""
    parts = re.split(r"^(\S[^\n]*?) ─+$", shown, flags=re.MULTILINE)
    return {title[0]: text for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def events(scene: str) -> list[str]:
    """The names of the frames, in order, a run of deltas counting as one."""
    names = re.findall(r"^ +\d+ ms  (\S+)", scene, flags=re.MULTILINE)
    return [name for i, name in enumerate(names) if i == 0 or name != names[i - 1]]


async def test_the_walk_through_shows_what_it_promises_and_ends():
    async with demo("--no-serve") as running:
        await running.until("An ordinary stream")
        assert len(running.children) == 4  # the upstream, and Segue: master, store, worker
        assert await running.end() == 0, running.shown
        assert len(running.addresses) == 3
        assert running.left_behind() == []
    assert "\x1b" not in running.shown
    shown = scenes(running.shown)
    opening = ["response.created", "response.in_progress"]
    answer = [
        *("response.output_item.added", "response.content_part.added", "response.output_text.delta"),
        *("response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed"),
    ]
    assert events(shown["1"]) == [*opening, *answer]
    assert re.search(r"first token +after \d+ ms\n +served by +first/demo", shown["1"])
    assert events(shown["2"]) == [*opening, "segue:fallback_start", *answer]
    assert "first/demo+error-200 → second/demo+delay-60: server_error" in shown["2"]
    assert re.search(r"served by +second/demo\+delay-60", shown["2"])
    assert "HTTP 429" in shown["3"]
    assert "retry-after: 12\n" in shown["3"]
    assert "rate_limit_exceeded" in shown["3"]
    assert events(shown["3"]) == [*opening, "segue:fallback_start", "segue:fallback_exhausted", "response.failed"]
    assert shown["4"].count("You said: Same story.") == 3
    assert shown["4"].count('"reason":"server_error","status":503') == 3
    before, after = events(shown["5"])[: len(opening) + 3], events(shown["5"])[len(opening) + 4 :]
    assert before == [*opening, *answer[:3]]
    assert events(shown["5"])[len(before)] == "segue:fallback_start"
    assert after == answer[2:]
    handed_over = "first/demo+delay-60+cut-3 → third/demo+prefill+delay-60: network_error (truncated)"
    assert handed_over in shown["5"]
    assert re.search(r"served by +third/demo\+prefill\+delay-60", shown["5"])
    assert "first/demo+first-1-503+delay-60 failed server_error 503 at" in shown["5"]
    assert "first/demo+first-1-503+delay-60 served at" in shown["5"]
    assert "[first/demo+error-200 failed: server_error. second/demo+delay-60 takes over]\n" in shown["6"]
    assert "You said: Who answers?\n" in shown["6"]


async def test_it_serves_what_it_hands_out_until_told_to_stop():
    async with demo() as running:
        await running.until(SERVING)
        for sheet in handed_out(running.shown):
            assert expected_of(sheet) in await tried(sheet), sheet.title
        await running.until("demo-fallback  messages  ok")
        running.running.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(running.end(), 5) == 0
        assert running.left_behind() == []


def handed_out(shown: str) -> list[Sheet]:
    """The programs and commands, which must be on the screen word for word."""
    (base,) = set(re.findall(r"http://[\d.]+:\d+/v1", shown))
    (key,) = set(re.findall(r"sg-\w{8}-\w{38}", shown))
    (metrics,) = set(re.findall(r"http://[\d.]+:\d+/metrics", shown))
    found = sheets(base, key, metrics)
    assert [sheet.title for sheet in found if sheet.text not in shown] == []
    return found


async def tried(sheet: Sheet) -> str:
    match sheet.language:
        case "python":
            return await output(sys.executable, "-c", sheet.text)
        case "javascript":
            return await output("node", "--input-type=module", "-e", sheet.text, cwd=ROOT / "tests/node")
    return await asyncio.to_thread(curled, sheet.text)


def curled(command: str) -> str:
    """What curl would print; it need not be installed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    for option in ("-N", "-s"):
        parser.add_argument(option, action="store_true")
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-d")
    asked = parser.parse_args(shlex.split(command.partition(" | ")[0].replace("\\\n", " "))[1:])
    headers = dict(header.split(": ", 1) for header in asked.H)
    request = urllib.request.Request(asked.url, asked.d.encode() if asked.d else None, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def expected_of(sheet: Sheet) -> str:
    if sheet.language == "bash":
        return (
            "event: segue:fallback_start" if sheet.title == "curl" else 'segue_fallbacks_total{from_target="first/demo'
        )
    return "You said: Who answers?"


async def test_interrupted_in_mid_stream_it_leaves_nothing_behind():
    async with demo() as running:
        await running.until("response.output_text.delta")
        running.running.send_signal(signal.SIGINT)
        running.running.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(running.end(), 5) == 0
        assert running.left_behind() == []
    assert "Traceback" not in running.shown


async def test_a_child_that_dies_ends_it_and_is_named():
    async with demo() as running:
        await running.until("response.output_text.delta")
        running.child("serve").kill()
        assert await asyncio.wait_for(running.end(), 5) == 1
        async with asyncio.timeout(5):
            while running.left_behind():  # nobody waited for a worker that had nobody left to wait for it
                await asyncio.sleep(0.05)
    assert "Segue was ended by SIGKILL." in running.shown
    assert "metrics on http://" in running.shown


async def test_a_port_in_use_is_said():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        async with demo("--port", str(taken.getsockname()[1])) as running:
            assert await asyncio.wait_for(running.end(), 20) == 1
            assert "in use" in running.shown


async def test_every_route_does_what_the_table_says():
    names = [route.name for route in ROUTES if route.name != "demo-embedding"]
    async with stage(0, 0, lambda line: None) as built, aiohttp.ClientSession() as session:
        caller = Caller(session, built.base, built.key)
        headers = {"segue-fallback-events": "events"}
        answers = await asyncio.gather(
            *(caller.ask(Question("responses", name, "Hello there.", headers)) for name in names)
        )
        async with session.post(
            f"{built.base}/embeddings",
            json={"model": "demo-embedding", "input": "Hello there."},
            headers={"authorization": f"Bearer {built.key}"},
        ) as embedded:
            assert len((await embedded.json())["data"][0]["embedding"]) == 256
    assert dict(zip(names, map(outcome, answers), strict=True)) == OUTCOMES


def outcome(answer: Answer) -> tuple[int, str | None, str, list[str]]:
    hops = [frame.content for frame in answer.frames if frame.event == "segue:fallback_start"]
    reasons = [" ".join(filter(None, (hop["reason"], hop.get("detail")))) for hop in hops]
    return answer.status, answer.frames[-1].event if answer.frames else None, answer.text, reasons
