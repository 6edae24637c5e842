"""Values against the models of `spec`: a specification even when there are mistakes (without the mistaken values), so
that whatever else is wrong can be found in the same go."""

import copy
import typing
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from proxy.runtime.document import Document
from proxy.runtime.problems import Path, Problem, listed, place, suggestion
from proxy.runtime.spec import Spec

_ROUNDS = 6


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
        if parent[step] is None:
            parent[step] = {}  # a section left empty
        parent = parent[step]
    if error["type"] == "missing":
        parent[last] = ""
    elif isinstance(last, int) and parent[last] != {}:
        parent[last] = {}  # its neighbours keep their places
    elif isinstance(last, int) or last in parent:
        del parent[last]


def _problem(error: ErrorDetails, document: Document) -> Problem:
    path = _loc(error)
    message, remedy = _wording(error, path)
    return Problem(path, document.line(path), message, remedy)


def _loc(error: ErrorDetails) -> Path:
    """The place of a mistake; pydantic marks a mapping's own name by one more step."""
    loc: Path = tuple(error["loc"])
    return loc[:-1] if loc[-1:] == ("[key]",) else loc


def _wording(error: ErrorDetails, path: Path) -> tuple[str, str]:
    """Message and remedy. What was written is repeated only where no secret can stand."""
    name = place(path[-2:] if path and isinstance(path[-1], int) else path[-1:]) or "the file"
    context = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            known = fields_at(path[:-1])
            return f"unknown field '{path[-1]}'", suggestion(str(path[-1]), known, f"use one of: {listed(known)}")
        case "missing":
            return f"'{name}' is missing", "add it"
        case "literal_error":
            return f"'{name}' must be {context.get('expected')}", f"it says '{error['input']}'"
        case "string_pattern_mismatch":
            return f"'{name}' has characters that have no place in a name", "use printable ones"
        case "value_error":
            return f"{context.get('error')}", "correct it"
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
    """The fields of the section at `path` of a configuration file; empty where it is no section."""
    annotation: Any = Spec
    for step in path:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = annotation.model_fields[str(step)].annotation
        else:
            annotation = typing.get_args(annotation)[-1]
    return list(annotation.model_fields) if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []
