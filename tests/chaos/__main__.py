"""``python -m tests.chaos``: do harm, check every value, say what came of it."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from streams.errors import DaybookError
from tests.chaos import report
from tests.chaos.outcome import read, summary, write
from tests.chaos.plan import LONG, SHORT
from tests.chaos.run import run


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a minute, as the tests run it")
    parser.add_argument("--seed", type=int, help="of the events and the faults; another one each time unless given")
    parser.add_argument("--folder", type=Path, default=Path(".daybook/chaos"), help="where logs and results are kept")
    parser.add_argument("--publish", action="store_true", help="write the figures to docs/reliability.md")
    parser.add_argument("--from", dest="made", type=Path, metavar="RESULT", help="a result.json, instead of a run")
    return parser.parse_args()


def main() -> int:
    """0 when everything held, 1 when something did not, 2 when the run could not be made."""
    wanted = _arguments()
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {text}", flush=True)

    plan = SHORT if wanted.short else LONG
    try:
        if wanted.made is not None:
            outcome = read(wanted.made)
        else:
            seed = secrets.randbelow(1_000_000) if wanted.seed is None else wanted.seed
            folder = (wanted.folder / f"{plan.name}-{seed}-{datetime.now(UTC):%Y%m%dT%H%M%S}").resolve()
            say(f"seed {seed}, plan {plan.name}; logs in {folder}")
            outcome = run(plan, seed, folder, say)
            say(f"written: {write(outcome, folder)}")
    except DaybookError as error:
        print(f"the run could not be made: {error}", file=sys.stderr)
        return 2
    print(summary(outcome), flush=True)
    if wanted.publish:
        report.publish(outcome)
        say(f"written: {report.PAGE}")
    return 1 if outcome.wrong() else 0


if __name__ == "__main__":
    sys.exit(main())
