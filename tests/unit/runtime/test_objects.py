import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ops.runtime.objects import ObjectMissing, ObjectStore, ObjectStoreUnavailable, derived_key, original_key


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return ObjectStore.from_url(f"file://{tmp_path}/a%20folder" if request.param == "file" else "memory://")


async def test_bytes_come_back_whole_and_in_pieces(store: ObjectStore) -> None:
    data = bytes(range(256)) * 4096
    await store.put("tenant/ab/abc", data)
    assert await store.get("tenant/ab/abc") == data
    assert b"".join([piece async for piece in store.stream("tenant/ab/abc")]) == data
    assert await store.exists("tenant/ab/abc")


async def test_stream_is_stored(store: ObjectStore) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(30):
            yield bytes([number]) * 500_000

    await store.put("tenant/ab/abc", pieces())
    stored = await store.get("tenant/ab/abc")
    assert len(stored) == 15_000_000
    assert stored[-1] == 29


async def test_broken_stream_leaves_nothing(store: ObjectStore) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * 10_000_000
        raise ConnectionResetError("the client went away")

    with pytest.raises(ConnectionResetError):
        await store.put("tenant/ab/abc", pieces())
    assert not await store.exists("tenant/ab/abc")
    assert await store.list("") == []


async def test_missing_object_says_so(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissing):
        await store.get("tenant/ab/none")
    with pytest.raises(ObjectMissing):
        async for _ in store.stream("tenant/ab/none"):
            pass
    assert not await store.exists("tenant/ab/none")
    await store.delete("tenant/ab/none")


async def test_list_stays_below_its_prefix(store: ObjectStore) -> None:
    keys = [original_key("t1", "ab" * 32), derived_key("t1", "ab" * 32, "text.json"), original_key("t2", "cd" * 32)]
    for key in keys:
        await store.put(key, b"x")
    assert await store.list("t1") == sorted(keys[:2])
    await store.delete(keys[0])
    assert await store.list("t1/") == [keys[1]]


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../up", "a/../../b", "a//b", "a/./b", "a/\x00", "a/" + "x" * 600])
async def test_key_that_could_leave_the_folder_is_refused(store: ObjectStore, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        await store.put(key, b"x")
    with pytest.raises(ValueError, match="not a key"):
        await store.get(key)


@pytest.mark.parametrize("instead", ["nothing", "a file"])
async def test_folder_that_is_gone_is_an_outage_and_not_an_empty_store(tmp_path: Path, instead: str) -> None:
    folder = tmp_path / "objects"
    store = ObjectStore.from_url(f"file://{folder}")
    await store.put("tenant/ab/abc", b"x")
    away = folder.rename(tmp_path / "away")
    if instead == "a file":
        folder.touch()
    for question in (store.get("tenant/ab/abc"), store.exists("tenant/ab/abc"), store.put("a/b", b"x"), store.check()):
        with pytest.raises(ObjectStoreUnavailable):
            await question
    folder.unlink(missing_ok=True)
    assert not folder.exists()
    away.rename(folder)
    assert await store.get("tenant/ab/abc") == b"x"


@pytest.mark.parametrize("fault", ["refuses", "is silent"])
async def test_address_that_does_not_answer_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if fault == "is silent":
            listener.listen()
        for name, value in {
            "AWS_ENDPOINT": f"http://127.0.0.1:{listener.getsockname()[1]}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "none",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }.items():
            monkeypatch.setenv(name, value)
        store = ObjectStore.from_url("s3://bucket/prefix")
        started = time.perf_counter()
        with pytest.raises(ObjectStoreUnavailable):
            await store.exists("tenant/ab/abc")
        assert time.perf_counter() - started < 4.5
