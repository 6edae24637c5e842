"""`segue` as a process: what it imports, what it says when it cannot serve, and that it serves."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.runtime.sample import RIGHT

PYTHON = sys.executable
FREE = ("--port", "0", "--operations-port", "0")


@pytest.fixture
def configuration(tmp_path: Path) -> str:
    file = tmp_path / "segue.yaml"
    file.write_text(RIGHT)
    return str(file)


def run(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [PYTHON, "-m", "proxy", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=50)


def imported(*arguments: str) -> set[str]:
    """The modules in memory after a command ran."""
    program = (
        "import sys\nfrom proxy.__main__ import main\nsys.argv = ['segue', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit:\n    print('\\n'.join(['modules:', *sys.modules]))"
    )
    command = [PYTHON, "-c", program, *arguments]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50).stdout
    return set(shown.partition("modules:\n")[2].split())


def test_each_command_imports_what_it_needs(configuration: str):
    checking = imported("check", configuration)
    assert "proxy.runtime.build" in checking
    assert checking.isdisjoint({"aiohttp", "uvloop", "rich", "proxy.app", "proxy.cli.serve"})
    serving = imported("serve", "--help")
    assert "proxy.master.master" in serving
    assert serving.isdisjoint({"rich", "uvloop", "proxy.cli.check", "proxy.conformance"})
    # What the workers do, the master need not know.
    workers = ("proxy.worker", "proxy.app", "proxy.http", "proxy.pipeline", "proxy.dispatch", "proxy.transport")
    assert not any(name.startswith((*workers, "proxy.demo")) for name in serving)
    linting = imported("lint-stream", "--help")
    assert linting.isdisjoint({"aiohttp", "yaml", "proxy.app", "proxy.runtime.spec"})


def test_a_port_in_use_takes_one_line(configuration: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run("serve", "-c", configuration, "--port", port, "--operations-port", "0")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"segue: cannot listen on 127.0.0.1:{port}: in use; choose another with --port or --operations-port\n"
    )


def test_mistakes_are_told_instead_of_served(tmp_path: Path):
    file = tmp_path / "wrong.yaml"
    file.write_text(RIGHT.replace("candidates:", "candidats:"))
    ended = run("serve", "-c", str(file), *FREE)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"{file}:9: routes.gpt.candidats: unknown field" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_no_keys_in_the_environment():
    ended = run("serve", *FREE, environment={})
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "OPENAI_API_KEY" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_serving_what_the_environment_allows():
    command = [PYTHON, "-m", "proxy", "serve", *FREE]
    serving = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={"OPENAI_API_KEY": "sk-openai", "PYTHONUNBUFFERED": "1"}
    )
    try:
        assert serving.stdout is not None
        said = ""
        while (address := re.search(r"http://\S+/v1\b", said)) is None:
            line = serving.stdout.readline()
            assert line, said
            said += line
        [key] = re.findall(r"\bsg-\w{8}-\w{38}\b", said)
        assert re.search(r"default +openai/gpt-", said)
        request = urllib.request.Request(f"{address[0]}/models", headers={"authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            models = [model["id"] for model in json.load(answer)["data"]]
        assert {"default", "fast"} < set(models)
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(f"{address[0]}/models", timeout=20)
        refused.value.close()
    finally:
        serving.send_signal(signal.SIGTERM)
        serving.communicate(timeout=30)
    assert serving.returncode == 0
