"""What callers may catch of the database; asyncpg's own exceptions stay behind `db`."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg


class DatabaseError(Exception):
    """Base of the errors below."""


class DatabaseUnavailable(DatabaseError):
    """PostgreSQL cannot be reached, is starting, stopping, or has no connection left."""


class ConstraintViolation(DatabaseError):
    """A row broke the constraint named `constraint`."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class UniqueViolation(ConstraintViolation):
    """A live row with the same key exists."""


class ForeignKeyViolation(ConstraintViolation):
    """A row points at nothing, or is still pointed at."""


class CheckViolation(ConstraintViolation):
    """A value lies outside what the column allows."""


class LeaseLost(DatabaseError):
    """The job belongs to a later attempt, or has ended: nothing of this attempt may be written any more."""


_UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server ended the session between two statements
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)


@contextmanager
def translated() -> Iterator[None]:
    """Turn asyncpg's exceptions into those of this module."""
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        raise UniqueViolation(error.constraint_name or "") from error
    except asyncpg.ForeignKeyViolationError as error:
        raise ForeignKeyViolation(error.constraint_name or "") from error
    except asyncpg.CheckViolationError as error:
        raise CheckViolation(error.constraint_name or "") from error
    except _UNAVAILABLE as error:
        raise DatabaseUnavailable(type(error).__name__) from error
