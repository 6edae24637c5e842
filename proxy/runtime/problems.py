"""Mistakes in a configuration, written for the person who has to correct them."""

import difflib
import re
from collections.abc import Iterable
from typing import NamedTuple

Path = tuple[str | int, ...]

_PLAIN = re.compile(r"[A-Za-z0-9_-]+\Z")


class Problem(NamedTuple):
    """One mistake. `line` counts from 1; None until it is known (or where there is no file)."""

    path: Path
    line: int | None
    message: str
    remedy: str

    @property
    def place(self) -> str:
        """The path as people write it: `routes.fast.candidates[0].model`."""
        return place(self.path)

    def __str__(self) -> str:
        where = f"{self.place}: " if self.path else ""
        return f"{where}{self.message} — {self.remedy}"


class ConfigurationError(Exception):
    """A configuration nobody can serve. `problems` are sorted by line, never empty."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: (problem.line or 0, problem.place))
        super().__init__("; ".join(map(str, self.problems)))


class Problems:
    """Mistakes being collected. `doubtful`: places already found wrong; what lies above or below one of them was
    mended to go on, so it is not judged again."""

    def __init__(self, doubtful: Iterable[Path] = ()) -> None:
        self.found: list[Problem] = []
        self._doubtful = set(doubtful)

    def add(self, path: Path, message: str, remedy: str) -> None:
        """A mistake is told once, however many routes lead to it."""
        problem = Problem(path, None, message, remedy)
        if problem not in self.found and not self.doubts(path):
            self.found.append(problem)

    def doubts(self, path: Path) -> bool:
        return any(path[: len(known)] == known or known[: len(path)] == path for known in self._doubtful)

    def doubtful_names(self, section: str) -> set[str]:
        """The names in a top-level section below which something is wrong."""
        return {str(path[1]) for path in self._doubtful if len(path) > 1 and path[0] == section}


def place(path: Path) -> str:
    out = ""
    for step in path:
        if isinstance(step, int):
            out += f"[{step}]"
        elif _PLAIN.match(step):
            out += f".{step}" if out else step
        else:
            out += f'["{step if step.isprintable() else step.encode("unicode_escape").decode()}"]'
    return out


def suggestion(wrong: str, known: Iterable[str], otherwise: str) -> str:
    """The remedy for a misspelt name: the nearest known one, else `otherwise`."""
    near = difflib.get_close_matches(wrong, list(known), n=1)
    return f"did you mean '{near[0]}'?" if near else otherwise


def listed(names: Iterable[str]) -> str:
    """Names for a sentence; says so when there are none."""
    return ", ".join(names) or "(none)"
