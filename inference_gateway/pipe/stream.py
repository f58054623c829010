"""The fourth stage: ask one upstream after the other until the first piece has come; from then on it is that one's answer."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from inference_gateway.contract import ChatDelta
from inference_gateway.errors import (
    GatewayError,
    GatewayOverloaded,
    GenerationUnavailable,
    RequestRefused,
    UpstreamBroken,
    UpstreamTimeout,
)
from inference_gateway.pipe.validate import Valid
from inference_gateway.routing import metrics
from inference_gateway.routing.breaker import Pass
from inference_gateway.routing.budget import RetryBudget
from inference_gateway.routing.member import Member
from inference_gateway.routing.router import Choice, Route
from inference_gateway.upstreams.deadlines import Deadlines, Ending, with_deadlines
from inference_gateway.upstreams.protocol import Adapting
from ops.runtime.logging import get_logger

log = get_logger(__name__)

RETRY_PAUSE_SECONDS = (0.02, 0.08)
BUSY_RETRY_SECONDS = 2


class Opened(msgspec.Struct, frozen=True):
    """An answer that has begun. `rest` is what follows the first piece; closing it ends the request upstream."""

    member: Member
    degraded: bool
    with_adapter: bool
    first: ChatDelta
    rest: AsyncGenerator[ChatDelta, None]

    async def all(self) -> AsyncGenerator[ChatDelta, None]:
        """Yield the first piece and the rest, each marked where the answer is a lesser one."""
        yield self._marked(self.first)
        async for delta in self.rest:
            yield self._marked(delta)

    def _marked(self, delta: ChatDelta) -> ChatDelta:
        return msgspec.structs.replace(delta, degraded=True) if self.degraded and not delta.degraded else delta


async def open_first(route: Route, valid: Valid, retries: RetryBudget, ending: Ending) -> Opened:
    """Return the first answer that begins, from the best upstream that gives one; for a request that waits for the whole
    answer, the first one that ends well.

    Raises:
        GatewayError: what the upstreams said: that they have too much to do, if one did, else the last one's fault.
        GenerationUnavailable: the breakers let nothing through.
    """
    retries.earn()
    failure: GatewayError | None = None
    for place, choice in enumerate(route.choices):
        last = place == len(route.choices) - 1
        for attempt in range(2):
            try:
                return await _open(choice, valid, ending, last=last)
            except RequestRefused:
                raise
            except GatewayError as error:
                failure = failure if isinstance(failure, GatewayOverloaded) else error
                if attempt or not _may_repeat(error, choice.member, retries):
                    break
            await asyncio.sleep(random.uniform(*RETRY_PAUSE_SECONDS))  # noqa: S311 - no secret
    raise failure or GenerationUnavailable


def _may_repeat(error: GatewayError, member: Member, retries: RetryBudget) -> bool:
    """A connection that broke may only have been an old one; silence and refusals say the same the second time."""
    if not isinstance(error, UpstreamBroken) or isinstance(error, UpstreamTimeout):
        return False
    if member.breaker.state != "closed" or not retries.spend():
        return False
    metrics.RETRIES.labels(member.name).inc()
    return True


async def _open(choice: Choice, valid: Valid, ending: Ending, *, last: bool) -> Opened:
    member = choice.member
    if member.full:
        raise GatewayOverloaded(f"{member.name} has too much to do.", retry_after_seconds=BUSY_RETRY_SECONDS)
    leave = member.breaker.enter()
    if leave is None:
        wait = max(1, round(member.breaker.seconds_until_probe))
        raise GenerationUnavailable(
            "The generation server failed lately and is given a rest.", retry_after_seconds=wait
        )
    adapter = valid.adapter if valid.adapter is not None and member.serves(valid.adapter) else None
    rest = _answer(member, leave, valid, _patience(member.deadlines, last), ending, with_adapter=adapter is not None)
    if valid.request.whole:
        rest = _replay([delta async for delta in rest])
    first = await anext(rest)
    degraded = choice.stands_in or first.degraded or (valid.adapter is not None and adapter is None)
    return Opened(member, degraded, adapter is not None and not first.degraded, first, rest)


async def _replay(deltas: list[ChatDelta]) -> AsyncGenerator[ChatDelta, None]:
    for delta in deltas:
        yield delta


def _patience(deadlines: Deadlines, last: bool) -> Deadlines:
    """Leave half of the time for those who stand in."""
    return deadlines if last else msgspec.structs.replace(deadlines, first_seconds=deadlines.first_seconds / 2)


async def _answer(
    member: Member, leave: Pass, valid: Valid, deadlines: Deadlines, ending: Ending, *, with_adapter: bool
) -> AsyncGenerator[ChatDelta, None]:
    """Yield one upstream's answer from its first piece with content on, and judge the upstream by how it ends."""
    began_at = time.perf_counter()
    member.began()
    failure: BaseException | None = None
    begun = finished = False
    try:
        source = _source(member, valid, with_adapter=with_adapter)
        async with aclosing(with_deadlines(source, deadlines, ending)) as deltas:
            async for delta in deltas:
                if not begun:
                    if not (delta.text or delta.tool_calls or delta.finish_reason):
                        continue
                    begun = True
                    member.first_piece(leave, time.perf_counter() - began_at)
                finished = finished or delta.finish_reason is not None
                yield delta
        if not finished:
            failure = UpstreamBroken("The generation server ended without saying why.")
    except GatewayError as error:
        failure = error
        raise
    except Exception as error:
        log.exception("upstream_failed_unforeseen", upstream=member.name)
        failure = UpstreamBroken("The generation server failed in a way nobody foresaw.")
        raise failure from error
    except BaseException as error:
        failure = error
        raise
    finally:
        member.ended(leave, failure, time.perf_counter() - began_at)
    if failure is not None:
        raise failure


def _source(member: Member, valid: Valid, *, with_adapter: bool) -> AsyncGenerator[ChatDelta, None]:
    adapter = valid.adapter if with_adapter else None
    request = msgspec.structs.replace(
        valid.request, model=member.upstream.model, adapter=adapter.id if adapter is not None else ""
    )
    if adapter is not None and isinstance(member.upstream, Adapting):
        return member.upstream.stream_with(request, adapter)
    return member.upstream.stream(request)
