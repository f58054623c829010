"""What is asked of a million ended jobs, and of a deep queue beside them, is found by indexes."""

import pytest

from tests.bench.jobs_history import LIMIT, fill, plans_of_claims, plans_of_pages
from tests.integration.jobs.conftest import Someone
from tests.servers import Database

PAGES_AT_MOST = {"choice": 100, "claim": 150, "claim of 16": 1500}
"""Of 8 KiB. A job that starts is written to a dozen indexes."""


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_long_history_is_never_read_through(someone: Someone, database: Database) -> None:
    await fill(database, someone)
    plans = await plans_of_pages(someone) + await plans_of_claims(someone)
    assert len(plans) == 6 + 2 * 5
    assert [str(plan) for plan in plans if plan.reads_everything] == []
    assert [str(plan) for plan in plans if plan.pages > PAGES_AT_MOST.get(plan.act, 4 * LIMIT)] == []
