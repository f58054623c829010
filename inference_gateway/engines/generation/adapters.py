"""The adapters of an engine, each in one state. The engine's thread owns them all: what happens elsewhere comes as a result.

absent -> fetching -> verified -> loading -> ready -> evicting -> absent, and failed from fetching, verified or loading.
Loads and deletes happen between two steps, one load a step; what a running sequence uses is never unloaded.
"""

import asyncio
import queue
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from inference_gateway.adapters.faults import (
    AdapterFault,
    BaseDiffers,
    ManifestMismatch,
    NoRoom,
    StoreUnavailable,
)
from inference_gateway.adapters.library import Artefact
from inference_gateway.adapters.names import AdapterName
from inference_gateway.adapters.supply import AdapterLimits, AdapterSource
from inference_gateway.engines.generation import metrics
from inference_gateway.engines.generation.memory import is_exhausted, release
from inference_gateway.engines.generation.model import LanguageModel
from inference_gateway.engines.generation.probe import check_probe
from inference_gateway.engines.generation.sequence import Sequence
from inference_gateway.ports import AuthorisedAdapter
from ops.runtime.logging import get_logger

log = get_logger(__name__)

State = Literal["absent", "fetching", "verified", "loading", "ready", "evicting", "failed"]
NEXT: Final[dict[State, frozenset[State]]] = {
    "absent": frozenset({"fetching"}),
    "fetching": frozenset({"verified", "failed"}),
    "verified": frozenset({"loading", "failed", "absent"}),
    "loading": frozenset({"ready", "failed"}),
    "ready": frozenset({"evicting"}),
    "evicting": frozenset({"absent"}),
    "failed": frozenset({"absent"}),
}


@dataclass
class Place:
    """One adapter. `artefact` is there from verified to the end of loading, `size_bytes` counts once it is loaded."""

    adapter: AuthorisedAdapter
    loop: asyncio.AbstractEventLoop
    state: State = "absent"
    since: float = field(default_factory=time.monotonic)
    used_at: float = 0.0
    artefact: Artefact | None = None
    size_bytes: int = 0
    is_pinned: bool = False
    is_revoked: bool = False

    def move(self, state: State) -> None:
        """Go on to another state; raises `RuntimeError` for one that does not follow."""
        if state not in NEXT[self.state]:
            raise RuntimeError(f"an adapter cannot go from {self.state} to {state}")
        self.state, self.since = state, time.monotonic()

    def is_of(self, adapter: AuthorisedAdapter) -> bool:
        """Tell whether it is the same adapter of the same owner, not merely of the same name."""
        mine = self.adapter
        return (mine.id, mine.owner_id, mine.tenant_id) == (adapter.id, adapter.owner_id, adapter.tenant_id)


