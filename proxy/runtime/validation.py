"""Values against the models of `spec`: a specification even when there are mistakes (without the mistaken values), so
that whatever else is wrong can be found in the same go."""

import copy
import types
import typing
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from proxy.runtime.document import Document
from proxy.runtime.problems import Path, Problem, listed, place, suggestion
from proxy.runtime.spec import Spec
from proxy.runtime.spec_routes import STEP_KINDS

_ROUNDS = 6
_NAME = "[key]"


class Validated(NamedTuple):
    """`spec` None: too much is wrong to go on."""

    spec: Spec | None
    problems: list[Problem]


def validate(document: Document) -> Validated:
    """The document's own problems included. A place that is already known to be unusable is blamed once."""
    values: Any = document.values
    problems = list(document.problems)
    unusable = {problem.path for problem in problems}
    for round_number in range(_ROUNDS):
        try:
            return Validated(Spec.model_validate(values), problems)
        except ValidationError as failure:
            errors = failure.errors(include_url=False)
        if round_number == 0:
            found = [_problem(error, document) for error in errors]
            problems += [problem for problem in found if problem.path not in unusable]
            values = copy.deepcopy(values)
        for error in reversed(errors):
            _mend(values, error)
    return Validated(None, problems)


def _mend(values: Any, error: ErrorDetails) -> None:
    """Take the mistaken value out, or put an empty one where the place must stay. Nobody serves what comes of it."""
    *above, last = _loc(error)
    parent: Any = values
    for step in above:
        if isinstance(parent, dict) and step not in parent:
            return  # taken out already
        if parent[step] is None:
            parent[step] = {}  # a section left empty
        elif not isinstance(parent[step], dict | list):  # the short form of a section
            _drop(parent, step)
            return
        parent = parent[step]
    if error["type"] == "missing":
        parent[last] = ""
    elif error["type"] == "list_type":
        parent[last] = []
    else:
        _drop(parent, last)


def _drop(parent: Any, step: str | int) -> None:
    if isinstance(step, int) and parent[step] != {}:
        parent[step] = {}  # its neighbours keep their places
    elif isinstance(step, int) or step in parent:
        del parent[step]


def _problem(error: ErrorDetails, document: Document) -> Problem:
    path = _loc(error)
    message, remedy = _wording(error, path)
    return Problem(path, document.line(path), message, remedy)


def _loc(error: ErrorDetails) -> Path:
    """The place of a mistake; pydantic marks a mapping's own name by one more step, and so it does what kind of step of
    a route it took a value for."""
    loc: Path = tuple(error["loc"])
    if loc[-1:] == (_NAME,):
        loc = loc[:-1]
    return tuple(step for at, step in enumerate(loc) if not _is_kind(loc, at))


def _is_kind(loc: Path, at: int) -> bool:
    return at > 0 and isinstance(loc[at - 1], int) and loc[at] in STEP_KINDS


def _wording(error: ErrorDetails, path: Path) -> tuple[str, str]:
    """Message and remedy. What was written is repeated only where no secret can stand."""
    name = place(path[-2:] if path and isinstance(path[-1], int) else path[-1:]) or "the file"
    context = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            known = fields_at(tuple(error["loc"])[:-1])
            return f"unknown field '{path[-1]}'", suggestion(str(path[-1]), known, f"use one of: {listed(known)}")
        case "missing":
            return f"'{name}' is missing", "add it"
        case "literal_error":
            return f"'{name}' must be {context.get('expected')}", f"it says '{error['input']}'"
        case "string_pattern_mismatch":
            return f"'{name}' has characters that have no place in a name", "use printable ones"
        case "value_error":
            message, remedy = (*context["error"].args, "correct it")[:2]
            return str(message), str(remedy)
        case kind if kind in _LIMITS:
            wording, limit = _LIMITS[kind]
            return f"'{name}' must be {wording} {context.get(limit)}", f"it says '{error['input']}'"
        case kind if kind in _KINDS:
            wanted, remedy = _KINDS[kind]
            return f"'{name}' must be {wanted}", remedy
        case _:
            return f"'{name}': {error['msg']}", _SEE


_LIMITS = {
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
    "greater_than": ("more than", "gt"),
}
_SEE = "see docs/configuration.md"
_MAPPING = ("a mapping", f"write its fields below it, {_SEE}")
_LIST = ("a list", "write one '- …' line per entry")
_TEXT = ("text", "write one value, not a list or mapping")
_WHOLE = ("a whole number", "write digits only")
_NUMBER = ("a number", "write digits, with a point if need be")
_TRUTH = ("true or false", "write one of the two")
_DATE = ("a date or time", "write it like 2027-01-31 or 2027-01-31T12:00:00Z")
# What pydantic calls a wrong kind of value -> what is wanted, and the remedy.
_KINDS = {
    "model_type": _MAPPING,
    "dict_type": _MAPPING,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "frozen_set_type": _LIST,
    "string_type": _TEXT,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "datetime_type": _DATE,
    "datetime_parsing": _DATE,
    "datetime_from_date_parsing": _DATE,
}


def fields_at(path: Path) -> list[str]:
    """The fields of the section at `path` of a configuration file; empty where it is no section. `path` may have the
    kinds of steps in it that pydantic puts there; without one a step is a candidate."""
    annotation: Any = Spec
    for at, step in enumerate(path):
        if _is_kind(path, at):
            annotation = STEP_KINDS[step]
        elif _is_section(annotation):
            annotation = _plain(annotation.model_fields[str(step)].annotation)
        else:
            annotation = _plain(typing.get_args(annotation)[-1])
    return list(annotation.model_fields) if _is_section(annotation) else []


def _plain(annotation: Any) -> Any:
    """A type without its annotations, and of several the first: the others are None, or another short form."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _plain(annotation.__origin__)
    return _plain(typing.get_args(annotation)[0]) if origin in (typing.Union, types.UnionType) else annotation


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
