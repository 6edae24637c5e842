"""The command line: `python -m bench` measures Segue, `python -m bench ab` holds two commands against each other."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.children import ChildError
from bench.measure import Cores, choose_cores, machine
from bench.report import footprint_table, page, ratio_table, record, rows
from bench.rounds import Footprint, Plan, Sample, bench, measure_import, measure_rounds, measure_starts
from bench.scenarios import FULL, NAMES, Scenario, quick
from bench.systems import BARE, BARE_COMMAND, DIRECT, SEGUE, SEGUE_COMMAND, Command

PAGE = Path("docs/performance.md")
STEADY_REQUESTS = 10_000
_EXTRAS = ("starts", "memory", "import")


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
    parser.add_argument("--import-module", default="proxy.app", metavar="NAME", help="whose import is timed")
    commands = parser.add_subparsers(dest="command")
    ab = commands.add_parser("ab", parents=[shared], help="two commands, paired; for another checkout: env -C DIR CMD")
    ab.add_argument("--a", required=True, metavar="CMD", help=f"the yardstick, {placeholders}")
    ab.add_argument("--b", required=True, metavar="CMD", help="what is held against it")
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


def _measure(plan: Plan, cores: Cores) -> tuple[list[Sample], list[Footprint]]:
    samples: list[Sample] = []
    starts: list[Footprint] = []
    os.sched_setaffinity(0, cores.load)  # the bench's own work must not visit the measured core
    with bench(cores) as running:
        if plan.scenarios:
            for sample in measure_rounds(running, plan):
                samples.append(sample)
                where = (
                    f"round {sample.round + 1}/{plan.rounds}.{sample.turn + 1}  {sample.scenario:16} {sample.system:15}"
                )
                trouble = f"  WRONG: {sample.failures}" if sample.failures else ""
                print(f"{where} {sample.value:9.2f}  core {sample.busy:4.0%}{trouble}", file=sys.stderr)
        if plan.starts:
            for start in measure_starts(running, plan):
                starts.append(start)
                print(
                    f"start {start.round + 1}/{plan.rounds}  {start.system:15} ready {start.ready_seconds:.2f} s, "
                    f"{start.resident_mb:.0f} MB",
                    file=sys.stderr,
                )
    return samples, starts


def _destination(arguments: argparse.Namespace) -> Path | None:
    """Where the page goes: where asked, or, after a whole run of Segue as it is, where it belongs."""
    partial = arguments.quick or arguments.only or arguments.command == "ab" or arguments.no_segue
    if arguments.markdown is not None or partial or arguments.segue_command != SEGUE_COMMAND:
        markdown: Path | None = arguments.markdown
        return markdown
    return PAGE


def _commands(arguments: argparse.Namespace) -> tuple[list[Command], str, str]:
    """What to start, and which of them is measured against which."""
    if arguments.command == "ab":
        return [Command("A", arguments.a, True), Command("B", arguments.b, True)], "B", "A"
    bare = Command(BARE, BARE_COMMAND, translates=False)
    if arguments.no_segue:
        return [bare], BARE, DIRECT
    return [bare, Command(SEGUE, arguments.segue_command, translates=True)], SEGUE, BARE


def run(words: Sequence[str]) -> int:
    """Measure as asked; 1 when any answer was wrong."""
    parser = _parser()
    arguments = parser.parse_args(words)
    wanted, rounds = _wanted(parser, arguments), _rounds(parser, arguments)
    commands, measured, yardstick = _commands(arguments)
    steady = (300 if arguments.quick else STEADY_REQUESTS) if "memory" in wanted else 0
    scenarios = _scenarios(arguments, wanted)
    plan = Plan(commands, scenarios, rounds, bool(wanted & {"starts", "memory"}), steady)
    times_import = arguments.command != "ab" and not arguments.no_segue and "import" in wanted
    imports = measure_import(arguments.import_module, rounds) if times_import else []
    if times_import and not imports:
        print(f"bench: {arguments.import_module} cannot be imported, so its import is not timed", file=sys.stderr)
    cores = choose_cores()
    samples, starts = _measure(plan, cores)
    table = list(rows(samples, scenarios, measured, yardstick))
    names = [measured, *(command.name for command in commands if command.name != measured)]
    parts = [ratio_table(table, [*names, DIRECT]), footprint_table(starts, imports, names)]
    facts = machine()
    print("\n".join(parts))
    destination = _destination(arguments)
    if destination is not None:
        destination.parent.mkdir(parents=True, exist_ok=True)
        destination.write_text(page(parts, facts, rounds, cores.are_apart, steady))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(record(samples, starts, imports, table, facts), indent=1) + "\n")
    return 1 if any(sample.failures for sample in samples) else 0


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
