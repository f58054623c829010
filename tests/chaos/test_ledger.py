"""Every effect exactly once, whatever dies: a short run, and the same without a guard, which must not pass.

The full run, with its figures: `python -m tests.chaos.ledger`.
"""

from pathlib import Path

import pytest

from tests.chaos.ledger.run import run
from tests.chaos.ledger.site import Scale

SEED = 20261121
SHORT = Scale(jobs=300, seconds=40.0)
FEW = Scale(jobs=80, seconds=15.0, workers=2, clocks=1, lease_seconds=1.5)
UNFENCED = Scale(jobs=250, seconds=25.0, clocks=1, lease_seconds=1.5)


@pytest.mark.timeout(420)
async def test_every_effect_is_there_exactly_once(tmp_path: Path) -> None:
    verdict = await run(tmp_path, SEED, SHORT)
    print(verdict)
    assert verdict.faults == {}
    assert verdict.figures["jobs"] >= SHORT.jobs
    assert "kill worker" in verdict.figures["faults"]


@pytest.mark.timeout(240)
async def test_without_fencing_effects_come_twice(tmp_path: Path) -> None:
    verdict = await run(tmp_path, SEED, UNFENCED, without="fencing", only="stop worker")
    print(verdict)
    assert verdict.faults.get("effect twice")


@pytest.mark.timeout(240)
async def test_without_the_reconciler_jobs_are_never_over(tmp_path: Path) -> None:
    verdict = await run(tmp_path, SEED, FEW, without="reconciler", settle_seconds=20.0)
    print(verdict)
    assert verdict.faults.get("not over")
