"""Rows of one batch with different adapters, and how adapters come and go while others run."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
import torch

from inference_gateway.adapters.authority import Authority
from inference_gateway.adapters.manifest import Probe
from inference_gateway.adapters.metrics import QUARANTINED
from inference_gateway.contract import ChatDelta, ChatRequest
from inference_gateway.engines.generation.adapters import Place
from inference_gateway.engines.generation.batch import Batch, Reading
from inference_gateway.engines.generation.engine import GenerationEngine
from inference_gateway.engines.generation.files import locate_generator
from inference_gateway.engines.generation.model import LanguageModel
from inference_gateway.engines.generation.sequence import Sequence, Wish
from inference_gateway.engines.generation.updates import BASE
from inference_gateway.errors import AdapterUnknown
from inference_gateway.ports import AuthorisedAdapter
from tests.adapters import caller_of
from tests.lora import PROBE, Workshop, merged, random_weights
from tests.processes import eventually
from tests.unit.gateway.engine.asking import TEXTS, plain_answer, request_of
from tests.unit.gateway.engine.conftest import MakeEngine


@pytest.fixture
def own_model(small_llama: Path) -> LanguageModel:
    return LanguageModel(locate_generator(str(small_llama)))


@pytest.fixture
def workshop(model: LanguageModel) -> Workshop:
    return Workshop(model, patience_seconds=3.0, retry_seconds=0.2)


def request_with(adapter: AuthorisedAdapter | None, text: str, **parameters: Any) -> ChatRequest:
    named = {"adapter": adapter.id, "user_id": adapter.user_id} if adapter else {}
    return request_of(text, **named, **parameters)


async def ask(
    engine: GenerationEngine, adapter: AuthorisedAdapter | None, text: str, tokens: int = 24
) -> list[ChatDelta]:
    request = request_with(adapter, text, max_tokens=tokens)
    return [delta async for delta in engine.stream(request, adapter)]


def text_of(deltas: list[ChatDelta]) -> str:
    return "".join(delta.text for delta in deltas).rstrip("\N{REPLACEMENT CHARACTER}")


def expected(model: LanguageModel, plain: Any, text: str, tokens: int = 24) -> str:
    """What the library's own `generate` gives with the adapter worked into the weights."""
    beside = object.__new__(LanguageModel)
    beside.__dict__.update(model.__dict__)
    beside._model = plain
    return plain_answer(beside, text, tokens)


async def test_logits_of_32_rows_with_9_adapters_are_those_of_each_alone(
    model: LanguageModel, own_model: LanguageModel, workshop: Workshop
) -> None:
    adapters = [await workshop.make(seed) for seed in range(9)]
    files = [await workshop.weights(adapter) for adapter in adapters]
    plain = [model._model, *(merged(model, file) for file in files)]
    for file, adapter in zip(files, adapters, strict=True):
        manifest = workshop.manifest(file, adapter.owner_id, namespace=adapter.id.partition("@")[0])
        assert str(manifest.name) == adapter.id
        own_model.adapters.load(manifest, file)
    generator = torch.Generator().manual_seed(1)
    batch, who = Batch(own_model), {}
    for row in range(32):
        adapter = adapters[row % 10 - 1] if row % 10 else None
        prompt = torch.randint(6, 400, (3 + 7 * row % 60,), generator=generator).tolist()
        sequence = Sequence(prompt, Wish(max_tokens=99, adapter=adapter), own_model.decode, frozenset(), "")
        reading = Reading(own_model, [sequence])
        reading.advance(512)
        sequence.tokens.append(6 + row)
        who[sequence] = row % 10
        batch.join(reading)
    furthest = apart = 0.0
    for step in range(6):
        if step == 3:
            batch.drop({sequence for sequence in batch.sequences if who[sequence] in (2, 5)})
        logits = batch.step()
        for row, sequence in enumerate(batch.sequences):
            ids = torch.tensor([sequence.tokens])
            alone = plain[who[sequence]](ids).logits[0, -1]
            furthest = max(furthest, float((logits[row] - alone).abs().max()))
            neighbour = plain[(who[sequence] + 1) % 10](ids).logits[0, -1]
            apart = max(apart, float((logits[row] - neighbour).abs().max()))
            sequence.tokens.append(6 + row + step)
    assert furthest <= 1e-4
    assert apart > 0.1


