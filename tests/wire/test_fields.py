"""Reading a client's JSON: what is accepted, and that every complaint names the field by its whole path."""

from typing import Any

import pytest

from proxy.errors import InvalidJson, InvalidRequest, InvalidType, MissingParameter
from proxy.wire.fields import Fields, is_too_deep, json_type, parse_object, shown

BODY: dict[str, Any] = {
    "name": "n",
    "count": 3,
    "share": 0.5,
    "on": True,
    "nothing": None,
    "list": [{"text": 1}, {"text": "ok"}],
    "inner": {"deep": {"leaf": []}},
}
FIELDS = Fields(BODY)


def test_values_are_given_as_they_are():
    assert FIELDS.text("name") == "n"
    assert FIELDS.integer("count", minimum=3, maximum=3) == 3
    assert FIELDS.number("share") == 0.5
    assert FIELDS.number("count") == 3
    assert FIELDS.boolean("on") is True
    assert FIELDS.items("list") is BODY["list"]
    assert FIELDS.mapping("inner") is BODY["inner"]
    assert FIELDS.choice("name", ("m", "n")) == "n"
    assert FIELDS.has("name")
    assert FIELDS.raw("count") == 3


@pytest.mark.parametrize("name", ["nothing", "absent"])
def test_null_counts_as_absent(name: str):
    assert not FIELDS.has(name)
    assert FIELDS.text(name) is FIELDS.integer(name) is FIELDS.number(name) is FIELDS.object(name) is None
    assert FIELDS.text(name, "default") == "default"
    assert FIELDS.boolean(name, False) is False
    assert FIELDS.items(name) == FIELDS.objects(name) == []
    for read in (FIELDS.text, FIELDS.integer, FIELDS.items, FIELDS.mapping, FIELDS.object, FIELDS.objects):
        with pytest.raises(MissingParameter) as missing:
            read(name, required=True)
        assert missing.value.param == name
    with pytest.raises(MissingParameter):
        FIELDS.choice(name, ("a",), required=True)


@pytest.mark.parametrize(
    ("read", "name", "expected", "got"),
    [
        ("text", "count", "a string", "an integer"),
        ("text", "on", "a string", "a boolean"),
        ("integer", "on", "an integer", "a boolean"),
        ("integer", "share", "an integer", "a number"),
        ("number", "name", "a number", "a string"),
        ("number", "on", "a number", "a boolean"),
        ("boolean", "count", "a boolean", "an integer"),
        ("items", "inner", "an array", "an object"),
        ("mapping", "list", "an object", "an array"),
    ],
)
def test_a_wrong_type_is_named(read: str, name: str, expected: str, got: str):
    with pytest.raises(InvalidType) as wrong:
        getattr(Fields({"in": BODY}).object("in"), read)(name)
    assert wrong.value.param == f"in.{name}"
    assert wrong.value.message == f"Invalid type for 'in.{name}': expected {expected}, got {got}."


def test_paths_go_all_the_way_down():
    first, second = FIELDS.objects("list")
    assert second.text("text") == "ok"
    with pytest.raises(InvalidType, match=r"list\[0\]\.text"):
        first.text("text")
    with pytest.raises(MissingParameter, match=r"'inner\.deep\.gone'"):
        FIELDS.object("inner").object("deep").text("gone", required=True)
    with pytest.raises(InvalidType) as wrong:
        Fields({"a": {"b": [{}, 3]}}).object("a").objects("b")
    assert wrong.value.param == "a.b[1]"


@pytest.mark.parametrize(("bound", "words"), [({"minimum": 4}, "below the minimum of 4"), ({"maximum": 2}, "above")])
def test_bounds_are_named(bound: dict[str, int], words: str):
    for read in (FIELDS.integer, FIELDS.number):
        with pytest.raises(InvalidRequest, match=words) as wrong:
            read("count", **bound)
        assert wrong.value.param == "count"


def test_a_choice_lists_what_is_allowed():
    with pytest.raises(InvalidRequest, match="expected one of auto, none") as wrong:
        FIELDS.choice("name", ("auto", "none"))
    assert wrong.value.param == "name"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b'{"a":1}x', "not valid JSON"),
        (b'{"a":"\xff"}', "not valid JSON"),
        (b'{"a":NaN}', "not valid JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "not an array"),
        (b"null", "not null"),
        (b"3", "not an integer"),
    ],
)
def test_a_body_that_is_no_object_is_refused(body: bytes, words: str):
    with pytest.raises(InvalidJson, match=words):
        parse_object(body)


def test_a_body_is_parsed_once_and_whole():
    assert parse_object(b' {"a": [1, "\xc3\xbc", null]} ') == {"a": [1, "ü", None]}
    assert json_type(1.5) == "a number"


def test_what_is_deep_is_told_from_what_is_wide():
    wide = [{"a": [1, {"b": "{[" * 1000}]}] * 1000
    assert not is_too_deep(wide)
    assert not is_too_deep("text")
    nested: Any = 1
    for _ in range(250):
        nested = {"shallow": 0, "deep": nested}
    assert not is_too_deep(nested)
    assert is_too_deep([nested])


def test_what_is_quoted_can_be_shown():
    assert shown("grüße an alle") == "grüße an alle"
    assert shown("a\r\nb\udcff\x00c") == "a\ufffd\ufffdb\ufffd\ufffdc"
    assert shown("x" * 100) == "x" * 40 + "…"
    assert shown("x" * 100, 200) == "x" * 100
