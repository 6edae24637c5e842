"""Names say what a thing is: no file for leftovers, no verb that means nothing."""

import re

import pytest

from tests.architecture.source import Module, definitions, files, module, modules, words

BANNED_FILES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "types", "misc"}
BANNED_WORDS = {"handle", "process", "info"}


def banned_files(paths: tuple[str, ...]) -> list[str]:
    return [path for path in paths if path.rsplit("/", 1)[-1].split(".")[0] in BANNED_FILES]


def banned_names(found: Module) -> list[str]:
    return [f"{found.path}:{node.lineno} {node.name}" for node in definitions(found.tree) if is_banned(node.name)]


def is_banned(name: str) -> bool:
    parts = words(name)
    if name.startswith("__") or not parts:
        return False
    return bool(BANNED_WORDS & set(parts)) or parts[0] == "new" or re.fullmatch(r"v\d+", parts[-1]) is not None


def test_files_are_named_for_what_they_own():
    assert banned_files(files()) == []


def test_functions_and_classes_are_named_for_what_they_do():
    assert [problem for found in modules("proxy", "bench", "tools") for problem in banned_names(found)] == []


def test_a_file_for_leftovers_is_noticed():
    assert banned_files(("proxy/http/utils.py", "tests/helpers.mjs", "proxy/canonical/usage.py")) == [
        "proxy/http/utils.py",
        "tests/helpers.mjs",
    ]


@pytest.mark.parametrize(
    "name",
    ["handle", "handle_frame", "_process", "RequestInfo", "new_session", "NewSession", "decode_v2", "DecoderV2"],
)
@pytest.mark.parametrize("define", ["def {}(): ...", "async def {}(): ...", "class {}: ..."])
def test_an_empty_word_is_noticed(name: str, define: str):
    assert banned_names(module(define.format(name))) == [f"proxy/sample.py:1 {name}"]


@pytest.mark.parametrize("name", ["__new__", "renewed", "information", "processing_seconds", "decode", "v1_models"])
def test_an_honest_name_passes(name: str):
    assert banned_names(module(f"def {name}(): ...")) == []