async def test_no_adapter_is_ever_active_and_the_last_leaves_the_model_as_it_was(
    own_model: LanguageModel, workshop: Workshop
) -> None:
    before = own_model._model(torch.tensor([PROBE])).logits
    modules = [type(module) for module in own_model._model.modules()]
    manifests = []
    for seed in range(3):
        weights = (
            random_weights(own_model, seed) if not own_model.adapters.sizes else random_weights(workshop.model, seed)
        )
        manifests.append(workshop.manifest(weights, uuid4()))
        own_model.adapters.load(manifests[-1], weights)
        assert torch.equal(own_model._model(torch.tensor([PROBE])).logits, before), "a pass without names"
    for manifest in manifests:
        own_model.adapters.delete(str(manifest.name))
        assert torch.equal(own_model._model(torch.tensor([PROBE])).logits, before)
        with pytest.raises(LookupError):
            own_model.adapters.forward([str(manifest.name), BASE], input_ids=torch.tensor([PROBE, PROBE]))

    assert own_model.adapters.sizes == {}
    assert [type(module) for module in own_model._model.modules()] == modules


async def test_requests_of_many_owners_at_once_get_what_each_gets_alone(
    own_model: LanguageModel, model: LanguageModel, workshop: Workshop, make_engine: MakeEngine
) -> None:
    workshop.supply = msgspec.structs.replace(
        workshop.supply, limits=msgspec.structs.replace(workshop.supply.limits, loaded=4, patience_seconds=30.0)
    )
    adapters = [await workshop.make(seed) for seed in range(7)]
    files = [await workshop.weights(adapter) for adapter in adapters]
    plain: dict[int, Any] = {place: merged(model, file) for place, file in enumerate(files)}
    engine = make_engine(own_model, supply=workshop.supply)
    asked = [(n % 8, TEXTS[n % len(TEXTS)]) for n in range(40)]

    answers = await asyncio.gather(*(ask(engine, adapters[who] if who < 7 else None, text) for who, text in asked))

    assert not any(delta.degraded for deltas in answers for delta in deltas)
    assert [text_of(deltas) for deltas in answers] == [
        expected(model, plain.get(who, model._model), text) for who, text in asked
    ]
    assert len(own_model.adapters.sizes) == 4


