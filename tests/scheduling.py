"""Which worker runs what: files that share an installation stay together, and what takes longest comes first."""

import pytest
from xdist.scheduler import LoadScopeScheduling

SHARING = ("tests/e2e", "tests/contract/api", "tests/integration/trail")
HEAVIEST = ("tests/contract/api", "tests/e2e", "tests/chaos", "tests/integration/scope", "tests/integration/trail")


LAST = "test_schemathesis.py"
"""What leaves its servers in disorder: no other file of its folder may look at them afterwards."""


class ByInstallation(LoadScopeScheduling):  # type: ignore[misc]
    """One unit of work is a file, or a folder whose files share servers that would otherwise be started by each worker."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((folder for folder in SHARING if file.startswith(f"{folder}/")), file)


def weight(item: pytest.Item) -> tuple[int, bool]:
    """Return the place among all tests: whatever takes minutes must not be what one worker ends with alone."""
    ranks = (rank for rank, folder in enumerate(HEAVIEST) if item.nodeid.startswith(f"{folder}/"))
    return next(ranks, len(HEAVIEST)), item.path.name == LAST
