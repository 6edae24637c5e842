"""A small table language for JSON objects: which members must be there, and what each must be."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

Shape: TypeAlias = "dict[str, Kind]"


@dataclass(frozen=True, slots=True)
class Kind:
    """What one member must be; `members` describes an object, or each object of a list."""

    expected: str
    fits: Callable[[Any], bool]
    optional: bool = False
    members: "Shape | None" = None


class Fault(NamedTuple):
    member: str
    message: str


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


TEXT = Kind("a string", lambda value: isinstance(value, str))
NAME = Kind("a non-empty string", lambda value: isinstance(value, str) and value != "")
COUNT = Kind("an integer of at least 0", _is_count)
NUMBER = Kind("a number", _is_number)
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
LIST = Kind("an array", lambda value: isinstance(value, list))
OBJECT = Kind("an object", lambda value: isinstance(value, dict))
NULL = Kind("null", lambda value: value is None)
ANYTHING = Kind("anything", lambda _: True)


def one_of(*choices: str) -> Kind:
    return Kind("one of " + ", ".join(choices), lambda value: value in choices)


def record(members: Shape) -> Kind:
    return replace(OBJECT, members=members)


def list_of(members: Shape) -> Kind:
    return Kind("an array of objects", lambda value: LIST.fits(value) and all(map(OBJECT.fits, value)), members=members)


def list_of_names() -> Kind:
    return Kind("an array of strings", lambda value: isinstance(value, list) and all(map(NAME.fits, value)))


def nullable(kind: Kind) -> Kind:
    return replace(kind, expected=f"{kind.expected} or null", fits=lambda value: value is None or kind.fits(value))


def optional(kind: Kind) -> Kind:
    return replace(kind, optional=True)


def faults(value: object, shape: Shape, path: str = "") -> Iterator[Fault]:
    """Every member of `value` that is missing or of the wrong kind, members of members included."""
    if not isinstance(value, dict):
        yield Fault("", f"`{path.rstrip('.') or 'body'}` is {_shown(value)}, expected an object")
        return
    for name, kind in shape.items():
        if name not in value:
            if not kind.optional:
                yield Fault(name, f"`{path}{name}` is missing, expected {kind.expected}")
        elif not kind.fits(value[name]):
            yield Fault(name, f"`{path}{name}` is {_shown(value[name])}, expected {kind.expected}")
        elif kind.members is not None:
            for where, member in _objects(value[name], f"{path}{name}"):
                yield from (Fault(name, fault.message) for fault in faults(member, kind.members, where))


def _objects(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        yield from ((f"{path}[{index}].", member) for index, member in enumerate(value))
    elif value is not None:
        yield f"{path}.", value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
