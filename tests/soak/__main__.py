"""The command line: `python -m tests.soak`."""

import argparse
import asyncio
import secrets
import sys
from pathlib import Path

from tests.soak.page import page
from tests.soak.run import run

PAGE = Path("docs/soak.md")
USUAL = 100_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev soak", description=__doc__)
    parser.add_argument("--streams", type=int, default=USUAL, help="how many (100000)")
    parser.add_argument("--seed", type=int, default=None, help="of who is asked for what; printed, to be given again")
    parser.add_argument("--page", type=Path, metavar="FILE", help=f"write the page (a whole run: {PAGE})")
    parser.add_argument("--quiet", action="store_true", help="say only how it ended")
    given = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    print(f"seed {seed}", file=sys.stderr, flush=True)
    outcome = asyncio.run(run(given.streams, seed, not given.quiet))
    destination = given.page or (PAGE if given.streams >= USUAL else None)
    text = page(outcome)
    if destination is not None:
        destination.write_text(text)
    else:
        print(text)
    for fault in outcome.findings.faults:
        print(fault, file=sys.stderr)
    print(f"{len(outcome.findings.faults)} faults, seed {seed}", file=sys.stderr)
    return 1 if outcome.findings.faults else 0


if __name__ == "__main__":
    sys.exit(main())
