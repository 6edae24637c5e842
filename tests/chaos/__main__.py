"""The command line: `python -m tests.chaos`."""

import argparse
import asyncio
import json
import secrets
import sys
from pathlib import Path

from tests.chaos.report import page, record
from tests.chaos.run import Plan, run

PAGE = Path("docs/chaos-processes.md")
USUAL = 600.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev chaos-processes", description=__doc__)
    parser.add_argument("--seconds", type=float, default=USUAL, help="how long things are ill-treated (600)")
    parser.add_argument("--seed", type=int, default=None, help="of the order of things; printed, to be given again")
    parser.add_argument("--clients", type=int, default=28, help="how many ask at the same time (28)")
    parser.add_argument("--page", type=Path, metavar="FILE", help=f"write the tables (a whole run: {PAGE})")
    parser.add_argument("--evidence", type=Path, metavar="DIR", help="keep what was done, what was wrong, and the logs")
    parser.add_argument("--quiet", action="store_true", help="say only how it ended")
    chosen = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if chosen.seed is None else chosen.seed
    print(f"seed {seed}", file=sys.stderr, flush=True)
    if chosen.evidence is not None:
        chosen.evidence.mkdir(parents=True, exist_ok=True)
    outcome = asyncio.run(run(Plan(chosen.seconds, seed, chosen.clients, not chosen.quiet, chosen.evidence)))
    destination = chosen.page or (PAGE if chosen.seconds >= USUAL else None)
    text = page(outcome)
    if destination is not None:
        destination.write_text(text)
    else:
        print(text)
    if chosen.evidence is not None:
        (chosen.evidence / "run.json").write_text(json.dumps(record(outcome), indent=1) + "\n")
    for fault in outcome.findings.faults:
        print(fault, file=sys.stderr)
    print(f"{len(outcome.findings.faults)} faults, seed {seed}", file=sys.stderr)
    return 1 if outcome.findings.faults else 0


if __name__ == "__main__":
    sys.exit(main())
