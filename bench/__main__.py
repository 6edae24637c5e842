"""The command line: `python -m bench` measures Segue, `python -m bench ab` holds two commands against each other."""

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.children import ChildError
from bench.measure import Cores, choose_cores, machine
from bench.report import bound_table, footprint_table, page, ratio_table, record, rows, scaling_table
from bench.revisions import THIS_TREE, command_of, compiled, shown
from bench.rounds import Footprint, Plan, Sample, bench, measure_import, measure_rounds, measure_starts
from bench.scaling import REQUESTS, Scale, measure_scaling, scaling
from bench.scenarios import FULL, NAMES, Scenario, quick
from bench.systems import BARE, BARE_COMMAND, DIRECT, SEGUE, SEGUE_COMMAND, Command

PAGE = Path("docs/performance.md")
STEADY_REQUESTS = 10_000
_EXTRAS = ("starts", "memory", "import", "scaling")


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--rounds", type=int, help="how often each system runs each scenario (5; ab: 15; quick: 2)")
    shared.add_argument("--quick", action="store_true", help="prove the harness in seconds; the figures mean nothing")
    shared.add_argument("--only", metavar="NAMES", help=f"comma-separated, of: {', '.join(NAMES + _EXTRAS)}")
    shared.add_argument("--json", type=Path, metavar="FILE", help="write every sample and every ratio")
    shared.add_argument("--markdown", type=Path, metavar="FILE", help=f"write the page (a full run: {PAGE})")
    placeholders = "with {python}, {port}, {upstream} and {config} filled in"
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, parents=[shared])
    parser.add_argument(
        "--segue-command", default=SEGUE_COMMAND, metavar="CMD", help=f"how to start it, {placeholders}"
    )
    parser.add_argument("--no-segue", action="store_true", help="only the bare proxy and the upstream")
    parser.add_argument("--import-module", default="proxy.worker", metavar="NAME", help="whose import is timed")
    commands = parser.add_subparsers(dest="command")
    ab = commands.add_parser("ab", parents=[shared], help="two commits or commands, paired")
    ab.add_argument("--a", required=True, metavar="WHAT", help=f"the yardstick: a commit, or a command {placeholders}")
    ab.add_argument("--b", default=THIS_TREE, metavar="WHAT", help="what is held against it (this tree)")
    ab.add_argument("--bound", type=float, default=8.0, metavar="PERCENT", help="how much more it may cost (8)")
    return parser


def _scenarios(arguments: argparse.Namespace, wanted: set[str]) -> list[Scenario]:
    return [scenario for scenario in (quick() if arguments.quick else FULL) if scenario.name in wanted]


