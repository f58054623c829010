"""Which walls must stand around a document before a parser may look at it."""

from ops.runtime.logging import get_logger
from ops.runtime.settings import Environment
from rag.parse import Wall, standing_walls

log = get_logger(__name__)

WANTED: tuple[Wall, ...] = ("files", "syscalls")


def required_walls(environment: Environment) -> tuple[Wall, ...]:
    """Return the walls without which no document is opened: in production those that hold a parser that was taken over."""
    return WANTED if environment == "production" else ()


async def has_required_walls(environment: Environment) -> bool:
    """Try the walls, log once which are missing, and tell whether documents may be read here.

    Raises:
        SandboxError: the sandbox itself failed.
    """
    standing = await standing_walls()
    missing = [wall for wall in WANTED if wall not in standing]
    if not missing:
        return True
    if required_walls(environment):
        log.error("sandbox_walls_missing", missing=missing, runbook="ops/runbooks/sandbox.md")
        return False
    log.warning("sandbox_walls_missing", missing=missing, runbook="ops/runbooks/sandbox.md")
    return True
