"""Whose adapter it is: asked on every request; what is foreign looks as if it were not there."""

import os
from uuid import UUID, uuid4

import msgspec
import pytest
from structlog.testing import capture_logs

from inference_gateway.adapters.authority import Authority
from inference_gateway.adapters.faults import AdapterMissing, NameTaken, WeightsCorrupt
from inference_gateway.adapters.gate import RegistryGate
from inference_gateway.adapters.library import weights_key
from inference_gateway.adapters.manifest import ManifestKey
from inference_gateway.adapters.metrics import DENIED, QUARANTINED
from inference_gateway.adapters.registry import Entry
from inference_gateway.errors import AdapterUnknown
from inference_gateway.ports import AuthorisedAdapter
from tests.adapters import Shelf, caller_of, manifest_of, small_weights


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def gate(shelf: Shelf, authority: Authority) -> RegistryGate:
    return RegistryGate(shelf.library, authority)


async def test_the_owner_gets_a_proof_that_the_engine_takes(
    shelf: Shelf, gate: RegistryGate, authority: Authority
) -> None:
    owner = uuid4()
    manifest = await shelf.adapter(owner)

    adapter = await gate.authorise(str(manifest.name), caller_of(shelf.tenant_id, owner, manifest.sha256))

    authority.check(adapter)
    assert (adapter.id, adapter.owner_id) == (str(manifest.name), owner)
    with pytest.raises(AdapterUnknown):
        Authority().check(adapter)  # another process


@pytest.mark.parametrize("field", ["id", "sha256", "owner_id", "base_revision", "tenant_id", "user_id", "proof"])
async def test_an_altered_proof_is_worth_nothing(
    shelf: Shelf, gate: RegistryGate, authority: Authority, field: str
) -> None:
    owner = uuid4()
    manifest = await shelf.adapter(owner)
    adapter = await gate.authorise(str(manifest.name), caller_of(shelf.tenant_id, owner))
    value = {"proof": b"x"}.get(field, uuid4() if field.endswith("_id") else "x")

    with pytest.raises(AdapterUnknown):
        authority.check(msgspec.structs.replace(adapter, **{field: value}))


def test_an_adapter_made_by_hand_is_worth_nothing(authority: Authority) -> None:
    person = uuid4()
    with pytest.raises(AdapterUnknown):
        authority.check(
            AuthorisedAdapter(id="a@" + "0" * 64, sha256="0" * 64, owner_id=person, base_revision="", user_id=person)
        )


async def test_foreign_and_unknown_are_the_same_to_the_caller_and_counted(shelf: Shelf, gate: RegistryGate) -> None:
    owner, other = uuid4(), uuid4()
    manifest = await shelf.adapter(owner)
    own = await shelf.adapter(other)
    refused: list[tuple[str, UUID | None, UUID | None, str]] = [
        (str(manifest.name), shelf.tenant_id, other, ""),  # another person's
        (str(manifest.name), uuid4(), owner, ""),  # another tenant's
        (str(manifest.name), None, owner, ""),
        (str(manifest.name), shelf.tenant_id, None, ""),
        (str(manifest.name), shelf.tenant_id, owner, own.sha256),  # a token for another adapter
        (f"{own.namespace}@{manifest.sha256}", shelf.tenant_id, other, ""),  # own name, another's weights
        (f"nobody@{'0' * 64}", shelf.tenant_id, owner, ""),
        ("../../x", shelf.tenant_id, owner, ""),
    ]
    before = DENIED._value.get()
    answers = set()
    with capture_logs() as logs:
        for adapter_id, tenant_id, user_id, bound in refused:
            with pytest.raises(AdapterUnknown) as error:
                await gate.authorise(adapter_id, caller_of(tenant_id, user_id, bound))
            answers.add((error.value.status, error.value.detail, error.value.pointer))

    assert answers == {(404, "No adapter of that name is there for you.", "/adapter")}
    assert DENIED._value.get() - before == len(refused)
    assert [line["is_foreign"] for line in logs] == [True, False, False, True, False, False, False, False]


async def test_an_owner_written_into_the_registry_by_another_hand_does_not_count(
    shelf: Shelf, gate: RegistryGate
) -> None:
    owner, thief = uuid4(), uuid4()
    manifest = await shelf.adapter(owner)
    stolen = msgspec.structs.replace(manifest, owner_id=thief, namespace="stolen")
    await shelf.registry.add(stolen, Entry(signed=ManifestKey(os.urandom(32)).sign(stolen)))
    renamed = msgspec.structs.replace(manifest, namespace="renamed", owner_id=thief)
    await shelf.registry.add(renamed, Entry(signed=shelf.key.sign(manifest)))  # a good signature of another name
    unsigned, mismatched = (QUARANTINED.labels(reason)._value.get() for reason in ("unsigned", "mismatch"))

    for name in (stolen.name, renamed.name):
        with pytest.raises(AdapterUnknown):
            await gate.authorise(str(name), caller_of(shelf.tenant_id, thief))
        found = await shelf.registry.find(name, shelf.tenant_id)
        assert found is not None
        assert found.state == "quarantined"
    assert QUARANTINED.labels("unsigned")._value.get() == unsigned + 1
    assert QUARANTINED.labels("mismatch")._value.get() == mismatched + 1


async def test_corrupt_weights_are_quarantined_and_stay_so(shelf: Shelf, gate: RegistryGate) -> None:
    owner = uuid4()
    manifest = await shelf.adapter(owner)
    adapter = await gate.authorise(str(manifest.name), caller_of(shelf.tenant_id, owner))
    key = weights_key(manifest.name, shelf.tenant_id)
    good = await shelf.store.get(key)
    assert (await shelf.library.fetch(adapter)).weights == good
    await shelf.store.put(key, good[:-1] + bytes([good[-1] ^ 1]))

    with pytest.raises(WeightsCorrupt):
        await shelf.library.fetch(adapter)
    await shelf.store.put(key, good)
    with pytest.raises(AdapterMissing):
        await shelf.library.fetch(adapter)
    assert (await gate.authorise(str(manifest.name), caller_of(shelf.tenant_id, owner))).id == adapter.id


async def test_what_does_not_fit_its_manifest_does_not_come_in(shelf: Shelf) -> None:
    weights = small_weights()
    manifest = manifest_of(weights, shelf.tenant_id, uuid4())
    with pytest.raises(WeightsCorrupt):
        await shelf.library.add(manifest, small_weights())
    with pytest.raises(WeightsCorrupt):
        await shelf.library.add(msgspec.structs.replace(manifest, rank=1), weights)


async def test_a_namespace_is_one_person_s(shelf: Shelf) -> None:
    manifest = await shelf.adapter(uuid4())
    with pytest.raises(NameTaken):
        await shelf.adapter(uuid4(), namespace=manifest.namespace)
