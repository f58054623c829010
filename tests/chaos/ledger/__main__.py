"""`python -m tests.chaos.ledger [--seeds 1 2 …] [--jobs N] [--seconds S]`: the full run, with its figures.

The exit code is 0 when every effect was there exactly once in all runs and no job took longer than 15 s to run again.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.ledger.run import run
from tests.chaos.ledger.site import Scale
from tests.chaos.ledger.verdict import Verdict

AGAIN_WITHIN_SECONDS = 15.0


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="tests.chaos.ledger", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=100.0, help="over which jobs are asked for")
    chosen = parser.parse_args()
    scale = Scale(jobs=chosen.jobs, seconds=chosen.seconds)
    verdicts = [_run(seed, scale) for seed in chosen.seeds]
    worst = max(verdict.worst_seconds for verdict in verdicts)
    wrong = sum(bool(verdict.faults) for verdict in verdicts)
    print(f"{len(verdicts)} runs, {wrong} with something wrong; worst time to run again {worst:.1f} s", flush=True)
    return 1 if wrong or worst > AGAIN_WITHIN_SECONDS else 0


def _run(seed: int, scale: Scale) -> Verdict:
    folder = Path(tempfile.mkdtemp(prefix="lyceum-ledger-"))
    print(f"seed {seed}: {scale}, in {folder}", flush=True)
    verdict = asyncio.run(run(folder, seed, scale, say=lambda line: print(line, flush=True)))
    print(verdict, flush=True)
    if verdict.faults:
        print(f"  kept for you to look at: {folder}", flush=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return verdict


if __name__ == "__main__":
    sys.exit(main())
