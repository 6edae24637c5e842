"""What a run says: the figures beside their aims, as a table for people and as JSON for machines."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median

from bench.paired import Estimate, differences, estimate, ratios
from bench.rounds import STEADY_WARM_UP, Footprint, Sample
from bench.scaling import Scale, Scaling
from bench.scenarios import Scenario
from bench.systems import DIRECT, SEGUE

_SCALES = 1.7  # times what one worker serves, by two
FLAT_MB = 2.0  # growth over the steady load that still counts as none: a few pages of the allocator's

_INTRODUCTION = """\
# How fast it is

`./dev bench` wrote this page. It runs Segue, a bare aiohttp pass-through proxy that forwards bytes and parses none
(`bench/bare.py`), and the upstream alone, {rounds} rounds of each, interleaved and in rotating order. {pinning} The
upstream (`bench/upstream.py`) answers from memory, in frames of about 290 bytes; the load generator checks every answer
for its status, its one terminal event and its number of deltas.

A figure is the CPU time, user and system, of the system's processes divided by requests or events: it survives a noisy
machine better than any clock on the wall. Believe ratios within this page, not microseconds across pages. A ratio is
taken round by round, against the bare proxy of the same round; the table shows the median of the rounds and its 95 %
bootstrap interval. Within a round the systems take three turns each (the slow streams one long one), and the median
counts. A translated row is held against the bare proxy passing on the same upstream stream untranslated. A
streamed event carries its share of opening its stream: a two-hundredth of a request when slow, a five-hundredth when
fast. A slow stream has one event each 20 ms, and 200 of them run at once; fast ones come in batches of twenty. The
body of 1 MB is a long conversation, one turn in eight with an inline image. Added latency is the median round trip over
one otherwise idle connection, less that of the upstream alone. Segue runs with one worker, and its figures are those of
master, worker and store together.
"""
_ABOUT_SCALING = """\
Each worker was pinned to a core of its own; of what two spent, the busier one spent {busiest}. The reckoned ratio is
what a request costs one worker over what it costs two, divided by that share: the busier one is full first. Here the
workers shared their cores with load generator, upstream, master and store; because of those, two cores of this machine
permit a ratio of {permitted} at most, however well two workers share.
"""
_PINNED = "The measured proxy has a core of its own; upstream and load generator share another."
_UNPINNED = "This machine offered one core only, so everything shared it: the figures are worse than they should be."


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario, one system held against its yardstick."""

    scenario: Scenario
    measured: str
    yardstick: str
    ratio: Estimate | None  # None when noise left no round to speak of
    medians: dict[str, float]  # by system, in the scenario's own unit
    busiest: float
    failures: dict[str, int]

    @property
    def verdict(self) -> str:
        if self.failures:
            return "wrong answers, see below"
        if self.scenario.aim is None:
            return "no aim"
        if self.ratio is None:
            return "too noisy"
        met = self.ratio.median <= self.scenario.aim
        certain = self.ratio.high <= self.scenario.aim if met else self.ratio.low > self.scenario.aim
        return ("met" if met else "missed") + ("" if certain else ", within noise")


def rows(samples: Sequence[Sample], scenarios: Sequence[Scenario], measured: str, yardstick: str) -> Iterator[Row]:
    """Hold one system against another in every scenario both were measured in."""
    for scenario in scenarios:
        own = [sample for sample in samples if sample.scenario == scenario.name]
        by_system = _by_round(own)
        if measured not in by_system or yardstick not in by_system:
            continue
        if scenario.counts == "added ms" and yardstick != DIRECT:
            floor = by_system[DIRECT]
            by_system = {name: differences(values, floor) for name, values in by_system.items() if name != DIRECT}
        per_round = ratios(by_system[measured], by_system[yardstick])
        yield Row(
            scenario=scenario if measured == SEGUE else replace(scenario, aim=None),
            measured=measured,
            yardstick=yardstick,
            ratio=estimate(per_round) if per_round else None,
            medians={name: median(values) for name, values in by_system.items()},
            busiest=max(sample.busy for sample in own if sample.system != DIRECT),
            failures=_failures(own),
        )


