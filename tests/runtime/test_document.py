"""YAML text to values with lines: references, secrets, anchors, and what is wrong in the text itself."""

import pytest

from proxy.runtime.document import Document, read_document
from tests.runtime.sample import no_files

ENVIRONMENT = {"NAME": "value", "EMPTY": ""}


def document(text: str) -> Document:
    return read_document(text, ENVIRONMENT, no_files)


def test_scalars_stay_as_written():
    read = document("a: 0123\nb: 1.10\nc: yes\nd: null\ne:\nf: 'null'\n4.1: x")
    assert read.values == {"a": "0123", "b": "1.10", "c": "yes", "d": None, "e": None, "f": "null", "4.1": "x"}


def test_every_place_has_its_line():
    read = document("a:\n  b:\n    - x\n    - {c: 1,\n       d: 2}\n")
    assert read.lines[("a", "b", 1, "d")] == 5
    assert read.lines[("a", "b", 1)] == 4
    assert read.line(("a", "b", 1, "missing")) == 4


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("${NAME}", "value"),
        ("x-${NAME}-${NAME}", "x-value-value"),
        ("${UNSET:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${EMPTY}", ""),
        ("${UNSET:-}", ""),
        ("$${NAME}", "${NAME}"),
        ("$$5", "$5"),
        ("costs $5", "costs $5"),
        ("'${NAME}'", "value"),
    ],
)
def test_references(written: str, meant: str):
    read = document(f"a: {written}")
    assert (read.values, read.problems) == ({"a": meant}, [])


def test_a_missing_variable_names_path_line_and_variable():
    [problem] = document("x: 1\na:\n  b: ${UNSET}").problems
    assert (problem.place, problem.line) == ("a.b", 3)
    assert "UNSET" in problem.message
    assert "UNSET" in problem.remedy


def test_an_unfinished_reference_is_a_mistake():
    [problem] = document("a: ${not a name}").problems
    assert (problem.place, problem.line) == ("a", 1)


def test_secrets_come_from_files_and_other_values_do_not():
    read = read_document("api_key: file:/run/k\nname: file:/run/k", {}, {"/run/k": " s3cret\n"}.__getitem__)
    assert read.values == {"api_key": "s3cret", "name": "file:/run/k"}


def test_the_path_of_a_secret_may_hold_references():
    read = read_document("secret: file:${DIR}/k", {"DIR": "/run"}, {"/run/k": "s3cret"}.__getitem__)
    assert read.values == {"secret": "s3cret"}


def test_an_unreadable_secret_is_a_mistake():
    [problem] = document("a:\n  api_key: file:/nowhere").problems
    assert (problem.place, problem.line) == ("a.api_key", 2)
    assert "/nowhere" in problem.message
    assert "No such file" in problem.message


def test_anchors_aliases_and_merges():
    read = document("a: &x {p: 1, q: 2}\nb: *x\nc:\n  <<: *x\n  q: 3\nd:\n  <<: [*x, {r: 4, p: 9}]")
    assert read.values == {
        "a": {"p": "1", "q": "2"},
        "b": {"p": "1", "q": "2"},
        "c": {"p": "1", "q": "3"},
        "d": {"p": "1", "q": "2", "r": "4"},
    }
    assert read.problems == []


def test_an_alias_without_end_is_a_mistake():
    [problem] = document("a: &x\n  b: *x").problems
    assert problem.place == "a.b"


def test_a_name_given_twice_names_both_lines():
    [problem] = document("a: 1\nb: 2\na: 3").problems
    assert (problem.place, problem.line) == ("a", 3)
    assert "line 1" in problem.message


@pytest.mark.parametrize(
    ("text", "line", "remedy"),
    [
        ("a: {b: ${NAME}}", 1, "quotes"),
        ("a:\n  b: [1\nc: 2", 3, "check"),
        ("a:\n\tb: 1", 2, "tabs"),
        ("- a\n- b", 1, "name: value"),
        ("", 1, "minimal"),
        ("# nothing", 1, "minimal"),
        ("a: !!python/object:os.system x\nb: !env X", 2, "remove"),
        ("a: \x01", 1, "check"),
        ("? [a]\n: b", 1, "name: value"),
        ("a: *nobody", 1, "check"),
        ("a:\n  <<: text", 2, "anchor"),
    ],
)
def test_text_nobody_can_read(text: str, line: int, remedy: str):
    problem = document(text).problems[-1]
    assert problem.line == line
    assert remedy in problem.remedy


def test_aliases_of_aliases_are_refused_before_they_fill_the_memory():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    read = document("\n".join(lines))
    assert [(problem.path, problem.message) for problem in read.problems] == [
        ((), "more than 100000 values, aliases counted")
    ]


def test_brackets_without_end_are_a_mistake():
    assert document("a: " + "[" * 5000 + "]" * 5000).problems[0].message == "the file is nested too deeply"