def _wanted(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> set[str]:
    known = {*NAMES, *_EXTRAS}
    wanted = set(arguments.only.split(",")) if arguments.only else known
    if wanted - known:
        parser.error(f"--only: unknown: {', '.join(sorted(wanted - known))}")
    return wanted


def _rounds(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    usual = 15 if arguments.command == "ab" else 5
    rounds: int = arguments.rounds or (2 if arguments.quick else usual)
    if not 1 <= rounds <= 200:
        parser.error("--rounds: 1 to 200")
    return rounds


class _Measured(NamedTuple):
    samples: list[Sample]
    starts: list[Footprint]
    scales: list[Scale]


def _measure(plan: Plan, cores: Cores, scaled: str | None, requests: int) -> _Measured:
    """`scaled`: the command to be started with one worker and with two, and asked so many `requests`."""
    found = _Measured([], [], [])
    os.sched_setaffinity(0, cores.load)  # the bench's own work must not visit the measured core
    with bench(cores) as running:
        if plan.scenarios:
            for sample in measure_rounds(running, plan):
                found.samples.append(sample)
                where = (
                    f"round {sample.round + 1}/{plan.rounds}.{sample.turn + 1}  {sample.scenario:16} {sample.system:15}"
                )
                trouble = f"  WRONG: {sample.failures}" if sample.failures else ""
                print(f"{where} {sample.value:9.2f}  core {sample.busy:4.0%}{trouble}", file=sys.stderr)
        if plan.starts:
            for start in measure_starts(running, plan):
                found.starts.append(start)
                print(
                    f"start {start.round + 1}/{plan.rounds}  {start.system:15} ready {start.ready_seconds:.2f} s, "
                    f"{start.resident_mb:.0f} MB",
                    file=sys.stderr,
                )
        if scaled is not None:
            for scale in measure_scaling(running, cores, scaled, plan.rounds, requests):
                found.scales.append(scale)
                print(
                    f"scale {scale.round + 1}/{plan.rounds}  {scale.workers} workers {scale.rate:7.0f} requests/s, "
                    f"{scale.worker_cpu:.0f} µs in the workers, {scale.other_cpu:.0f} elsewhere, busiest "
                    f"{scale.busiest:.0%}{f'  WRONG: {scale.failures}' if scale.failures else ''}",
                    file=sys.stderr,
                )
    return found


def _destination(arguments: argparse.Namespace) -> Path | None:
    """Where the page goes: where asked, or, after a whole run of Segue as it is, where it belongs."""
    partial = arguments.quick or arguments.only or arguments.command == "ab" or arguments.no_segue
    if arguments.markdown is not None or partial or arguments.segue_command != SEGUE_COMMAND:
        markdown: Path | None = arguments.markdown
        return markdown
    return PAGE


def _commands(arguments: argparse.Namespace, folder: Path) -> tuple[list[Command], str, str]:
    """What to start, and which of them is measured against which."""
    if arguments.command == "ab":
        return [command_of("A", arguments.a, folder), command_of("B", arguments.b, folder)], "B", "A"
    compiled(Path(THIS_TREE))
    bare = Command(BARE, BARE_COMMAND, translates=False)
    if arguments.no_segue:
        return [bare], BARE, DIRECT
    return [bare, Command(SEGUE, arguments.segue_command, translates=True)], SEGUE, BARE


def run(words: Sequence[str]) -> int:
    """Measure as asked; 1 when any answer was wrong."""
    parser = _parser()
    arguments = parser.parse_args(words)
    wanted, rounds = _wanted(parser, arguments), _rounds(parser, arguments)
    with tempfile.TemporaryDirectory(prefix="segue-bench-") as folder:
        return _run(arguments, wanted, rounds, Path(folder))


def _run(arguments: argparse.Namespace, wanted: set[str], rounds: int, folder: Path) -> int:
    commands, measured, yardstick = _commands(arguments, folder)
    is_ab = arguments.command == "ab"
    steady = (300 if arguments.quick else STEADY_REQUESTS) if "memory" in wanted else 0
    scenarios = _scenarios(arguments, wanted)
    plan = Plan(commands, scenarios, rounds, bool(wanted & {"starts", "memory"}), steady)
    measures_ours = not is_ab and not arguments.no_segue
    imports = measure_import(arguments.import_module, rounds) if measures_ours and "import" in wanted else []
    if measures_ours and "import" in wanted and not imports:
        print(f"bench: {arguments.import_module} cannot be imported, so its import is not timed", file=sys.stderr)
    cores = choose_cores()
    scales = measures_ours and "scaling" in wanted and cores.are_apart
    requests = 300 if arguments.quick else REQUESTS
    found = _measure(plan, cores, arguments.segue_command if scales else None, requests)
    table = list(rows(found.samples, scenarios, measured, yardstick))
    names = [measured, *(command.name for command in commands if command.name != measured)]
    scaled = scaling(found.scales)
    parts = [ratio_table(table, [*names, DIRECT]), footprint_table(found.starts, imports, names)]
    scales_told = scaling_table(scaled) if scaled is not None else ""
    if is_ab:
        told = (shown(arguments.a), shown(arguments.b))
        parts.append(bound_table(table, told, arguments.bound))
    facts = machine()
    print("\n".join(part for part in (*parts, scales_told) if part))
    destination = _destination(arguments)
    if destination is not None:
        destination.parent.mkdir(parents=True, exist_ok=True)
        destination.write_text(page(parts, facts, rounds, cores.are_apart, steady, scales_told))
    if arguments.json is not None:
        everything = record(found.samples, found.starts, imports, table, found.scales, facts)
        arguments.json.write_text(json.dumps(everything, indent=1) + "\n")
    failures = [sample.failures for sample in found.samples] + [scale.failures for scale in found.scales]
    return 1 if any(failures) else 0


def main() -> None:
    # As Ctrl-C, so that the children are stopped on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(run(sys.argv[1:]))
    except ChildError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
