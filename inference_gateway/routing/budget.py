"""A bound on trying again, so that retries never multiply the load on a server in trouble."""

PER_REQUEST = 0.1
MOST = 10.0


class RetryBudget:
    """Each request earns a tenth of a retry; at most ten are saved up (Envoy and Finagle bound retries so)."""

    def __init__(self) -> None:
        self._saved = MOST

    def earn(self) -> None:
        """Count a request."""
        self._saved = min(MOST, self._saved + PER_REQUEST)

    def spend(self) -> bool:
        """Take one retry; False when none is left."""
        if self._saved < 1:
            return False
        self._saved -= 1
        return True
