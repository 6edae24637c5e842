"""Reading a client's JSON: one parse, and every complaint names the field, as `messages[2].content[0].text`, and shows
of its value what can be shown."""

from typing import Any

import msgspec

from proxy.errors import InvalidJson, InvalidRequest, InvalidType, MissingParameter

_JSON = msgspec.json.Decoder()
_DEEPEST = 250  # what is read is written again from a deeper stack, wrapped into more: far below what a stack bears
_TOO_DEEP = f"The request body is nested too deeply: more than {_DEEPEST} levels."
_NAMES = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", int: "an integer", float: "a number"}


def parse_object(body: bytes) -> dict[str, Any]:
    """The request's JSON object. Raises InvalidJson, saying at which byte."""
    try:
        parsed = _JSON.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidJson(f"The request body is not valid JSON: {error}.") from None
    except RecursionError:
        raise InvalidJson(_TOO_DEEP) from None
    if len(body) > 2 * _DEEPEST and is_too_deep(parsed):  # shorter ones have no room for that many brackets
        raise InvalidJson(_TOO_DEEP)
    if not isinstance(parsed, dict):
        raise InvalidJson(f"The request body must be a JSON object, not {json_type(parsed)}.")
    return parsed


def is_too_deep(value: Any) -> bool:
    """Whether JSON is nested beyond what is surely written again without running out of stack."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(_DEEPEST):
        if not level:
            return False
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
    return bool(level)


def shown(text: str, longest: int = 40) -> str:
    """`text` as a message may quote it: cut, and without what cannot be encoded or would break a line."""
    cut = text if len(text) <= longest else text[:longest] + "…"
    return cut if cut.isprintable() else "".join(each if each.isprintable() else "\ufffd" for each in cut)


def json_type(value: Any) -> str:
    """How JSON calls the type of `value`, with its article."""
    return "null" if value is None else _NAMES.get(type(value), "a value")


class Fields:
    """A view of one JSON object that knows where it stands. `null` counts as absent, as the official APIs have it."""

    __slots__ = ("path", "source")

    def __init__(self, source: dict[str, Any], path: str = "") -> None:
        self.source = source
        self.path = path

    def at(self, name: str) -> str:
        """The full path of member `name`."""
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        return self.source.get(name) is not None

    def raw(self, name: str) -> Any:
        return self.source.get(name)

    def text(self, name: str, default: Any = None, *, required: bool = False) -> Any:
        """A string; `default` if absent. Raises MissingParameter, InvalidType."""
        return self._typed(name, str, default, required)

    def boolean(self, name: str, default: Any = None) -> Any:
        return self._typed(name, bool, default, False)

    def integer(
        self, name: str, *, minimum: int | None = None, maximum: int | None = None, required: bool = False
    ) -> Any:
        """An integer within bounds; None if absent. Raises InvalidType, InvalidRequest."""
        value = self._typed(name, int, None, required)
        return self._within(name, value, minimum, maximum)

    def number(self, name: str, *, minimum: float | None = None, maximum: float | None = None) -> Any:
        """An integer or a float within bounds, as it was written; None if absent."""
        value = self.source.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.wrong_type(name, "a number")
        return self._within(name, value, minimum, maximum)

    def choice(self, name: str, allowed: tuple[str, ...], *, required: bool = False) -> Any:
        """One of `allowed`; None if absent."""
        value = self._typed(name, str, None, required)
        if value is not None and value not in allowed:
            raise InvalidRequest(
                f"Invalid value '{shown(value)}' for '{self.at(name)}': expected one of {', '.join(allowed)}.",
                param=self.at(name),
            )
        return value

    def items(self, name: str, *, required: bool = False) -> list[Any]:
        """An array; empty if absent."""
        found: list[Any] = self._typed(name, list, None, required) or []
        return found

    def mapping(self, name: str, *, required: bool = False) -> Any:
        """A JSON object as it is; None if absent."""
        return self._typed(name, dict, None, required)

    def object(self, name: str, *, required: bool = False) -> "Fields | None":
        """A view of a member that is an object; None if absent."""
        value = self._typed(name, dict, None, required)
        return None if value is None else Fields(value, self.at(name))

    def objects(self, name: str, *, required: bool = False) -> "list[Fields]":
        """Views of an array of objects; empty if absent."""
        views = []
        own = self.at(name)
        for index, value in enumerate(self.items(name, required=required)):
            place = f"{own}[{index}]"
            if not isinstance(value, dict):
                raise InvalidType(
                    f"Invalid type for '{place}': expected an object, got {json_type(value)}.", param=place
                )
            views.append(Fields(value, place))
        return views

    def wrong_type(self, name: str, expected: str) -> InvalidType:
        place = self.at(name)
        return InvalidType(
            f"Invalid type for '{place}': expected {expected}, got {json_type(self.source.get(name))}.", param=place
        )

    def wrong_value(self, name: str, remedy: str) -> InvalidRequest:
        """An InvalidRequest to raise; `remedy` says what is expected."""
        return InvalidRequest(f"Invalid value for '{self.at(name)}': {remedy}", param=self.at(name))

    def missing(self, name: str) -> MissingParameter:
        return MissingParameter(f"Missing required parameter: '{self.at(name)}'.", param=self.at(name))

    def _typed(self, name: str, kind: type, default: Any, required: bool) -> Any:
        value = self.source.get(name)
        if value is None:
            if required:
                raise self.missing(name)
            return default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.wrong_type(name, _NAMES[kind])
        return value

    def _within(self, name: str, value: Any, minimum: float | None, maximum: float | None) -> Any:
        if value is None:
            return None
        if minimum is not None and value < minimum:
            raise self.wrong_value(name, f"{value} is below the minimum of {minimum}.")
        if maximum is not None and value > maximum:
            raise self.wrong_value(name, f"{value} is above the maximum of {maximum}.")
        return value
