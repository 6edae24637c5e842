"""A YAML text as plain values, each of whose places has a line. Scalars stay strings (their field decides what they
mean, so a model called 4.1 is no number), except for an empty one or `null`, which is None."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from proxy.runtime.problems import Path, Problem

Value = str | None | list["Value"] | dict[str, "Value"]
ReadFile = Callable[[str], str]

# Fields whose value may be `file:/path`.
SECRET_FIELDS = frozenset({"api_key", "secret", "store", "url"})

_REFERENCE = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|(?P<bad>\{))"
)
_MOST_VALUES = 100_000  # aliases of aliases make more of a few lines than any memory holds
_NULL = "tag:yaml.org,2002:null"
_MERGE = "tag:yaml.org,2002:merge"
_STANDARD_TAGS = "tag:yaml.org,2002:"


@dataclass(slots=True)
class Document:
    """`lines` has the line of every place in `values`, counted from 1; a place in `problems` has an unusable value."""

    values: dict[str, Value] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of a place, or of the nearest place around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_document(text: str, environment: Mapping[str, str], read_file: ReadFile) -> Document:
    """Never raises for what is in `text`. `read_file`: path -> content, raises OSError or UnicodeDecodeError."""
    document = Document()
    try:
        _read(document, yaml.compose(text, Loader=yaml.SafeLoader), environment, read_file)
    except yaml.YAMLError as error:
        document.problems.append(_syntax_problem(error, text))
    except RecursionError:
        document.problems.append(Problem((), 1, "the file is nested too deeply", "write it flatter"))
    except _TooManyValues as error:
        document.problems.append(
            Problem(
                (), error.line, f"more than {_MOST_VALUES} values, aliases counted", "write less, or use fewer aliases"
            )
        )
    return document


def _read(document: Document, root: Node | None, environment: Mapping[str, str], read_file: ReadFile) -> None:
    if root is None:
        document.problems.append(Problem((), 1, "the file is empty", "start from config/minimal.yaml"))
    elif isinstance(root, MappingNode):
        document.lines[()] = _line(root)
        document.values = _Reader(document, environment, read_file).mapping(root, ())
    else:
        document.problems.append(
            Problem(
                (),
                _line(root),
                "the file holds no mapping",
                "write fields as 'name: value', starting with 'providers:'",
            )
        )


class _TooManyValues(Exception):
    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line


class _Reader:
    """Walks the nodes of one document, noting lines and problems as it goes."""

    def __init__(self, document: Document, environment: Mapping[str, str], read_file: ReadFile) -> None:
        self._document = document
        self._environment = environment
        self._read_file = read_file
        self._count = 0
        self._open: set[int] = set()  # the nodes above the one being read: an alias to one of them has no end

    def value(self, node: Node, path: Path) -> Value:
        self._count += 1
        if self._count > _MOST_VALUES:
            raise _TooManyValues(_line(node))
        self._document.lines.setdefault(path, _line(node))
        if not node.tag.startswith(_STANDARD_TAGS):
            self._blame(path, _line(node), f"the tag '{node.tag}' means nothing here", "remove it")
            return None
        if isinstance(node, ScalarNode):
            return None if node.tag == _NULL else self._scalar(node.value, path)
        if id(node) in self._open:
            self._blame(path, _line(node), "an alias that contains itself", "write the value out")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, MappingNode):
                return self.mapping(node, path)
            assert isinstance(node, SequenceNode)
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        finally:
            self._open.discard(id(node))

    def mapping(self, node: MappingNode, path: Path) -> dict[str, Value]:
        merged: dict[str, Value] = {}
        own: dict[str, Value] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                merged = {**self._merged(value, path), **merged}
                continue
            if not isinstance(key, ScalarNode):
                self._blame(path, _line(key), "a name that is not plain text", "write 'name: value'")
                continue
            place = (*path, key.value)
            if key.value in own:
                first = self._document.lines[place]
                self._blame(
                    place, _line(key), f"'{key.value}' is given twice (first on line {first})", "keep one of them"
                )
                continue
            self._document.lines[place] = _line(key)
            own[key.value] = self.value(value, place)
        return {**merged, **own}

    def _merged(self, node: Node, path: Path) -> dict[str, Value]:
        """What `<<` brings in: one mapping, or several of which the first wins."""
        merged: dict[str, Value] = {}
        for source in node.value if isinstance(node, SequenceNode) else [node]:
            found = self.value(source, path)
            if isinstance(found, dict):
                merged = {**found, **merged}
            else:
                self._blame(path, _line(source), "'<<' takes mappings", "name an anchor that holds one: <<: *anchor")
        return merged

    def _scalar(self, text: str, path: Path) -> Value:
        resolved = _REFERENCE.sub(lambda match: self._referenced(match, path), text)
        if path and path[-1] in SECRET_FIELDS and resolved.startswith("file:"):
            return self._secret(resolved.removeprefix("file:"), path)
        return resolved

    def _referenced(self, match: re.Match[str], path: Path) -> str:
        line = self._document.line(path)
        if match["dollar"]:
            return "$"
        name = match["name"]
        if match["bad"]:
            self._blame(
                path, line, "a '${' that is no reference", "write ${NAME}, ${NAME:-default}, or $${ for the text itself"
            )
            return match[0]
        found = self._environment.get(name)
        if match["default"] is not None:
            return found or match["default"]  # as in a shell, `:-` also replaces an empty value
        if found is None:
            is_secret = bool(path) and path[-1] in SECRET_FIELDS
            remedy = f"set {name}" if is_secret else f"set {name}, or write ${{{name}:-default}}"
            self._blame(path, line, f"the environment variable {name} is not set", remedy)
            return match[0]
        return found

    def _secret(self, file: str, path: Path) -> Value:
        try:
            return self._read_file(file).strip()
        except OSError as error:
            reason = error.strerror or "it cannot be read"
        except UnicodeDecodeError:
            reason = "it is not text"
        self._blame(
            path, self._document.line(path), f"the file {file} gives no secret: {reason}", "check path and permissions"
        )
        return f"file:{file}"

    def _blame(self, path: Path, line: int, message: str, remedy: str) -> None:
        self._document.problems.append(Problem(path, line, message, remedy))


def _line(node: Node) -> int:
    line: int = node.start_mark.line
    return line + 1


def _syntax_problem(error: yaml.YAMLError, text: str) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    lines = text.splitlines()
    number = min(mark.line + 1 if mark else 1, max(len(lines), 1))
    around = lines[number - 1] if lines else ""
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    if re.search(r"[{\[,][^\"']*\$\{", around):
        remedy = 'between { } or [ ], put a reference in quotes: "${NAME}"'
    elif "\t" in around[: len(around) - len(around.lstrip())]:
        remedy = "indent with spaces, not tabs"
    else:
        remedy = "check indentation, colons and quotes on this line and the one above"
    return Problem((), number, f"not valid YAML: {what}", remedy)
