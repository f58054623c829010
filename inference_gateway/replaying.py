"""Running an answer again from its record, against the gateway that runs now."""

from contextlib import aclosing
from uuid import UUID

import msgspec

from db.repositories import inference, quotas
from db.repositories.inference import LogRow
from inference_gateway.client import GatewayClient
from inference_gateway.contract import AnswerFacts, ChatRequest
from inference_gateway.errors import GatewayError
from inference_gateway.ports import Run
from inference_gateway.records.runs import Runs


class ReplayImpossible(Exception):
    """The answer cannot be run again; the message says why."""


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What was said then and what is said now, by the model of then."""

    log_id: UUID
    request_id: str
    model: str
    temperature: float
    seed: int | None
    then: str
    now: str

    @property
    def is_same(self) -> bool:
        """Whether it is the same text, character by character."""
        return self.then == self.now


def runs_of(master_key: bytes) -> Runs:
    """Return what opens runs."""
    return Runs(master_key)


async def records_of(identifier: str) -> list[LogRow]:
    """Return the record of that id, or those of the request with that id, the first first.

    Raises:
        ReplayImpossible: there is none.
    """
    try:
        row = await inference.find_log(UUID(identifier))
    except ValueError:
        row = None
    rows = [row] if row is not None else await inference.logs_of_request(identifier)
    if not rows:
        raise ReplayImpossible(f"nothing is recorded under {identifier}: give a request's id or a record's")
    return rows


async def replay(row: LogRow, runs: Runs, gateway: GatewayClient) -> Replayed:
    """Ask again what was asked, of the same model; no answer is taken from a cache or kept in one.

    It counts for nobody, and no quota is charged; but where a person's adapter answered it counts for that person.

    Raises:
        ReplayImpossible: no text was kept, what was asked came out by chance, the model is another, or the gateway refuses.
    """
    run = await _opened(row, runs)
    if run.request.temperature > 0 and run.request.seed is None:
        raise ReplayImpossible("it was asked for at a temperature and without a seed: each run gives another text")
    await _check_model(row, gateway)
    now, facts = await _ask(_again(run.request, row), gateway)
    if facts.model != row.model or facts.degraded != row.degraded:
        raise ReplayImpossible(f"{facts.model} answered in place of {row.model}")
    return Replayed(
        log_id=row.id,
        request_id=row.request_id,
        model=row.model,
        temperature=run.request.temperature,
        seed=run.request.seed,
        then=run.answer,
        now=now,
    )


async def _opened(row: LogRow, runs: Runs) -> Run:
    """Return the run, if the tenant consents still."""
    if row.tenant_id is None or row.user_id is None:
        raise ReplayImpossible("it was asked for nobody: no text was kept")
    consented_at = (await quotas.policy_of(row.tenant_id)).consented_at
    if consented_at is None or consented_at > row.finished_at:
        raise ReplayImpossible("the institution does not consent to keeping texts, or did not then")
    if row.text_sealed is None:
        raise ReplayImpossible("no text was kept, or its 30 days are over")
    run = await runs.opened(row.text_sealed, row.id, row.user_id)
    if run is None:
        raise ReplayImpossible("the key of the person who asked is gone, and with it the text")
    if row.error_code:
        raise ReplayImpossible(f"it did not end well then: {row.error_code}")
    return run


async def _check_model(row: LogRow, gateway: GatewayClient) -> None:
    try:
        overview = await gateway.upstreams()
    except GatewayError as error:
        raise ReplayImpossible(error.detail) from error
    upstream = next((one for one in overview.upstreams if one.name == row.upstream), None)
    if upstream is None:
        raise ReplayImpossible(f"the upstream {row.upstream}, which answered then, is not set up any more")
    if upstream.model_hash != row.model_hash:
        raise ReplayImpossible(f"{row.upstream} has another model now")


def _again(request: ChatRequest, row: LogRow) -> ChatRequest:
    """Return the request outside every cache; with an adapter it is its owner's, else nobody's, so that no quota is charged."""
    owner = {"tenant_id": row.tenant_id, "user_id": row.user_id} if request.adapter else {}
    nobody = {"tenant_id": None, "user_id": None, "course_id": None}
    return msgspec.structs.replace(request, cache_scope="", cache_documents=(), **(nobody | owner))


async def _ask(request: ChatRequest, gateway: GatewayClient) -> tuple[str, AnswerFacts]:
    said: list[str] = []
    facts = AnswerFacts()
    try:
        async with aclosing(gateway.stream_chat(request)) as deltas:
            async for delta in deltas:
                said.append(delta.text)
                facts = delta.facts or facts
    except GatewayError as error:
        raise ReplayImpossible(f"the gateway does not answer it: {error.detail}") from error
    return "".join(said), facts