def _by_round(samples: Sequence[Sample]) -> dict[str, list[float]]:
    """Each system's figure per round, in the rounds' order: the median of its turns."""
    turns: dict[str, dict[int, list[float]]] = {}
    for sample in samples:
        turns.setdefault(sample.system, {}).setdefault(sample.round, []).append(sample.value)
    return {system: [median(rounds[number]) for number in sorted(rounds)] for system, rounds in turns.items()}


def _failures(samples: Sequence[Sample]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for sample in samples:
        for failure, count in sample.failures.items():
            reason = f"{sample.system}: {failure}"
            counted[reason] = counted.get(reason, 0) + count
    return counted


def ratio_table(table: Sequence[Row], systems: Sequence[str]) -> str:
    """The ratios, then each system's own figure; a saturated core and a wrong answer are said below the table."""
    if not table:
        return ""
    heads = ["", "aim", "ratio", "95 % interval", "verdict", *systems, "unit"]
    lines = [_line(heads), _line(["---", "--:", "--:", ":-:", "---", *["--:"] * len(systems), "---"])]
    for row in table:
        aim = "-" if row.scenario.aim is None else f"≤ {row.scenario.aim:g}"
        ratio, interval = "-", "-"
        if row.ratio is not None:
            ratio, interval = f"{row.ratio.median:.2f}", f"{row.ratio.low:.2f} to {row.ratio.high:.2f}"
        figures = [_figure(row.medians.get(system), row.scenario) for system in systems]
        lines.append(_line([row.scenario.title, aim, ratio, interval, row.verdict, *figures, row.scenario.counts]))
    return "\n".join([*lines, *_remarks(table)]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _figure(value: float | None, scenario: Scenario) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if scenario.counts == "added ms" else f"{value:.1f}"


def _remarks(table: Sequence[Row]) -> Iterator[str]:
    full = [row.scenario.title for row in table if row.busiest > 0.95 and row.scenario.spread]
    if full:
        yield ""
        yield f"A core was full, so events arrived together and cost less than they would alone: {'; '.join(full)}."
    for row in table:
        for reason, count in row.failures.items():
            yield ""
            yield f"Wrong answers in *{row.scenario.title}*: {count} times {reason}."


def footprint_table(starts: Sequence[Footprint], imports: Sequence[float], systems: Sequence[str]) -> str:
    """Import, readiness and memory; medians, but for the memory after the steady load, which is measured once."""
    lines = [_line(["", "aim", "verdict", *systems]), _line(["---", "--:", "---", *["--:"] * len(systems)])]
    judged = systems[0]
    by_system = {name: [start for start in starts if start.system == name] for name in systems}
    if imports:
        value = median(imports)
        figures = [f"{value:.2f} s", *["-"] * (len(systems) - 1)]
        lines.append(_line(["import", "< 0.5 s", _below(value, 0.5), *figures]))

    def add(title: str, aim: str, limit: float, unit: str, values: dict[str, float]) -> None:
        if judged in values:
            figures = [f"{values[name]:.2f} {unit}" if name in values else "-" for name in systems]
            lines.append(_line([title, aim, _below(values[judged], limit), *figures]))

    ready = {name: median(start.ready_seconds for start in own) for name, own in by_system.items() if own}
    resident = {name: median(start.resident_mb for start in own) for name, own in by_system.items() if own}
    shared = {name: median(start.proportional_mb for start in own) for name, own in by_system.items() if own}
    steady = {start.system: start.steady_mb for start in starts if start.steady_mb is not None}
    growth = {
        start.system: start.steady_mb - start.warm_mb
        for start in starts
        if start.steady_mb is not None and start.warm_mb is not None
    }
    add("first request answered after", "< 0.8 s", 0.8, "s", ready)
    add("resident, just started", "< 80 MB", 80, "MB", resident)
    add("the same, what is shared counted once", "< 80 MB", 80, "MB", shared)
    add("resident, after the steady load", "< 80 MB", 80, "MB", steady)
    add("growth over the steady load", f"flat (< {FLAT_MB:g} MB)", FLAT_MB, "MB", growth)
    return "\n".join(lines) + "\n" if len(lines) > 2 else ""


def bound_table(table: Sequence[Row], told: tuple[str, str], allowed: float) -> str:
    """What B costs more than A: the median of the rounds, and what it stays below with 95 % confidence. `allowed`: per
    cent."""
    if not table:
        return ""
    lines = [
        f"A is {told[0]}, B is {told[1]}.",
        "",
        _line(["", "B more than A", "upper 95 % bound", "rounds", "verdict"]),
    ]
    lines.append(_line(["---", "--:", "--:", "--:", "---"]))
    for row in table:
        if row.ratio is None:
            lines.append(_line([row.scenario.title, "-", "-", "-", "too noisy"]))
            continue
        more, bound = (100 * (value - 1) for value in (row.ratio.median, row.ratio.bound))
        verdict = f"{'within' if bound <= allowed else 'over'} {allowed:g} %"
        if row.failures or row.scenario.counts == "added ms":  # the bound is for CPU
            verdict = "wrong answers" if row.failures else "-"
        lines.append(_line([row.scenario.title, f"{more:+.1f} %", f"{bound:+.1f} %", str(row.ratio.rounds), verdict]))
    return "\n".join(lines) + "\n"


def scaling_table(found: Scaling) -> str:
    """Two workers against one, and what stands between the figures and the aim."""
    heads = ["", "aim", "verdict", "ratio", "95 % interval", "one worker", "two workers"]
    lines = [_line(heads), _line(["---", "--:", "---", "--:", ":-:", "--:", "--:"])]

    def add(title: str, estimated: Estimate, aim: float | None, figures: tuple[float, float] | None) -> None:
        met = "-" if aim is None else "met" if estimated.median >= aim else "missed"
        interval = f"{estimated.low:.2f} to {estimated.high:.2f}"
        shown = [f"{figure:,.0f}" for figure in figures] if figures is not None else ["-", "-"]
        wanted = "-" if aim is None else f"≥ {aim:g}"
        lines.append(_line([title, wanted, met, f"{estimated.median:.2f}", interval, *shown]))

    add("requests per CPU second of the workers", found.efficiency, None, found.per_cpu_second)
    add("requests/s where all else runs elsewhere, reckoned", found.alone, _SCALES, None)
    add("requests/s here", found.rate, None, found.rates)
    remarks = _ABOUT_SCALING.format(busiest=f"{found.busiest:.0%}", permitted=f"{found.permitted:.2f}")
    wrong = "".join(f"\nWrong answers: {count} times {reason}.\n" for reason, count in found.failures.items())
    return "\n".join([*lines, "", remarks]) + wrong


def _below(value: float, limit: float) -> str:
    return "met" if value < limit else "missed"


def page(
    parts: Sequence[str], machine: dict[str, str], rounds: int, pinned: bool, steady_requests: int, scaled: str = ""
) -> str:
    """The whole of docs/performance.md."""
    facts = "\n".join(f"- {name}: {value}" for name, value in machine.items())
    introduction = _INTRODUCTION.format(rounds=rounds, pinning=_PINNED if pinned else _UNPINNED)
    steady = ""
    if steady_requests:
        steady = (
            f"\nThe steady load is {steady_requests:,} requests after {STEADY_WARM_UP:,} of the same kind to warm up:\n"
            "two fifths plain, two fifths streamed, one fifth streamed and translated. Growth is from the end of the\n"
            "warm-up to the end of the load. Memory is the sum over the system's processes, shared pages counted in\n"
            "each, unless it says otherwise.\n"
        )
    told = "\n".join([introduction, *(part for part in parts if part)])
    return "\n".join([told + steady, *([scaled] if scaled else []), f"Measured on:\n\n{facts}\n"])


def record(
    samples: Sequence[Sample],
    starts: Sequence[Footprint],
    imports: Sequence[float],
    table: Sequence[Row],
    scales: Sequence[Scale],
    machine: dict[str, str],
) -> dict[str, object]:
    """Everything measured and everything derived from it, ready for JSON."""
    return {
        "machine": machine,
        "rows": [asdict(row) | {"verdict": row.verdict} for row in table],
        "samples": [asdict(sample) for sample in samples],
        "starts": [asdict(start) for start in starts],
        "imports": list(imports),
        "scales": [asdict(scale) for scale in scales],
    }
