"""Imports stand at the top, in no circle; a broad `except` stands in one file only."""

import ast
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.architecture.source import Module, module, modules

BROAD = {"Exception", "BaseException"}
MAY_CATCH_ALL = "proxy/http/failures.py"
# The table of commands imports only the one asked for: `segue serve` must not pay for the demo.
MAY_IMPORT_BY_NAME = "proxy/cli/commands.py"
BY_NAME = {"__import__", "import_module", "resolve_name"}


def hidden_imports(found: Module) -> list[str]:
    """Imports inside functions."""
    return sorted(
        {
            f"{found.path}:{inner.lineno}"
            for outer in ast.walk(found.tree)
            if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for inner in ast.walk(outer)
            if isinstance(inner, ast.Import | ast.ImportFrom)
        }
    )


def imports_by_name(found: Module) -> list[str]:
    """Imports that do not look like imports."""
    return [f"{found.path}:{node.lineno}" for node in ast.walk(found.tree) if calls(node, BY_NAME)]


def broad_excepts(found: Module) -> list[str]:
    return [
        f"{found.path}:{node.lineno}"
        for node in ast.walk(found.tree)
        if (isinstance(node, ast.ExceptHandler) and (node.type is None or names(node.type) & BROAD))
        or (calls(node, {"suppress"}) and names(node) & BROAD)
    ]


def calls(node: ast.AST, functions: set[str]) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return called in functions


def names(node: ast.AST) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def cycle(found: Iterable[Module]) -> list[str]:
    """One circle of modules that import each other, first and last alike; empty when there is none."""
    trees = {dotted(each.path): each for each in found}
    graph = {name: imported(each, trees.keys()) - {name} for name, each in trees.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def dotted(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imported(found: Module, known: Iterable[str]) -> set[str]:
    """The modules of ours that this one names; a name out of a package is its submodule where there is one."""
    package = found.path.split("/")[:-1]
    targets: set[str] = set()
    for node in ast.walk(found.tree):
        if isinstance(node, ast.Import):
            targets |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            inside = {f"{origin}.{alias.name}" for alias in node.names}
            targets |= {name if name in known else origin for name in inside}
    return targets & set(known)


def test_imports_stand_at_the_top():
    assert [problem for found in modules() for problem in hidden_imports(found)] == []


def test_one_file_may_import_by_name():
    by_name = {found.path: imports_by_name(found) for found in modules()}
    assert [path for path, places in by_name.items() if places] == [MAY_IMPORT_BY_NAME]


def test_one_file_may_catch_everything():
    assert [p for found in modules("proxy") if found.path != MAY_CATCH_ALL for p in broad_excepts(found)] == []


def test_no_module_reaches_itself():
    assert cycle(modules("proxy")) == []


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    import os",
        "class C:\n  async def f(self):\n    if self:\n      from os import path",
    ],
)
def test_a_hidden_import_is_noticed(source: str):
    assert len(hidden_imports(module(source))) == 1
    assert hidden_imports(module("import os\nif os:\n    import json")) == []


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    return importlib.import_module('os')",
        "f = lambda: __import__('os')",
        "run = resolve_name('os:getcwd')",
        "run = pkgutil.resolve_name('os:getcwd')",
    ],
)
def test_an_import_by_name_is_noticed(source: str):
    assert len(imports_by_name(module(source))) == 1
    assert imports_by_name(module("import os\nname = resolve('os')")) == []


@pytest.mark.parametrize(
    "source",
    [
        "try: ...\nexcept: ...",
        "try: ...\nexcept Exception: ...",
        "try: ...\nexcept (OSError, Exception) as error: ...",
        "try: ...\nexcept BaseException: raise",
        "try: ...\nexcept* Exception: ...",
        "with contextlib.suppress(Exception): ...",
    ],
)
def test_a_broad_except_is_noticed(source: str):
    assert len(broad_excepts(module(source))) == 1
    assert broad_excepts(module("try: ...\nexcept (OSError, ValueError): ...")) == []


def test_a_circle_is_noticed():
    a = module("from proxy.b import thing", "proxy/a/__init__.py")
    b = module("from . import c", "proxy/b.py")
    c = module("def f(): ...", "proxy/c.py")
    assert cycle([a, b, c]) == []
    c_back = module("import proxy.a", "proxy/c.py")
    assert set(cycle([a, b, c_back])) == {"proxy.a", "proxy.b", "proxy.c"}
