"""docs/failure-matrix.md: what a client sees in each cell, written and read back. It is the same for every run."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from textwrap import fill
from typing import Any, NamedTuple

from tests.matrix.asking import Asked
from tests.matrix.cells import POLICIES, TIMEOUTS, Cell, Outcome, every_cell
from tests.matrix.faults import GROUPS, TEXT_CLOSED, Fault, Kind
from tests.matrix.judging import outcome_of, words_of
from tests.matrix.reading import Understood, understood

_ANY = "any"
_BEHIND = {True: "another", False: "nobody"}
_BREAK = "<br>"
_HEADS = ("the first candidate", "after it", "policy", "tried")

_TOP = """\
# The failure matrix

`./dev chaos` wrote this page: what a client sees of each failure of a provider, in each vocabulary, streamed and not,
under each policy for answers that break in the middle (`midstream:` of a route). All of it happened, through
`segue serve` with two workers and the embedded store, and was judged by the conformance checker and by a second reader
of its own; a sample is compared on every run of CI (`tests/system/test_failure_matrix.py`). The same command then asks
on, up to 10,000 requests, with the cells in random order, while workers and the store are killed, and requires that
nothing hangs, no broken answer ends as if it were whole, no answer ends twice, and nothing is left behind.

How to read it:

- **the first candidate** is a model of the scripted upstream that misbehaves as named (what that means stands above
  each table); **after it** comes another candidate, which answers well and takes a prefill, or nobody.
- **policy**: `any` = all three end alike, because there was nothing to decide. Requests for `restart` carry the header
  `segue-midstream: restart`, except in the domain vocabulary; without it such a route does as `continue` does.
- **tried**: who was asked, as the log and the `segue` member tell it: the reason, its finer detail and the provider's
  status for an attempt that failed, `x2` if it failed so twice. A cell in which that was otherwise has it below.
- **whole**: the right answer, ended as it should be. *gone on with*: another candidate continued the text. *begun
  anew*: what had been sent was declared void. *called short*: the provider says it is not all (a limit, a filter).
- **breaks off**: what came is the right answer's beginning, and the stream ends with its vocabulary's failure, which is
  named. No stream ends without a word.
- A status and a word: an HTTP error, and the code (or type) in its body; 429, 503 and 529 say when to come back.
- The columns after **domain** are answers that are not streamed. The domain vocabulary always streams, so there such
  cells cannot be; and of an answer that is not streamed nothing has been sent when it breaks, so no policy is asked.

Timeouts here: {timeouts}. One further try at the same target, which is the default.

Where a policy cannot do what it says:

{impossible}
"""


class Seen(NamedTuple):
    """What the client saw, and who was tried, in words."""

    ending: str
    tried: str


KINDS: tuple[tuple[str, bool], ...] = tuple(dict.fromkeys((cell.vocabulary, cell.is_streamed) for cell in every_cell()))


def seen(asked: Asked, line: Mapping[str, Any] | None) -> Seen:
    """`line`: the request's in the log; None if there is none."""
    return Seen(_ending(asked), _tried(asked.cell, line) if line is not None else "nobody knows")


def _ending(asked: Asked) -> str:
    if asked.ended != "whole":
        return asked.ended.upper()
    if asked.answer.status != 200:
        return f"`{asked.answer.status}` `{words_of(asked)[0]}`"
    told = understood(asked.answer, asked.cell.vocabulary)
    match outcome_of(told):
        case Outcome.BROKEN:
            return f"breaks off: `{told.endings[0]}` `{told.code}`"
        case Outcome.SHORT:
            return "called short"
    return f"whole{_how(asked.cell, told)}"


def _how(cell: Cell, told: Understood) -> str:
    if told.discards:
        return ", begun anew"
    if told.late_hops:
        return ", gone on with"
    return "" if told.text or told.calls else ", without a word"


def _tried(cell: Cell, line: Mapping[str, Any]) -> str:
    """`server_error 503 x2, the next answers`."""
    told: list[str] = []
    for attempt in line["attempts"]:
        target, outcome, *why = attempt.split(" ")
        is_first = target.endswith(f"/{cell.model}")
        words = "answers" if outcome == "served" else " ".join([*(["skipped"] if outcome == "skipped" else []), *why])
        told.append(words if is_first else f"the next {words}")
    if told and line["outcome"] == "broken":
        told[-1] += f", then {line['error']}"
    runs = [(words, len(list(run))) for words, run in groupby(told)]
    return ", ".join(f"{words} x{count}" if count > 1 else words for words, count in runs) or "nobody"


