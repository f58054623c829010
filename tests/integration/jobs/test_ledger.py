"""Every effect exactly once while processes and servers are killed: the shortest run; longer ones are in `tests/chaos`."""

from pathlib import Path

import pytest

from tests.chaos.ledger.run import run
from tests.chaos.ledger.site import Scale


@pytest.mark.timeout(240)
async def test_every_effect_is_there_exactly_once(tmp_path: Path) -> None:
    verdict = await run(tmp_path, 7, Scale(jobs=120, seconds=12.0, workers=2, lease_seconds=1.5))
    print(verdict)
    assert verdict.faults == {}
    assert verdict.figures["jobs"] >= 120
