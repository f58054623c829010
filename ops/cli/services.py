"""Opens what the services need, for commands that act without a request, and turns their errors into sentences."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

from backend.errors import LyceumError
from backend.identity.errors import DemoAccountsPresent
from backend.identity.service import close_identity, open_identity, refuse_demo_accounts
from db.dispatch import close_dispatch, open_dispatch
from db.engine import close_database, open_database
from db.errors import DatabaseError
from ops.cli.errors import CommandFailed
from ops.local.addresses import running_settings
from ops.runtime.logging import configure_logging
from ops.runtime.objects import ObjectStore
from ops.runtime.redis import RedisError, open_redis
from ops.runtime.settings import Settings, load_settings

Result = TypeVar("Result")
POOL_SIZE = 4


def service_settings() -> Settings:
    """Return the settings of a command that reads and writes the database."""
    return running_settings(load_settings(), ["postgres", "valkey"])


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[ObjectStore]:
    """Open database, broker and identity; lend the object store."""
    configure_logging("cli", "warning")
    async with AsyncExitStack() as stack:
        redis = open_redis(settings.redis_url)
        stack.push_async_callback(redis.aclose)
        open_identity(settings, redis)
        stack.callback(close_identity)
        open_dispatch(settings.broker_url)
        stack.callback(close_dispatch)
        await open_database(settings, pool_size=POOL_SIZE)
        stack.push_async_callback(close_database)
        yield ObjectStore.from_url(settings.object_store_url)


def run_with_services(work: Coroutine[Any, Any, Result]) -> Result:
    """Run `work` to its end.

    Raises:
        CommandFailed: a service refused, or a server does not answer.
    """
    try:
        return asyncio.run(work)
    except DemoAccountsPresent as error:
        raise CommandFailed(str(error)) from error
    except LyceumError as error:
        details = "; ".join(each.detail for each in error.errors)
        raise CommandFailed(details or str(error)) from error
    except DatabaseError as error:
        raise CommandFailed(f"PostgreSQL does not answer as it should: {error}") from error
    except RedisError as error:
        raise CommandFailed(f"Redis does not answer: {type(error).__name__}") from error


def refuse_demo_people(settings: Settings) -> None:
    """Ask the database before production serves from it.

    Raises:
        CommandFailed: demo people are in it, or it does not answer.
    """

    async def work() -> None:
        async with open_services(settings):
            await refuse_demo_accounts()

    run_with_services(work())
