"""What a run says: how often each promise was broken, what was done and what became of whom, who asked what."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tests.chaos import kernel
from tests.chaos.findings import INVARIANTS
from tests.chaos.instance import ACCEPTING, GRACE
from tests.chaos.run import STALENESS, Outcome
from tests.chaos.scene import Scene
from tests.chaos.schedule import HANDS

_OUTCOMES = {
    "complete": ("complete",),
    "ended by their vocabulary's failure": ("failed in words",),
    "401": ("refused 401",),
    "503, 529": ("refused 503", "refused 529"),
    "cut with their killed process": ("cut with its process",),
    "closed unanswered by an instance on its way out": ("turned away",),
    "left by the client": ("left",),
    "found nobody listening": ("not connected",),
}

_INTRODUCTION = """\
# Ill-treated for {minutes}

`./dev chaos-processes` wrote this page. For {minutes}, {clients} clients asked without pause, in all vocabularies,
streamed and not, with keys of the file and keys of the store, on kept connections and on fresh ones; one answer in six
takes {longest:.0f} seconds. Meanwhile processes were killed, frozen and restarted, files written that were right and
wrong, keys made and revoked, and the lines to the store stalled, cut and slowed down, up to {hands} things at once, in
random order (seed {seed}; `--seed` repeats the order, `--seconds` sets the time).

Every answer was judged by the conformance checker (`proxy/conformance/`), and its text compared. One that breaks off is
excused only if its connection had been accepted by a process that was killed: processes are stopped for a moment before
they are killed, and the kernel is asked whose connections they hold. A failure, or a 503, is excused only where the
grace of an instance on its way out was over, the key had been revoked with `terminate=true`, or the key is the store's
and the store was away. Drains accept for {accepting:g} s and have a grace of {grace:g} s, so that long streams outlast
it. Store-held keys are honoured for {staleness:g} s without contact. A request waits 0.3 s for the store, because all
of this shares the machine's cores.

The tables count with each thing that was done the requests that ran at that moment, and what became of them in the
end; a request to which several things happened is counted with each.
"""


def page(outcome: Outcome) -> str:
    plan = outcome.plan
    minutes = f"{plan.seconds / 60:g} minutes" if plan.seconds >= 120 else f"{plan.seconds:g} seconds"
    parts = [
        _introduction(outcome, minutes),
        "## What must not happen\n",
        _invariants(outcome),
    ]
    for title, scene in outcome.scenes.items():
        parts += [f"## {title}\n", _happenings(scene), "Requests:\n", _requests(scene)]
    facts = "\n".join(f"- {name}: {value}" for name, value in kernel.machine().items())
    return "\n".join([*parts, f"Run on:\n\n{facts}\n"])


def _introduction(outcome: Outcome, minutes: str) -> str:
    words, pause = next(iter(outcome.scenes.values())).lengths["long"]
    return _INTRODUCTION.format(
        minutes=minutes,
        clients=outcome.plan.clients,
        seed=outcome.plan.seed,
        longest=words * pause / 1000,
        hands=HANDS,
        accepting=ACCEPTING,
        grace=GRACE,
        staleness=STALENESS,
    )


def record(outcome: Outcome) -> dict[str, Any]:
    """For machines, and for whoever must find out what was wrong."""
    return {
        "seed": outcome.plan.seed,
        "seconds": outcome.plan.seconds,
        "faults": [fault._asdict() for fault in outcome.findings.faults],
        "diary": outcome.findings.diary,
    }


def _invariants(outcome: Outcome) -> str:
    counted = outcome.findings.counted()
    lines = [(name, str(counted[name])) for name in INVARIANTS]
    asked = sum(sum(each.values()) for scene in outcome.scenes.values() for each in scene.outcomes.values())
    latest = max(scene.judge.latest_served for scene in outcome.scenes.values())
    facts = (
        f"{asked:,} requests; {outcome.counters.compared:,} comparisons of counters. The latest request that a\n"
        f"revocation did not stop was sent {latest * 1000:.0f} ms after it was acknowledged, or after the store was\n"
        "in reach again.\n"
    )
    return _table(("", "times"), lines) + "\n" + facts


def _happenings(scene: Scene) -> str:
    rows = []
    for name, action in sorted(scene.actions.items()):
        counted = _by_column(action.outcomes)
        answers = ", ".join(f"{status}: {count}" for status, count in sorted(action.answers.items()))
        rows.append((name, str(action.times), str(action.under_way), *counted, answers or "-"))
    return _table(("what was done", "times", "requests under way", *_columns(), "answers of /admin"), rows)


def _requests(scene: Scene) -> str:
    rows = []
    for (vocabulary, is_streamed), outcomes in sorted(scene.outcomes.items()):
        kind = f"{vocabulary}, {'streamed' if is_streamed else 'not streamed'}"
        rows.append((kind, str(sum(outcomes.values())), *_by_column(outcomes)))
    return _table(("requests", "times", *_columns()), rows)


def _columns() -> list[str]:
    return [*_OUTCOMES, "anything else"]


def _by_column(outcomes: Counter[str]) -> list[str]:
    counted = [sum(outcomes[name] for name in names) for names in _OUTCOMES.values()]
    return [*map(str, counted), str(outcomes.total() - sum(counted))]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---", *["--:"] * (len(heads) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heads, rule, *rows)) + "\n"
