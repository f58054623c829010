"""The last stage: a bounded queue of records that one task writes to `inference_logs` in batches."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from prometheus_client import Counter, Gauge

from db.errors import DatabaseError, DatabaseUnavailable
from db.repositories import inference
from db.repositories.inference import LogRow
from db.unit_of_work import unit_of_work
from inference_gateway.caller import Caller
from inference_gateway.ports import GenerationRecord, Run
from inference_gateway.records.policies import TenantPolicies
from inference_gateway.records.prices import Price
from inference_gateway.records.runs import Runs
from ops.runtime.ids import new_id
from ops.runtime.logging import get_logger
from ops.runtime.telemetry import REGISTRY

log = get_logger(__name__)

MAX_WAITING = 50_000
MAX_RUNS_WAITING = 500
BATCH = 500
FLUSH_SECONDS = 1.0
LAST_FLUSH_SECONDS = 5.0
MAX_NAME_CHARACTERS = 256
WAITING = Gauge("lyceum_gateway_records_waiting", "records that are not written yet", registry=REGISTRY)
LOST = Counter("lyceum_gateway_records_lost_total", "records that were not written", ["why"], registry=REGISTRY)
TOKENS = Counter("lyceum_gateway_tokens_total", "tokens metered", ["upstream", "direction"], registry=REGISTRY)


class _Entry(msgspec.Struct, frozen=True):
    id: UUID
    record: GenerationRecord
    run: Run | None
    finished_at: datetime


class DatabaseMeter:
    """One per process. What cannot be written waits; when 50,000 wait, the next ones are counted and lost."""

    def __init__(
        self, policies: TenantPolicies, runs: Runs | None, prices: Mapping[str, Price], max_waiting: int = MAX_WAITING
    ) -> None:
        self._policies = policies
        self._runs = runs
        self._prices = prices
        self._max_waiting = max_waiting
        self._waiting: deque[_Entry] = deque()
        self._runs_waiting = 0
        self._writing = asyncio.Lock()

    def keeps_text(self, caller: Caller) -> bool:
        """Tell whether a run of this caller would be kept."""
        return self._runs is not None and caller.user_id is not None and self._policies.keeps_text(caller.tenant_id)

    def record(self, entry: GenerationRecord, run: Run | None = None) -> None:
        """Take an entry; never blocks. The run is kept where the tenant consents, and only so many wait."""
        if not entry.cache_hit:
            TOKENS.labels(entry.upstream, "in").inc(entry.prompt_tokens)
            TOKENS.labels(entry.upstream, "out").inc(entry.completion_tokens)
        if len(self._waiting) >= self._max_waiting:
            LOST.labels("overflow").inc()
            return
        if run is not None and (not self.keeps_text(entry.caller) or self._runs_waiting >= MAX_RUNS_WAITING):
            run = None
        self._runs_waiting += run is not None
        self._waiting.append(_Entry(new_id(), entry, run, datetime.now(UTC)))
        WAITING.set(len(self._waiting))

    async def flush(self) -> None:
        """Write what waits; raises `DatabaseUnavailable`, and what was not written waits on."""
        async with self._writing:
            while self._waiting:
                batch = [self._waiting[place] for place in range(min(BATCH, len(self._waiting)))]
                await self._write([await self._row(entry) for entry in batch])
                for entry in batch:
                    self._waiting.popleft()
                    self._runs_waiting -= entry.run is not None
                WAITING.set(len(self._waiting))

    async def run(self) -> None:
        """Write every second until cancelled."""
        away = False
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
                away = False
            except DatabaseError as error:
                if not away:
                    log.warning("records_wait", waiting=len(self._waiting), error=type(error).__name__)
                away = True
            except Exception as error:  # noqa: BLE001 - a fault of ours must not end the writing of all others
                log.error("records_wait", waiting=len(self._waiting), error=type(error).__name__)  # noqa: TRY400 - rows hold people

    async def close(self) -> None:
        """Write what is left; gives up after 5 s without a database, and says how many were lost."""
        until = time.monotonic() + LAST_FLUSH_SECONDS
        while self._waiting and time.monotonic() < until:
            try:
                await self.flush()
            except DatabaseError:
                await asyncio.sleep(0.2)
        if self._waiting:
            LOST.labels("stopped").inc(len(self._waiting))
            log.error("records_lost", count=len(self._waiting))

    async def _row(self, entry: _Entry) -> LogRow:
        record, caller = entry.record, entry.record.caller
        price = None if record.cache_hit else self._prices.get(record.upstream)
        sealed = None
        if entry.run is not None and self._runs is not None and caller.user_id is not None:
            sealed = await self._runs.sealed(entry.run, entry.id, caller.user_id)
        return LogRow(
            id=entry.id,
            tenant_id=caller.tenant_id,
            user_id=caller.user_id,
            course_id=caller.course_id,
            request_id=_name(record.request_id),
            purpose=_name(caller.purpose),
            asked_model=_name(record.asked_model),
            model=_name(record.model),
            model_hash=record.model_hash,
            adapter_id=_name(record.adapter_id),
            upstream=record.upstream,
            degraded=record.degraded,
            cache_hit=record.cache_hit,
            finish_reason=record.finish_reason,
            error_code=record.error_code,
            prompt_tokens=record.prompt_tokens,
            completion_tokens=record.completion_tokens,
            queue_seconds=record.queue_seconds,
            first_token_seconds=record.first_token_seconds,
            total_seconds=record.total_seconds,
            cost=None if price is None else price.of(record.prompt_tokens, record.completion_tokens),
            temperature=record.temperature,
            seed=record.seed,
            prompt_sha256=record.prompt_sha256,
            text_sealed=sealed,
            finished_at=entry.finished_at,
        )

    async def _write(self, rows: Sequence[LogRow]) -> None:
        """Write rows; one that the database refuses is lost alone."""
        try:
            async with unit_of_work() as uow:
                await inference.add_logs(uow, rows)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one row, the others are written
            if len(rows) == 1:
                LOST.labels("refused").inc()
                log.error("record_refused", log_id=str(rows[0].id), error=type(error).__name__)  # noqa: TRY400 - rows hold people
                return
            middle = len(rows) // 2
            await self._write(rows[:middle])
            await self._write(rows[middle:])


def _name(text: str) -> str:
    """Return what a caller sent as far as PostgreSQL stores it."""
    return text.replace("\x00", "")[:MAX_NAME_CHARACTERS]
