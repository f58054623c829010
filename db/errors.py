"""What callers may catch of the database; asyncpg's own exceptions stay behind `db`."""

from types import TracebackType

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
_VIOLATIONS: tuple[tuple[type[asyncpg.IntegrityConstraintViolationError], type[ConstraintViolation]], ...] = (
    (asyncpg.UniqueViolationError, UniqueViolation),
    (asyncpg.ForeignKeyViolationError, ForeignKeyViolation),
    (asyncpg.CheckViolationError, CheckViolation),
)


class _Translated:
    """A class and not a generator: each statement passes here twice."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, exception_type: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if exception_type is None:
            return
        if isinstance(error, _UNAVAILABLE):
            raise DatabaseUnavailable(type(error).__name__) from error
        for violation, kind in _VIOLATIONS:
            if isinstance(error, violation):
                raise kind(error.constraint_name or "") from error


_TRANSLATED = _Translated()


def translated() -> _Translated:
    """Turn asyncpg's exceptions inside ``with`` into those of this module."""
    return _TRANSLATED
