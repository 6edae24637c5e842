"""docs/soak.md."""

from collections.abc import Iterable

from tests.chaos import kernel
from tests.soak.load import FAULTY, LEAVING, WORDS
from tests.soak.memory import NOISE, TOLERANCE, WARM_AFTER, WARM_UP
from tests.soak.run import Outcome

_TOP = """\
# Very many streams

`./dev soak` wrote this page: {streams:,} streams through `segue serve` with two workers and the embedded store, in all
four vocabularies, from providers that speak all three. {faulty:.0%} of them meet a provider that fails (refusals,
resets, pages, breaks before and after the first content, dead connections) with another candidate behind it, under all
three policies for broken answers; {leaving:.0%} of the clients leave. The others carry {words} deltas each.

Memory is the resident set, looked at each second. The first {warm:.0%} of the streams, and at least {after:,}, are
warm-up, in which pools, caches and allocators fill. Flat means: along the straight line that fits what follows best, it
grows by at most {tolerance:g} MB for every 10,000 streams (but {noise:g} MB in any run is no growth, since allocators
give back in large pieces).
"""


def page(outcome: Outcome) -> str:
    top = _TOP.format(
        streams=outcome.streams,
        faulty=FAULTY,
        leaving=LEAVING,
        words=WORDS,
        warm=WARM_UP,
        after=WARM_AFTER,
        tolerance=TOLERANCE,
        noise=NOISE,
    )
    rows = []
    for name, series in outcome.series.items():
        measured = series.measured(outcome.streams)
        if not measured:
            continue
        growth, allowed = series.growth(outcome.streams), series.allowed(outcome.streams)
        verdict = "flat" if series.is_flat(outcome.streams) else "GROWS"
        figures = (series.samples[0].resident, measured[0].resident, measured[-1].resident, growth, allowed)
        rows.append((name, *(f"{figure:.2f}" for figure in figures), verdict))
    heads = ("process", "at the start", "after the warm-up", "at the end", "growth by the slope", "allowed", "")
    facts = "\n".join(f"- {name}: {value}" for name, value in (outcome.told | kernel.machine()).items())
    return "\n".join([top, _table(heads, rows), f"MB of resident memory.\n\n{facts}\n"])


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    rule = ("---", *["--:"] * (len(heads) - 2), "---")
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heads, rule, *rows)) + "\n"
