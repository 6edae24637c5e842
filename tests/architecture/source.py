"""The repository as these tests read it: its files, their syntax trees, and the words in a name."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Module(NamedTuple):
    """One Python file: its path from the repository's root, with forward slashes, and its tree."""

    path: str
    tree: ast.Module


@cache
def files() -> tuple[str, ...]:
    """Every file that is, or is about to be, in the repository."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return tuple(sorted(path for path in set(listing.split("\0")) if path and (ROOT / path).is_file()))


def text(path: str) -> str:
    """The file's text; what is not text reads as empty."""
    try:
        return (ROOT / path).read_text("utf-8")
    except UnicodeDecodeError:
        return ""


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    """The Python files below these folders; without folders, all of them."""
    return tuple(
        Module(path, ast.parse(text(path), path))
        for path in files()
        if path.endswith(".py") and (not folders or path.split("/")[0] in folders)
    )


def module(source: str, path: str = "proxy/sample.py") -> Module:
    """A sample for a test of the tests."""
    return Module(path, ast.parse(source))


def words(name: str) -> list[str]:
    """The words of an identifier, in lower case: `_readHTTPBody_v2` -> read, http, body, v2."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*|\d+", name)]


def strings(tree: ast.AST) -> Iterator[ast.Constant]:
    """String literals, the parts of f-strings among them, docstrings not."""
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node


def definitions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Every function and class, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node