class TestFaults:
    """A failed adapter of one's own is the base model; what has no proof is refused."""

    @pytest.fixture
    def engine(self, own_model: LanguageModel, workshop: Workshop, make_engine: MakeEngine) -> GenerationEngine:
        return make_engine(own_model, supply=workshop.supply)

    async def is_degraded(self, engine: GenerationEngine, adapter: AuthorisedAdapter, model: LanguageModel) -> bool:
        """Whether the base model answers, and each piece says so."""
        deltas = await ask(engine, adapter, TEXTS[0])
        return all(delta.degraded for delta in deltas) and text_of(deltas) == plain_answer(model, TEXTS[0], 24)

    async def test_missing(self, engine: GenerationEngine, workshop: Workshop, model: LanguageModel) -> None:
        adapter = await workshop.make(1)
        good = await workshop.weights(adapter)
        await workshop.store.delete(workshop.key_of(adapter))
        assert await self.is_degraded(engine, adapter, model)

        await workshop.store.put(workshop.key_of(adapter), good)
        await asyncio.sleep(0.3)
        assert not any(delta.degraded for delta in await ask(engine, adapter, TEXTS[0])), "tried again later"

    async def test_corrupt(self, engine: GenerationEngine, workshop: Workshop, model: LanguageModel) -> None:
        adapter = await workshop.make(1)
        await workshop.store.put(workshop.key_of(adapter), (await workshop.weights(adapter))[:-1] + b"\x00")
        before = QUARANTINED.labels("corrupt")._value.get()
        assert await self.is_degraded(engine, adapter, model)
        await until_quarantined(workshop, adapter)
        await asyncio.sleep(0.1)
        assert QUARANTINED.labels("corrupt")._value.get() == before + 1, "told once"
        assert await workshop.library.still_active([adapter.id]) == set()

    async def test_other_weights_than_the_probe_was_made_with(
        self, engine: GenerationEngine, workshop: Workshop, model: LanguageModel
    ) -> None:
        other = workshop.manifest(random_weights(model, 2), uuid4())
        assert await self.is_degraded(engine, await workshop.make(1, probe=other.probe), model)
        assert await self.is_degraded(
            engine, await workshop.make(1, probe=Probe(prompt=(10**6,), logits=(0.0,))), model
        )

    async def test_another_base_model(self, engine: GenerationEngine, workshop: Workshop, model: LanguageModel) -> None:
        assert await self.is_degraded(engine, await workshop.make(1, base_revision="c" * 64), model)

    async def test_matrices_that_do_not_fit(
        self, engine: GenerationEngine, workshop: Workshop, model: LanguageModel
    ) -> None:
        owner = uuid4()
        weights = random_weights(model, 1, ("q_proj",)).replace(b"layers.1", b"layers.7")
        probe = Probe(prompt=PROBE, logits=(0.0,))
        manifest = workshop.manifest(weights, owner, probe=probe, target_modules=("q_proj",))
        await workshop.library.add(manifest, weights)
        adapter = workshop.authority.vouch(manifest, owner)
        assert await self.is_degraded(engine, adapter, model)
        await until_quarantined(workshop, adapter)

    async def test_a_slow_store(
        self, engine: GenerationEngine, workshop: Workshop, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def never(*_: object) -> None:
            await asyncio.sleep(20)

        adapter = await workshop.make(1)
        monkeypatch.setattr(workshop.library, "fetch", never)
        monkeypatch.setattr(
            engine._adapters, "_limits", msgspec.structs.replace(workshop.supply.limits, patience_seconds=0.2)
        )
        degraded, other = await asyncio.gather(self.is_degraded(engine, adapter, model), ask(engine, None, TEXTS[1]))
        assert degraded
        assert text_of(other) == plain_answer(model, TEXTS[1], 24), "nobody else waits for it"

    async def test_what_the_gate_has_not_authorised(self, engine: GenerationEngine, workshop: Workshop) -> None:
        adapter, other = await workshop.make(1), await workshop.make(2)
        refused = {
            "a bare name": (None, request_with(adapter, "x")),
            "another's request": (adapter, request_with(other, "x")),
            "a request of nobody": (adapter, request_of("x", adapter=adapter.id)),
            "another adapter's name": (adapter, request_of("x", adapter=other.id, user_id=adapter.user_id)),
            "no name": (adapter, request_of("x", user_id=adapter.user_id)),
            "made by hand": (msgspec.structs.replace(adapter, proof=b""), request_with(adapter, "x")),
            "another process": (
                Authority().vouch(
                    workshop.manifest(await workshop.weights(adapter), adapter.owner_id), adapter.owner_id
                ),
                request_with(adapter, "x"),
            ),
        }
        for case, (given, request) in refused.items():
            with pytest.raises(AdapterUnknown):
                async for _ in engine.stream(request, given):
                    raise AssertionError(case)

    async def test_an_engine_without_adapters(self, make_engine: MakeEngine, workshop: Workshop) -> None:
        adapter = await workshop.make(1)
        with pytest.raises(AdapterUnknown):
            await ask(make_engine(), adapter, "x")


async def until_quarantined(workshop: Workshop, adapter: AuthorisedAdapter) -> None:
    while await workshop.library.still_active([adapter.id]):
        await asyncio.sleep(0.01)


async def test_least_recently_used_go_but_not_the_pinned_nor_those_in_use(
    own_model: LanguageModel, workshop: Workshop, make_engine: MakeEngine
) -> None:
    workshop.supply = msgspec.structs.replace(
        workshop.supply, limits=msgspec.structs.replace(workshop.supply.limits, loaded=3)
    )
    pinned, used, first, second = [await workshop.make(seed, is_pinned=seed == 0) for seed in range(4)]
    engine = make_engine(own_model, supply=workshop.supply)
    await ask(engine, pinned, "x", 1)
    stream = engine.stream(request_with(used, "Tell a long story.", max_tokens=900), used)
    text = (await anext(stream)).text
    await ask(engine, first, "x", 1)
    assert set(own_model.adapters.sizes) == {pinned.id, used.id, first.id}

    await ask(engine, second, "x", 1)

    assert set(own_model.adapters.sizes) == {pinned.id, used.id, second.id}
    await stream.aclose()
    assert text is not None


async def test_what_was_revoked_elsewhere_is_unloaded(
    own_model: LanguageModel, workshop: Workshop, make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference_gateway.engines.generation.engine.IDLE_SECONDS", 0.05)
    workshop.supply = msgspec.structs.replace(
        workshop.supply, limits=msgspec.structs.replace(workshop.supply.limits, sweep_seconds=0.05)
    )
    kept, gone = await workshop.make(1), await workshop.make(2)
    engine = make_engine(own_model, supply=workshop.supply)
    await ask(engine, kept, "x", 1)
    await ask(engine, gone, "x", 1)
    entry = [listed for listed in await workshop.library.listed(workshop.tenant_id) if listed.manifest is not None]
    (manifest,) = [listed.manifest for listed in entry if str(listed.manifest.name) == gone.id]

    await workshop.library.revoke(manifest.name, workshop.tenant_id)

    await eventually(lambda: set(own_model.adapters.sizes) == {kept.id})
    with pytest.raises(AdapterUnknown):
        await workshop.gate.authorise(gone.id, caller_of(workshop.tenant_id, gone.user_id))
    assert all(delta.degraded for delta in await ask(engine, gone, "x", 2)), "authorised just before"


def test_states_follow_each_other_in_order() -> None:
    adapter = AuthorisedAdapter(id="a", sha256="", owner_id=uuid4(), base_revision="")
    place = Place(adapter, asyncio.new_event_loop())
    place.loop.close()
    for state in ("fetching", "verified", "loading", "ready", "evicting", "absent", "fetching", "failed", "absent"):
        place.move(state)  # type: ignore[arg-type]
    for state in ("ready", "loading", "verified", "evicting", "failed", "absent"):
        with pytest.raises(RuntimeError):
            place.move(state)  # type: ignore[arg-type]
