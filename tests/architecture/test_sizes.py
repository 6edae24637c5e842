"""No file and no function grows past what a reader can hold."""

import ast

from tests.architecture.source import Module, definitions, files, module, modules, text

FILE_LINES = 400
FUNCTION_LINES = 60
CODE = (".py", ".mjs", ".js", ".ts", ".sh")


def long_files(sizes: dict[str, int]) -> list[str]:
    return [f"{path}: {lines} lines" for path, lines in sizes.items() if lines >= FILE_LINES]


def long_functions(found: Module) -> list[str]:
    return [
        f"{found.path}:{node.lineno} {node.name}: {lines} lines"
        for node in definitions(found.tree)
        if not isinstance(node, ast.ClassDef) and (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES
    ]


def test_files_are_short():
    assert long_files({path: text(path).count("\n") for path in files() if path.endswith(CODE)}) == []


def test_functions_are_short():
    assert [problem for found in modules() for problem in long_functions(found)] == []


def test_a_long_file_is_noticed():
    assert long_files({"fits.py": FILE_LINES - 1, "long.py": FILE_LINES}) == ["long.py: 400 lines"]


def test_a_long_function_is_noticed():
    fits = "def fits():\n" + "    pass\n" * (FUNCTION_LINES - 1)
    long = "class C:\n  async def long(self):\n" + "    pass\n" * FUNCTION_LINES
    assert long_functions(module(fits)) == []
    assert long_functions(module(long)) == ["proxy/sample.py:2 long: 61 lines"]
