"""The command line: `python -m tests.matrix`."""

import argparse
import asyncio
import secrets
import sys
from pathlib import Path

from tests.matrix.cells import chosen
from tests.matrix.judging import INVARIANTS
from tests.matrix.page import differences, page, read
from tests.matrix.run import record, run, whole_plan

PAGE = Path("docs/failure-matrix.md")


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev chaos", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000, help="of both parts together (10000)")
    parser.add_argument("--seed", type=int, default=None, help="of the order of things; printed, to be given again")
    parser.add_argument("--cells", metavar="WORDS", help="only those whose names hold these words, like 'cut-2 chat'")
    parser.add_argument("--page", type=Path, metavar="FILE", help=f"write the page (with all cells: {PAGE})")
    parser.add_argument("--evidence", type=Path, metavar="DIR", help="keep what was done and seen, and the logs")
    parser.add_argument("--quiet", action="store_true", help="say only how it ended")
    given = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    plan = whole_plan(given.requests, seed, not given.quiet)
    if given.cells is not None:
        plan = plan._replace(cells=chosen(plan.cells, given.cells), crossed=chosen(plan.crossed, given.cells))
        if not plan.cells:
            parser.error(f"no cell's name holds '{given.cells}'")
    if given.evidence is not None:
        given.evidence.mkdir(parents=True, exist_ok=True)
        plan = plan._replace(evidence=given.evidence)
    print(f"seed {seed}, {len(plan.cells)} cells", file=sys.stderr, flush=True)
    outcome = asyncio.run(run(plan))
    if given.evidence is not None:
        (given.evidence / "run.json").write_text(record(outcome))
    destination = given.page or (PAGE if given.cells is None else None)
    if PAGE.exists():
        for line in differences(outcome.seen, read(PAGE.read_text())):
            print(f"new: {line}", file=sys.stderr)
    if destination is not None and len(outcome.seen) == len(whole_plan(0, 0).cells):
        destination.write_text(page(outcome.seen))
    elif not PAGE.exists():
        for name, shown in sorted(outcome.seen.items()):
            print(f"{name}: {shown.ending} ({shown.tried})")
    for fault in outcome.findings.faults:
        print(fault, file=sys.stderr)
    counted = outcome.findings.counted()
    for invariant in INVARIANTS:
        print(f"{counted[invariant]:6} {invariant}", file=sys.stderr)
    print(*outcome.summary, f"{len(outcome.findings.faults)} faults, seed {seed}", sep="\n", file=sys.stderr)
    return 1 if outcome.findings.faults else 0


if __name__ == "__main__":
    sys.exit(main())