class Adapters:
    """Brings adapters in for the sequences that wait, and out again, least recently used first."""

    def __init__(
        self, model: LanguageModel, source: AdapterSource, limits: AdapterLimits, wake: Callable[[], None]
    ) -> None:
        self.places: dict[str, Place] = {}
        self._model = model
        self._source = source
        self._limits = limits
        self._wake = wake
        self._fetched: queue.SimpleQueue[tuple[str, Artefact | AdapterFault]] = queue.SimpleQueue()
        self._swept: queue.SimpleQueue[set[str]] = queue.SimpleQueue()
        self._swept_at = time.monotonic()
        self._running: set[Future[Any]] = set()

    def work(self, waiting: Iterable[Sequence], in_use: set[str]) -> None:
        """Do what can be done between two steps. `in_use` are the adapters of sequences that run."""
        self._take_fetched()
        wanted = self._want(waiting)
        self._forget(wanted)
        self._sweep(in_use)
        for name in wanted:
            place = self.places.get(name)
            if place is not None and place.state == "verified" and self._load(place, keep=in_use | wanted.keys()):
                break

    def can_serve(self, sequence: Sequence) -> bool:
        """Tell whether a waiting sequence can run now; one whose adapter cannot be had can, with the base model."""
        adapter = sequence.adapter
        if adapter is None:
            return True
        place = self.places.get(adapter.id)
        if place is not None and not place.is_of(adapter):
            log.error("adapter_of_another_owner", adapter_id=adapter.id)
            self._degrade(sequence)
        elif place is not None and place.state == "ready" and not place.is_revoked:
            place.used_at = time.monotonic()
            return True
        elif place is not None and place.state == "failed":
            self._degrade(sequence)
        elif time.monotonic() - sequence.created_at > self._limits.patience_seconds:
            log.warning("adapter_not_in_time", adapter_id=adapter.id, state=place.state if place else "absent")
            self._degrade(sequence)
        return sequence.adapter is None

    def _degrade(self, sequence: Sequence) -> None:
        sequence.degrade()
        metrics.ADAPTER_DEGRADED.inc()

    def _want(self, waiting: Iterable[Sequence]) -> dict[str, None]:
        """Begin to fetch what waiting sequences need; return the names, first come first."""
        wanted: dict[str, None] = {}
        for sequence in waiting:
            if (adapter := sequence.adapter) is None:
                continue
            place = self.places.setdefault(adapter.id, Place(adapter, sequence.outlet.loop))
            if not place.is_of(adapter):
                continue
            wanted[adapter.id] = None
            if place.state == "absent":
                place.loop = sequence.outlet.loop
                place.move("fetching")
                self._start(place.loop, self._fetch(adapter))
        return wanted

    def _take_fetched(self) -> None:
        while not self._fetched.empty():
            name, result = self._fetched.get()
            place = self.places[name]
            if place.state != "fetching":
                continue  # it came too late
            if isinstance(result, AdapterFault):
                self._fail(place, result, is_noted=True)
            else:
                place.artefact, place.is_pinned = result, result.is_pinned
                place.move("verified")

    def _forget(self, wanted: dict[str, None]) -> None:
        """Let go of failures that may be over, of fetches that never ended and of weights nobody waits for."""
        now = time.monotonic()
        for name, place in list(self.places.items()):
            if place.state == "fetching" and now - place.since > 2 * self._limits.fetch_seconds:
                self._fail(place, StoreUnavailable())
            elif (place.state == "failed" and now - place.since > self._limits.retry_seconds) or (
                place.state == "verified" and name not in wanted
            ):
                place.move("absent")
            if place.state == "absent":
                del self.places[name]

    def _load(self, place: Place, keep: set[str]) -> bool:
        """Load verified weights; False when there is no room yet."""
        artefact = place.artefact
        assert artefact is not None
        try:
            self._check(place, artefact)
            if not self._make_room(len(artefact.weights), keep):
                return False
            place.move("loading")
            began_at = time.monotonic()
            place.size_bytes = self._model.adapters.load(artefact.manifest, artefact.weights)
            check_probe(self._model, artefact.manifest)
        except AdapterFault as fault:
            self._fail(place, fault)
        except Exception as error:
            self._model.adapters.delete(place.adapter.id)
            if is_exhausted(error):
                release(self._model.device)
            else:
                log.exception("adapter_load_failed", adapter_id=place.adapter.id)
            self._fail(place, NoRoom() if is_exhausted(error) else AdapterFault())
        else:
            place.artefact, place.used_at = None, time.monotonic()
            place.move("ready")
            metrics.ADAPTER_LOADS.labels("ready").inc()
            metrics.ADAPTER_LOAD_SECONDS.observe(time.monotonic() - began_at)
        self._show()
        return True

    def _check(self, place: Place, artefact: Artefact) -> None:
        """The weights are those that were authorised, for the model that is here."""
        manifest, adapter = artefact.manifest, place.adapter
        if (str(manifest.name), manifest.owner_id, manifest.tenant_id) != (
            adapter.id,
            adapter.owner_id,
            adapter.tenant_id,
        ):
            raise ManifestMismatch(adapter.id)
        if manifest.base_revision != self._model.revision:
            raise BaseDiffers(adapter.id)

    def _make_room(self, size_bytes: int, keep: set[str]) -> bool:
        """Evict until another of that size fits; False when all that could go is needed now.

        Raises:
            NoRoom: it would not fit even then.
        """
        loaded = [place for place in self.places.values() if place.state == "ready"]
        if not self._fits([place for place in loaded if place.is_pinned], size_bytes):
            raise NoRoom
        idle = [place for place in loaded if not place.is_pinned and place.adapter.id not in keep]
        if not self._fits([place for place in loaded if place not in idle], size_bytes):
            return False
        for oldest in sorted(idle, key=lambda place: place.used_at):
            if self._fits(loaded, size_bytes):
                break
            self._evict(oldest)
            loaded.remove(oldest)
        return True

    def _fits(self, loaded: list[Place], size_bytes: int) -> bool:
        taken = sum(place.size_bytes for place in loaded)
        return len(loaded) < self._limits.loaded and taken + size_bytes <= self._limits.loaded_bytes

    def _evict(self, place: Place) -> None:
        place.move("evicting")
        self._model.adapters.delete(place.adapter.id)
        place.size_bytes = 0
        place.move("absent")
        metrics.ADAPTER_EVICTIONS.inc()
        self._show()

    def _fail(self, place: Place, fault: AdapterFault, *, is_noted: bool = False) -> None:
        """Give an adapter up; what is corrupt goes into quarantine, unless its source has noted that."""
        self._model.adapters.delete(place.adapter.id)
        place.artefact, place.size_bytes = None, 0
        place.move("failed")
        metrics.ADAPTER_LOADS.labels(fault.reason).inc()
        log.warning("adapter_failed", adapter_id=place.adapter.id, reason=fault.reason)
        if fault.corrupt and not is_noted:
            self._start(place.loop, self._quarantine(place.adapter, fault))

    def _sweep(self, in_use: set[str]) -> None:
        """Ask now and then which of the loaded ones were revoked elsewhere, and unload those."""
        while not self._swept.empty():
            for name in self._swept.get():
                if name in self.places:
                    self.places[name].is_revoked = True
        for name, place in list(self.places.items()):
            if place.is_revoked and place.state == "ready" and name not in in_use:
                self._evict(place)
                del self.places[name]
        loaded = [place for place in self.places.values() if place.state == "ready"]
        if loaded and time.monotonic() - self._swept_at > self._limits.sweep_seconds:
            self._swept_at = time.monotonic()
            self._start(loaded[-1].loop, self._find_revoked([place.adapter.id for place in loaded]))

    def _start(self, loop: asyncio.AbstractEventLoop, work: Any) -> None:
        try:
            future = asyncio.run_coroutine_threadsafe(work, loop)
        except RuntimeError:  # the loop of the one who asked has ended
            work.close()
            return
        self._running.add(future)
        future.add_done_callback(self._running.discard)

    async def _fetch(self, adapter: AuthorisedAdapter) -> None:
        result: Artefact | AdapterFault
        try:
            async with asyncio.timeout(self._limits.fetch_seconds):
                result = await self._source.fetch(adapter)
        except AdapterFault as fault:
            result = fault
        except TimeoutError:
            result = StoreUnavailable()
        except Exception as error:
            log.exception("adapter_fetch_failed", adapter_id=adapter.id)
            result = AdapterFault(type(error).__name__)
        self._fetched.put((adapter.id, result))
        self._wake()

    async def _quarantine(self, adapter: AuthorisedAdapter, fault: AdapterFault) -> None:
        name = AdapterName.parse(adapter.id)
        if name is not None and adapter.tenant_id is not None:
            await self._source.quarantine(name, adapter.tenant_id, fault)

    async def _find_revoked(self, names: list[str]) -> None:
        try:
            active = await self._source.still_active(names)
        except AdapterFault:
            log.warning("adapters_not_swept", adapters=len(names))
            return
        self._swept.put(set(names) - active)
        self._wake()

    def _show(self) -> None:
        sizes = self._model.adapters.sizes
        metrics.ADAPTERS_LOADED.set(len(sizes))
        metrics.ADAPTER_BYTES.set(sum(sizes.values()))