def page(found: Mapping[str, Seen]) -> str:
    """`found`: by the cell's name; all cells must be there."""
    timeouts = ", ".join(f"{name.removesuffix('_seconds')} {seconds} s" for name, seconds in TIMEOUTS.items())
    parts = [_TOP.format(timeouts=timeouts, impossible=_impossible())]
    for title, faults in GROUPS.items():
        listed = [f"- `{fault.name}`: {fault.shows}" for fault in faults]
        parts += [f"## {title}\n", "\n".join(listed) + "\n", _table(faults, found)]
    return "\n".join(parts)


def _impossible() -> str:
    closed = ", ".join(f"`{fault.name}`" for fault in _faults() if fault.says_all)
    lines = [
        f"- `continue` ends as `fail` after {closed} where {TEXT_CLOSED}: only an open text can be gone on "
        "with. That of a Chat Completions provider is open until the answer ends."
    ]
    for why, policy in (("stuck", "continue"), ("held", "restart")):
        told = [f"`{fault.name}` ({getattr(fault, why)})" for fault in _faults() if getattr(fault, why)]
        where = " outside the domain vocabulary" if policy == "restart" else ""
        lines.append(f"- `{policy}`{where} ends as `fail` after {', '.join(told)}.")
    asked = [f"`{fault.name}`" for fault in _faults() if fault.kind is Kind.AMID]
    lines.append(f"- A policy is asked only after {', '.join(asked)}; else nothing had been sent, or nothing broke.")
    lines.append("- No policy helps where nobody comes after the first candidate.")
    return "\n".join(fill(line, 120, subsequent_indent="  ", break_on_hyphens=False) for line in lines)


def _faults() -> list[Fault]:
    return [cell.fault for cell in every_cell() if cell.name.endswith("followed/fail/responses/stream")]


def _table(faults: Iterable[Fault], found: Mapping[str, Seen]) -> str:
    names = {fault.name for fault in faults}
    by_row: dict[tuple[str, bool], dict[str, list[Seen]]] = {}
    for cell in every_cell(fault for fault in _faults() if fault.name in names):
        row = by_row.setdefault((cell.fault.name, cell.is_followed), {})
        row.setdefault(cell.policy, []).append(found[cell.name])
    heads = [*_HEADS, *(name if is_streamed else f"{name}, not streamed" for name, is_streamed in KINDS)]
    lines = [_line(heads), _line(["---"] * len(heads))]
    for (name, is_followed), by_policy in by_row.items():
        for policies, row in _merged(by_policy):
            lines.append(_row(name, is_followed, policies, row))
    return "\n".join(lines) + "\n"


def _merged(by_policy: Mapping[str, list[Seen]]) -> list[tuple[list[str], list[Seen]]]:
    """Policies with the same row, together."""
    merged: list[tuple[list[str], list[Seen]]] = []
    for policy, row in by_policy.items():
        same = next((policies for policies, other in merged if other == row), None)
        if same is None:
            merged.append(([policy], row))
        else:
            same.append(policy)
    return merged


def _row(name: str, is_followed: bool, policies: Sequence[str], row: Sequence[Seen]) -> str:
    usual = Counter(each.tried for each in row).most_common(1)[0][0]
    cells = [each.ending if each.tried == usual else f"{each.ending}{_BREAK}{each.tried}" for each in row]
    shown = _ANY if len(policies) == len(POLICIES) else ", ".join(f"`{policy}`" for policy in policies)
    return _line([f"`{name}`", _BEHIND[is_followed], shown, usual, *cells])


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def read(text: str) -> dict[str, Seen]:
    """The page's cells, by the cell's name."""
    found = {}
    faults = {fault.name: fault for fault in _faults()}
    for line in text.splitlines():
        cells = line.strip("| ").split(" | ")
        if not line.startswith("| `") or len(cells) != len(_HEADS) + len(KINDS):
            continue
        name, behind, shown, usual, *row = cells
        policies = POLICIES if shown == _ANY else re.findall(r"`(\w+)`", shown)
        for (vocabulary, is_streamed), told in zip(KINDS, row, strict=True):
            ending, _, tried = told.partition(_BREAK)
            for policy in policies:
                is_followed = behind == _BEHIND[True]
                cell = Cell(faults[name.strip("`")], is_followed, policy, vocabulary, is_streamed)
                found[cell.name] = Seen(ending, tried or usual)
    return found


def differences(found: Mapping[str, Seen], written: Mapping[str, Seen]) -> list[str]:
    """Where what was seen is not what is written."""
    return [
        f"{name}: {shown.ending} ({shown.tried}), but written is {_told(written.get(name))}"
        for name, shown in found.items()
        if written.get(name) != shown
    ]


def _told(shown: Any) -> str:
    return f"{shown.ending} ({shown.tried})" if shown else "nothing"
