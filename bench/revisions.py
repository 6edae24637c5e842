"""What `bench ab` holds against each other: command lines, this tree, or commits, unpacked beside it."""

import compileall
import io
import shlex
import subprocess
import tarfile
from pathlib import Path

from bench.children import ChildError
from bench.systems import SEGUE_COMMAND, Command

THIS_TREE = "."
_SCHEMA = "config/schema.json"


def command_of(name: str, told: str, folder: Path) -> Command:
    """`told` is a command line if it has a placeholder, `.` for this tree, or else what git knows a commit by; that is
    unpacked in `folder` and runs with this interpreter. Raises `ChildError` where git knows no such commit."""
    if "{" in told:
        return Command(name, told, translates=True)
    if told == THIS_TREE:
        compiled(Path(THIS_TREE))
        return Command(name, SEGUE_COMMAND, translates=True)
    place = folder / name
    _unpack(told, place)
    compiled(place)
    # Its own workers look for modules along PYTHONPATH only.
    line = f"env -C {shlex.quote(str(place))} PYTHONPATH={shlex.quote(str(place))} {SEGUE_COMMAND}"
    knows_workers = '"workers"' in (place / _SCHEMA).read_text()
    return Command(name, line, translates=True, workers=1 if knows_workers else None)


def compiled(tree: Path) -> None:
    """As an installation leaves it: otherwise every start would pay for reading the source anew where the environment
    forbids writing what was compiled."""
    compileall.compile_dir(tree / "proxy", quiet=1)


def shown(told: str) -> str:
    """For the page: a commit by its hash."""
    if "{" in told:
        return told
    asked = [
        "git",
        "describe",
        "--always",
        "--abbrev=10",
        "--exclude=*",
        *(["--dirty"] if told == THIS_TREE else [told]),
    ]
    described = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return f"{described} (this tree)" if told == THIS_TREE else f"{described} ({told})"


def _unpack(revision: str, place: Path) -> None:
    packed = subprocess.run(["git", "archive", "--format=tar", revision], capture_output=True, check=False)
    if packed.returncode:
        raise ChildError(f"git has no commit {revision!r}: {packed.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        # As tarfile's documentation has it for Pythons before 3.11.4, which know no filters.
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        archive.extractall(place)
