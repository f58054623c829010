"""Signatures, and what a weights file may hold."""

import json
import os
import pickle
from uuid import uuid4

import msgspec
import pytest

from inference_gateway.adapters.faults import AdapterFault, ManifestForged, WeightsCorrupt
from inference_gateway.adapters.manifest import ManifestKey
from inference_gateway.adapters.names import AdapterName
from inference_gateway.adapters.weights import check_modules, read_matrices
from ops.runtime.tokens import ServiceTokens
from tests.adapters import MODULE, RANK, manifest_of, safetensors_of, small_weights

KEY = os.urandom(32)
A, B = (f"base_model.model.{MODULE}.lora_{side}.weight" for side in "AB")


def test_a_signed_manifest_comes_back_whole() -> None:
    manifest = manifest_of(small_weights(), uuid4(), uuid4())

    assert ManifestKey(KEY).verify(ManifestKey(KEY).sign(manifest)) == manifest


def test_an_altered_manifest_is_forged() -> None:
    manifest = manifest_of(small_weights(), uuid4(), uuid4())
    signed = ManifestKey(KEY).sign(manifest)
    stolen = msgspec.structs.replace(manifest, owner_id=uuid4())
    envelope = json.loads(signed)
    swapped = json.loads(ManifestKey(os.urandom(32)).sign(stolen))

    for forged in (
        ManifestKey(os.urandom(32)).sign(manifest),
        json.dumps(envelope | {"manifest": swapped["manifest"]}).encode(),
        json.dumps({"manifest": envelope["manifest"], "signature": ""}).encode(),
        json.dumps(envelope | {"key": "x"}).encode(),
        b"",
        b"{",
        b"\xff",
        signed.replace(b"manifest", b"man\xffifest", 1),
    ):
        with pytest.raises(ManifestForged):
            ManifestKey(KEY).verify(forged)


def test_a_token_s_key_does_not_sign_manifests() -> None:
    assert ManifestKey(KEY)._key != KEY
    assert ServiceTokens(KEY)._key == KEY


@pytest.mark.parametrize(
    "text", ["", "ns", "ns@", "ns@abc", "NS@" + "a" * 64, "ns@" + "A" * 64, "../x@" + "a" * 64, "ns@" + "a" * 64 + "\n"]
)
def test_what_is_no_name(text: str) -> None:
    assert AdapterName.parse(text) is None


def test_names_read_as_they_are_written() -> None:
    text = "ns-1@" + "0" * 64
    assert str(AdapterName.parse(text)) == text


def test_matrices_are_read() -> None:
    matrices = read_matrices(small_weights())

    assert (matrices.rank, matrices.modules) == (RANK, frozenset({MODULE}))
    check_modules(matrices, RANK, ("q_proj",))


REFUSED = {
    "a pickle": pickle.dumps({"a": 1}),
    "a zip of pickles": b"PK\x03\x04" + bytes(100),
    "nothing": b"",
    "half a header": small_weights()[:40],
    "tensors outside": small_weights()[:-4],
    "a header that is no JSON": (5).to_bytes(8, "little") + b"[1,2]",
    "deep JSON": (20_000).to_bytes(8, "little") + b"[" * 20_000,
    "a bias": safetensors_of({A: (2, 4), B: (4, 2), "base_model.model.lm_head.weight": (4, 4)}),
    "one half": safetensors_of({A: (2, 4)}),
    "two ranks": safetensors_of({A: (2, 4), B: (4, 3)}),
    "no tensor": safetensors_of({}),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_files_are_refused(kind: str) -> None:
    with pytest.raises(WeightsCorrupt):
        read_matrices(REFUSED[kind])


@pytest.mark.parametrize(
    ("rank", "targets"), [(3, ("q_proj",)), (2, ("k_proj",)), (2, ("q_proj", "v_proj")), (2, ("proj",))]
)
def test_what_the_manifest_does_not_say_is_refused(rank: int, targets: tuple[str, ...]) -> None:
    with pytest.raises(AdapterFault):
        check_modules(read_matrices(small_weights()), rank, targets)
