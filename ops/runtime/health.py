"""Health of one process: named checks, run side by side, each with its own time limit."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

Check = Callable[[], Awaitable[None]]
Status = Literal["up", "loading", "down"]
DETAIL_CHARACTERS = 200


class StillLoading(Exception):
    """Raised by a check whose component is on its way up."""


class ComponentHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found; `detail` is empty when the component is up."""

    name: str
    status: Status
    required: bool
    detail: str
    took_ms: float


class HealthReport(msgspec.Struct, frozen=True, kw_only=True):
    """`ready` when all required components are up, `degraded` when only others are not, else `unavailable`."""

    status: Literal["ready", "degraded", "unavailable"]
    components: list[ComponentHealth]

    @property
    def ready(self) -> bool:
        """Tell whether the process can do its work."""
        return self.status != "unavailable"


class HealthRegistry:
    """The checks of one process, in the order they were added."""

    def __init__(self) -> None:
        self._checks: dict[str, tuple[Check, bool, float]] = {}

    def add(self, name: str, check: Check, required: bool = True, timeout_seconds: float = 2.0) -> None:
        """Add a check: it returns when `name` is up, raises `StillLoading` or, when it is down, anything else."""
        self._checks[name] = (check, required, timeout_seconds)

    async def run(self) -> HealthReport:
        """Run all checks at once; takes no longer than the largest time limit."""
        components = await asyncio.gather(*(self._run_one(name) for name in self._checks))
        missing = [component for component in components if component.status != "up"]
        if any(component.required for component in missing):
            return HealthReport(status="unavailable", components=list(components))
        return HealthReport(status="degraded" if missing else "ready", components=list(components))

    async def _run_one(self, name: str) -> ComponentHealth:
        check, required, timeout_seconds = self._checks[name]
        started = time.perf_counter()
        status: Status = "up"
        detail = ""
        try:
            async with asyncio.timeout(timeout_seconds):
                await check()
        except StillLoading as error:
            status, detail = "loading", str(error)
        except TimeoutError:
            status, detail = "down", f"no answer within {timeout_seconds:g} s"
        except Exception as error:  # noqa: BLE001 - whatever a driver raises, the component is down
            status, detail = "down", _describe(error)
        took_ms = round((time.perf_counter() - started) * 1000, 1)
        return ComponentHealth(name=name, status=status, required=required, detail=detail, took_ms=took_ms)


def _describe(error: Exception) -> str:
    """Name the error's kind only: its text may carry an address with a password."""
    return type(error).__name__[:DETAIL_CHARACTERS]
