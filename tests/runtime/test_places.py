"""Where an instance's sockets and data lie: found again by others, private, and short enough for a socket."""

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy.runtime.places import (
    RunDirectory,
    RunDirectoryUnusable,
    all_control_sockets,
    claim_run_directory,
    control_sockets,
    data_directory,
)

Claim = Callable[[str], RunDirectory]


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short path, as sockets need one."""
    monkeypatch.chdir(tmp_path)
    with tempfile.TemporaryDirectory(prefix="segue-test-") as above:
        monkeypatch.setenv("XDG_RUNTIME_DIR", above)
        yield Path(above)


@pytest.fixture
def claim() -> Iterator[Claim]:
    """`claim_run_directory`; what it holds is let go when the test ends."""
    claimed: list[RunDirectory] = []

    def remembering(config: str) -> RunDirectory:
        claimed.append(claim_run_directory(config))
        return claimed[-1]

    yield remembering
    for each in claimed:
        os.close(each.descriptor)


def test_data_lie_beside_the_configuration(tmp_path: Path):
    assert data_directory("segue.yaml", None) == tmp_path / "segue-data"
    assert data_directory("segue.yaml", "elsewhere") == tmp_path / "elsewhere"
    assert data_directory("segue.yaml", "/var/segue") == Path("/var/segue")
    assert data_directory(None, "elsewhere") is None


def test_all_of_a_user_are_found(runtime: Path, claim: Claim):
    claimed = [claim("a.yaml"), claim("b.yaml"), claim("b.yaml")]
    for each in claimed[:2]:
        each.control_socket.touch()
    (runtime / "segue-0000-other-1").mkdir()
    (runtime / "segue-0000-other-1" / "control.sock").touch()
    assert set(all_control_sockets()) == {each.control_socket for each in claimed[:2]}


def test_others_find_an_instance_by_its_file_however_it_is_written(tmp_path: Path, runtime: Path, claim: Claim):
    claimed = claim("segue.yaml")
    assert claimed.path.parent == runtime
    assert control_sockets("segue.yaml") == []
    claimed.control_socket.touch()
    assert control_sockets(str(tmp_path / "segue.yaml")) == [claimed.control_socket]
    assert control_sockets("other.yaml") == []


def test_a_place_belongs_to_one_instance_and_is_used_again(claim: Claim):
    first = claim_run_directory("segue.yaml")
    assert first.path.stat().st_mode & 0o777 == 0o700
    assert claim("segue.yaml").path != first.path
    os.close(first.descriptor)
    assert claim("segue.yaml").path == first.path


def test_a_place_that_others_can_enter_is_refused(claim: Claim):
    first = claim_run_directory("segue.yaml")
    os.close(first.descriptor)
    first.path.chmod(0o755)
    with pytest.raises(RunDirectoryUnusable, match="not a directory of ours alone"):
        claim("segue.yaml")


def test_every_socket_in_it_can_be_bound_or_the_path_is_refused(
    runtime: Path, monkeypatch: pytest.MonkeyPatch, claim: Claim
):
    refused: list[str] = []
    for length in range(1, 108 - len(os.fsencode(runtime))):
        above = runtime / ("x" * length)
        above.mkdir()
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(above))
        try:
            claimed = claim("segue.yaml")
        except RunDirectoryUnusable as error:
            refused.append(str(error))
            continue
        assert not refused
        for path in (claimed.control_socket, claimed.store_socket):
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(str(path))
    assert refused
    assert all("too long a path for a socket" in text for text in refused)
