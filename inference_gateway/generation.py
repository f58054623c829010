"""Generation behind one door: the pipe admit, validate, route, stream, meter."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any

import msgspec

from inference_gateway.cache.keys import tags_of
from inference_gateway.caller import Caller
from inference_gateway.contract import ChatDelta, ChatRequest, Usage
from inference_gateway.errors import GatewayUnavailable
from inference_gateway.pipe.admit import admit
from inference_gateway.pipe.answer import Answer, Facts
from inference_gateway.pipe.meter import Ledger, draft_of
from inference_gateway.pipe.stream import Opened, open_first
from inference_gateway.pipe.validate import Valid, validate
from inference_gateway.ports import CachedAnswer, Ports, Run
from inference_gateway.routing import metrics
from inference_gateway.routing.member import Member
from inference_gateway.routing.router import Route, Router
from inference_gateway.unset import unset_ports
from inference_gateway.upstreams.deadlines import Ending
from inference_gateway.upstreams.protocol import Loading

__all__ = ["Answer", "Facts", "Generation"]

NO_USAGE = Usage(prompt_tokens=0, completion_tokens=0)


class Generation:
    """All that generates text, behind `open`."""

    def __init__(self, router: Router, ports: Ports | None = None) -> None:
        self.router = router
        self.ports = ports or unset_ports()
        self._draining = False
        self._ending = Ending()
        self._behind: set[asyncio.Task[None]] = set()

    @property
    def ports(self) -> Ports:
        """What stands behind the pipe; with it comes what tenants allow, which the router heeds from then on."""
        return self._ports

    @ports.setter
    def ports(self, ports: Ports) -> None:
        self._ports = ports
        self.router.policy.consents = ports.text_may_leave

    @property
    def model(self) -> str | None:
        """Name of the model that an empty name means, or None where no upstream is set up."""
        return next(iter(self.router.aliases.names), None)

    @property
    def answers(self) -> int:
        """How many are under way at an upstream."""
        return sum(member.in_flight for member in self.router.members.values())

    def open(self, request: ChatRequest, caller: Caller) -> Answer:
        """Return the answer; nothing happens until its first delta is awaited, which raises what can go wrong before.

        Raises (from `deltas`):
            GenerationUnavailable: there is no upstream, or none can be reached.
            ModelUnknown, AdapterUnknown: not served here, or not to this caller.
            GatewayOverloaded: all permits are taken, a quota is used up, or the upstreams say so.
            UpstreamBroken: an upstream broke off or fell silent.
            GatewayUnavailable: the gateway is stopping.
        """
        answer = Answer()
        answer.deltas = self._flow(request, caller, answer)
        return answer

    async def _flow(self, request: ChatRequest, caller: Caller, answer: Answer) -> AsyncGenerator[ChatDelta, None]:
        if self._draining:
            raise GatewayUnavailable("The gateway is stopping.", retry_after_seconds=1)
        async with admit(self.ports.admission, request, caller) as admitted:
            ledger, draft = Ledger(), draft_of(admitted)
            said: list[str] | None = [] if self.ports.meter.keeps_text(caller) else None
            failure: BaseException | None = None
            try:
                answer.facts = msgspec.structs.replace(answer.facts, remaining=admitted.grant.remaining)
                valid = await validate(admitted, self.router.aliases, self.ports.adapters)
                async with aclosing(self._answer(valid, answer)) as deltas:
                    async for delta in deltas:
                        ledger.count(delta, admitted.grant)
                        if said is not None:
                            said.append(delta.text)
                        yield delta
            except BaseException as error:
                failure = error
                raise
            finally:
                free = answer.facts.cache == "hit"
                admitted.grant.settle(NO_USAGE if free else ledger.spent(request))
                run = Run(request=request, answer="".join(said)) if said is not None else None
                self.ports.meter.record(ledger.record(request, answer.facts, failure, draft), run)

    async def _answer(self, valid: Valid, answer: Answer) -> AsyncGenerator[ChatDelta, None]:
        route = self.router.route(valid.alias, valid.caller.tenant_id, valid.adapter.sha256 if valid.adapter else "")
        model_hash = route.choices[0].member.model_hash
        key = self.ports.cache.key(valid.request, valid.caller, model_hash, valid.adapter)
        if key is not None and (known := await self.ports.cache.get(key)) is not None:
            answer.facts = _facts_of(known, valid, msgspec.structs.replace(answer.facts, model_hash=model_hash))
            for delta in known.deltas:
                yield delta
            return
        opened = await open_first(route, valid, self.router.retries, self._ending)
        self._note(route, opened, valid, answer, cacheable=key is not None)
        kept: list[ChatDelta] | None = [] if key and not opened.degraded else None
        async with aclosing(opened.rest):
            async for delta in opened.all():
                if kept is not None:
                    kept.append(delta)
                yield delta
        if key and kept and opened.member.model_hash == model_hash:
            whole = CachedAnswer(deltas=tuple(kept), model=answer.facts.model, upstream=answer.facts.upstream)
            self._after(self.ports.cache.put(key, whole, tags_of(valid.request, valid.caller)))

    def _note(self, route: Route, opened: Opened, valid: Valid, answer: Answer, *, cacheable: bool) -> None:
        member = opened.member
        if member not in route.alias.stages[0]:
            metrics.FALLBACKS.labels(route.alias.name, member.name).inc()
        answer.facts = msgspec.structs.replace(
            answer.facts,
            model=opened.first.model or member.upstream.model,
            model_hash=member.model_hash,
            upstream=member.name,
            degraded=opened.degraded,
            adapter=valid.adapter.id if valid.adapter is not None and opened.with_adapter else "",
            cache="miss" if cacheable else "bypass",
        )

    def _after(self, work: Coroutine[Any, Any, None]) -> None:
        """Finish in the background, whatever happens to the request; `close` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)

    @property
    def loads(self) -> bool:
        """Tell whether a model is loaded into this process, so that the gateway is not ready before it is."""
        return bool(self._loading)

    def start(self) -> None:
        """Load the models that run in this process."""
        for upstream in self._loading:
            upstream.start()

    async def settled(self) -> None:
        """Health check: raises `StillLoading` while a model is loaded into this process; a failed one is settled too."""
        for upstream in self._loading:
            await upstream.settled()

    async def check(self) -> None:
        """Health check: one upstream of the default model must be well; raises what the last one says."""
        failure: Exception | None = None
        for member in self._default_members:
            try:
                await member.upstream.check()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next one may be well
                failure = error
            else:
                return
        if failure is not None:
            raise failure

    def drain(self) -> None:
        """Take no more requests; what is under way flows on."""
        self._draining = True

    def end(self) -> None:
        """End the answers that still flow with an error of their own, and take no more."""
        self._draining = True
        self._ending.come()

    async def close(self) -> None:
        """Finish what is owed, and close the upstreams' connections."""
        if self._behind:
            await asyncio.gather(*self._behind, return_exceptions=True)
        for member in self.router.members.values():
            await member.upstream.close()

    @property
    def _loading(self) -> list[Loading]:
        return [one.upstream for one in self.router.members.values() if isinstance(one.upstream, Loading)]

    @property
    def _default_members(self) -> list[Member]:
        default = self.router.aliases.default
        return [member for stage in default.stages for member in stage] if default is not None else []


def _facts_of(known: CachedAnswer, valid: Valid, facts: Facts) -> Facts:
    adapter = valid.adapter.id if valid.adapter else ""
    return msgspec.structs.replace(facts, model=known.model, upstream=known.upstream, adapter=adapter, cache="hit")
