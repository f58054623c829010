"""Opens what stands behind the pipe where there are a database and Redis: quotas, cache, records, adapters."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec

from db.errors import DatabaseError
from db.watch import watched_database
from inference_gateway.adapters.serving import Serving
from inference_gateway.cache.answers import AnswerCache
from inference_gateway.limits.accounts import Accounts
from inference_gateway.limits.admission import FairAdmission
from inference_gateway.limits.permits import PermitLimits, Permits
from inference_gateway.ports import Ports
from inference_gateway.records.meter import DatabaseMeter
from inference_gateway.records.policies import REFRESH_SECONDS, TenantPolicies
from inference_gateway.records.prices import Price
from inference_gateway.records.runs import Runs
from inference_gateway.routing.file import RoutingFile, read_routes
from ops.runtime.crypto import decode_key
from ops.runtime.logging import get_logger
from ops.runtime.redis import Redis, RedisError, open_redis
from ops.runtime.settings import Settings

log = get_logger(__name__)

POOL_SIZE = 4
OPEN_SECONDS = 2.0
RECONCILE_SECONDS = 60.0


@asynccontextmanager
async def open_stores(settings: Settings, unset: Ports, adapters: Serving | None = None) -> AsyncIterator[Ports]:
    """Lend `unset` with what `DATABASE_URL` and `REDIS_URL` allow in place of it; closing writes the last records.

    Without a database there are fair permits but neither quotas nor records; without Redis no cache, and half the quotas.
    """
    async with AsyncExitStack() as stack:
        redis = open_redis(settings.redis_url) if settings.redis_url else None
        if redis is not None:
            stack.push_async_callback(redis.aclose)
            cache = AnswerCache(redis, decode_key(settings.service_key))
            unset = msgspec.structs.replace(unset, cache=cache)
        if adapters is not None:
            unset = msgspec.structs.replace(unset, adapters=adapters.gate)
        routes = read_routes(settings.routes) if settings.routes is not None else None
        policies = TenantPolicies()
        accounts: Accounts | None = None
        if settings.database_url:
            await stack.enter_async_context(watched_database(settings, pool_size=POOL_SIZE, wait_seconds=OPEN_SECONDS))
            meter = await stack.enter_async_context(_metering(settings, routes, policies))
            unset = msgspec.structs.replace(unset, meter=meter, text_may_leave=policies.text_may_leave)
            accounts = await stack.enter_async_context(_accounting(redis, meter))
        admission = FairAdmission(Permits(_limits(routes)), accounts, policies.weight)
        stack.push_async_callback(admission.close)
        log.info(
            "stores_opened",
            quotas=accounts is not None,
            cache=redis is not None,
            records=accounts is not None,
            adapters=adapters is not None,
        )
        yield msgspec.structs.replace(unset, admission=admission)


@asynccontextmanager
async def _metering(
    settings: Settings, routes: RoutingFile | None, policies: TenantPolicies
) -> AsyncIterator[DatabaseMeter]:
    runs = Runs(decode_key(settings.master_key)) if settings.master_key else None
    meter = DatabaseMeter(policies, runs, _prices(routes))
    async with _beside(meter.run()), _beside(_repeat("policies_not_read", REFRESH_SECONDS, policies.refresh)):
        try:
            yield meter
        finally:
            await meter.close()


@asynccontextmanager
async def _accounting(redis: Redis | None, meter: DatabaseMeter) -> AsyncIterator[Accounts]:
    accounts = Accounts(redis, meter.flush)

    async def reconcile() -> None:
        await accounts.reconcile()

    async with _beside(_repeat("quotas_not_reconciled", RECONCILE_SECONDS, reconcile)):
        yield accounts


def _limits(routes: RoutingFile | None) -> PermitLimits:
    return PermitLimits() if routes is None else PermitLimits.of(routes.permits)


def _prices(routes: RoutingFile | None) -> Mapping[str, Price]:
    upstreams = {} if routes is None else routes.upstreams
    return {name: entry.price for name, entry in upstreams.items() if entry.price is not None}


async def _repeat(complaint: str, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do it at once, and again after each pause; what fails is tried again next time."""
    while True:
        try:
            await work()
        except (DatabaseError, RedisError) as error:
            log.warning(complaint, error=type(error).__name__)
        except Exception:
            log.exception(complaint)  # a fault of ours: what tenants allow must not stand still for it
        await asyncio.sleep(seconds)


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
    task.add_done_callback(_tell_failure)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _tell_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("background_work_ended", exc_info=error)
