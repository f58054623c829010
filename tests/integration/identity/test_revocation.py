"""The cache of rights may be missing, never wrong: races, a Redis that is flushed, restarted or gone."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from backend.academics import enrolments
from backend.academics.service import course_ref
from backend.identity import cache, rights, sessions
from backend.identity.authentication import Claimed, authenticate, cache_keys, identify, subject_of
from backend.identity.cache import RightsCache, authority_key, session_key
from backend.identity.errors import SessionEnded
from backend.kit.ratelimit import RequestGate
from backend.kit.subject import Subject
from db.repositories import identity
from db.repositories import sessions as session_rows
from db.repositories.courses import CourseRow
from db.repositories.sessions import LiveSession
from ops.local.ports import free_port
from ops.runtime.redis import insisting, open_redis
from tests import campus
from tests.campus import Process
from tests.servers import Database, running_valkey


@dataclass(frozen=True)
class Scene:
    process: Process
    admin: Subject
    student: Subject
    course: CourseRow


async def prepare(process: Process) -> Scene:
    home = await campus.tenant("home")
    admin = await campus.person(home, "ada", "admin", "ops")
    student = await campus.person(home, "sam", "student")
    course = await campus.course(admin, await campus.place(admin, "SCI"), "C1")
    await warmed((await campus.sign_in(admin.user_id)).tokens().access_token)
    return Scene(process, admin, student, course)


@pytest.fixture
async def scene(database: Database, valkey_url: str) -> AsyncIterator[Scene]:
    async with campus.opened(campus.settings_for(database.url, valkey_url)) as process:
        yield await prepare(process)


async def held(scene: Scene, key: str) -> bytes | None:
    assert scene.process.redis is not None
    return await scene.process.redis.get(key)  # type: ignore[return-value]


async def warmed(token: str) -> Subject:
    """Who sends this, in the cache: the first use of each script on a server begins a new generation."""
    for _ in range(3):
        subject = await authenticate(bearer=token)
    return subject


async def test_a_second_request_reads_nothing_from_postgres(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    token = (await campus.sign_in(scene.student.user_id)).tokens().access_token
    first = await warmed(token)

    async def unexpected(*_: object) -> None:
        raise AssertionError("Postgres was read")

    monkeypatch.setattr(identity, "authority", unexpected)
    monkeypatch.setattr(session_rows, "live", unexpected)
    assert await authenticate(bearer=token) == first


async def test_a_session_revoked_between_read_and_store_is_not_brought_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = await campus.sign_in(scene.student.user_id)
    real = session_rows.live

    async def revoked_meanwhile(session_id: UUID) -> LiveSession | None:
        found = await real(session_id)
        monkeypatch.setattr(session_rows, "live", real)
        await sessions.revoke_own(scene.student, opened.session_id)
        return found

    monkeypatch.setattr(session_rows, "live", revoked_meanwhile)
    token = opened.tokens().access_token
    await authenticate(bearer=token)  # was on its way when the session ended
    with pytest.raises(SessionEnded):
        await authenticate(bearer=token)


async def test_rights_changed_between_read_and_store_are_not_brought_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = (await campus.sign_in(scene.student.user_id)).tokens().access_token
    real = identity.authority

    async def changed_meanwhile(user_id: UUID) -> identity.AuthorityRow | None:
        found = await real(user_id)
        monkeypatch.setattr(identity, "authority", real)
        await enrolments.enrol(scene.admin, scene.course.id, scene.student.user_id)
        return found

    monkeypatch.setattr(identity, "authority", changed_meanwhile)
    behind = await authenticate(bearer=token)
    assert not behind.can("course.read", course_ref(scene.course))
    assert (await authenticate(bearer=token)).can("course.read", course_ref(scene.course))


async def test_a_reader_that_slept_through_a_flush_stores_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = await campus.sign_in(scene.student.user_id)
    real = session_rows.live

    async def revoked_and_flushed_meanwhile(session_id: UUID) -> LiveSession | None:
        found = await real(session_id)
        monkeypatch.setattr(session_rows, "live", real)
        await sessions.revoke_own(scene.student, opened.session_id)
        assert scene.process.redis is not None
        await scene.process.redis.flushdb()
        await scene.process.runtime.cache.generation()  # somebody else's request began a new one
        return found

    monkeypatch.setattr(session_rows, "live", revoked_and_flushed_meanwhile)
    token = opened.tokens().access_token
    await authenticate(bearer=token)
    assert await held(scene, session_key(opened.session_id)) is None
    with pytest.raises(SessionEnded):
        await authenticate(bearer=token)


async def test_the_tombstone_stands_before_the_commit(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies right after its commit has told the others already."""
    opened = await campus.sign_in(scene.student.user_id)
    token = opened.tokens().access_token
    subject = await authenticate(bearer=token)
    real = RightsCache.bury

    async def dies_after_commit(self: RightsCache, entries: list[tuple[str, int]], *, insist: bool) -> None:
        if not insist:
            await real(self, entries, insist=False)

    monkeypatch.setattr(RightsCache, "bury", dies_after_commit)
    await sessions.sign_out(subject)
    with pytest.raises(SessionEnded):
        await authenticate(bearer=token)


async def test_an_act_that_was_rolled_back_changes_nothing(scene: Scene) -> None:
    opened = await campus.sign_in(scene.admin.user_id)
    token = opened.tokens().access_token
    before = await authenticate(bearer=token)
    grant = next(g for g in await rights.list_grants(scene.admin, scene.admin.user_id) if g.role == "admin")
    with pytest.raises(rights.GrantNotFound):
        await rights.take(scene.admin, scene.student.user_id, grant.id)
    with pytest.raises(Exception, match="Nobody would be left"):
        await rights.take(scene.admin, scene.admin.user_id, grant.id)
    assert await authenticate(bearer=token) == before


async def test_logout_and_rights_survive_a_flush(scene: Scene) -> None:
    token, other = [(await campus.sign_in(scene.student.user_id)).tokens().access_token for _ in range(2)]
    subject = await authenticate(bearer=token)
    await sessions.sign_out(subject)
    await enrolments.enrol(scene.admin, scene.course.id, scene.student.user_id)
    assert scene.process.redis is not None
    await scene.process.redis.flushall()
    with pytest.raises(SessionEnded):
        await authenticate(bearer=token)
    assert (await authenticate(bearer=other)).can("course.read", course_ref(scene.course))


async def test_a_server_back_from_an_old_snapshot_is_not_believed(scene: Scene) -> None:
    opened = await campus.sign_in(scene.student.user_id)
    token = opened.tokens().access_token
    subject = await warmed(token)
    redis = scene.process.redis
    assert redis is not None
    snapshot = {key: await redis.get(key) for key in await redis.keys("auth:*")}
    assert session_key(opened.session_id).encode() in snapshot
    await sessions.sign_out(subject)
    await redis.flushall()
    for key, value in snapshot.items():
        await redis.set(key, value)
    await redis.script_flush()  # scripts are in no snapshot
    await scene.process.runtime.cache.renew_generation()  # what the gate does when its script is missing
    with pytest.raises(SessionEnded):
        await authenticate(bearer=token)


async def test_without_its_script_the_cache_begins_a_new_generation(scene: Scene) -> None:
    redis, rights_cache = scene.process.redis, scene.process.runtime.cache
    assert redis is not None
    before = await rights_cache.generation()
    assert before is not None
    await rights_cache.store_session(before, scene.student.user_id, b"1", 60)
    await redis.script_flush()
    await rights_cache.store_session(before, scene.admin.user_id, b"1", 60)
    assert await rights_cache.generation() != before
    assert await held(scene, session_key(scene.admin.user_id)) is None
    seen = await rights_cache.look_up(scene.student.user_id, scene.student.user_id)
    assert seen.session is None


async def test_older_epochs_never_replace_newer_ones(scene: Scene) -> None:
    rights_cache, someone = scene.process.runtime.cache, scene.student.user_id
    generation = await rights_cache.generation()
    assert generation is not None

    async def value() -> bytes | None:
        return (await rights_cache.look_up(someone, someone)).authority

    await rights_cache.store_authority(generation, someone, 7, b"seven")
    await rights_cache.store_authority(generation, someone, 6, b"six")
    assert await value() == b"seven"
    await rights_cache.bury([(authority_key(someone), 7)], insist=False)
    assert await value() == b"seven"
    await rights_cache.bury([(authority_key(someone), 8)], insist=False)
    assert await value() is None
    await rights_cache.store_authority(generation, someone, 7, b"seven")
    assert await value() is None
    await rights_cache.store_authority(generation, someone, 8, b"eight")
    assert await value() == b"eight"


async def test_a_token_newer_than_the_cache_reads_postgres(scene: Scene) -> None:
    opened = await campus.sign_in(scene.student.user_id)
    await authenticate(bearer=opened.tokens().access_token)
    claimed = Claimed(
        user_id=scene.student.user_id,
        tenant_id=scene.student.tenant_id,
        session_id=opened.session_id,
        epoch=scene.student.authority_epoch,
    )
    behind = cache.Lookup(b"0" * 16, b"1", None)
    assert await subject_of(claimed, behind) == await authenticate(bearer=opened.tokens().access_token)


async def test_a_logout_while_redis_is_down_holds_when_it_is_back_with_its_old_entries(
    database: Database, tmp_path: Path
) -> None:
    folder, port, password = tmp_path / "valkey", free_port(), "a-password-for-two-lives"
    with running_valkey(folder, port, password) as valkey:
        process = campus.opened(campus.settings_for(database.url, valkey.url(0)))
        opened = await process.__aenter__()
        scene = await prepare(opened)
        session = await campus.sign_in(scene.student.user_id)
        token = session.tokens().access_token
        other = (await campus.sign_in(scene.student.user_id)).tokens().access_token
        subject = await warmed(token)
    try:
        assert await authenticate(bearer=token) == subject  # by Postgres
        await sessions.sign_out(subject)
        with pytest.raises(SessionEnded):
            await authenticate(bearer=token)
        for retry in opened.runtime.cache._retries:
            retry.cancel()  # as if this process died before it could tell anybody
        with running_valkey(folder, port, password), insisting():
            assert await held(scene, session_key(session.session_id)) is not None  # the append-only file kept it
            with pytest.raises(SessionEnded):
                await authenticate(bearer=token)
            gate = RequestGate(opened.redis, None, opened.runtime.cache.renew_generation)
            claimed = identify(bearer=token)
            admission = await gate.admit("reads", "sam", cache_keys(claimed))
            with pytest.raises(SessionEnded):
                await subject_of(claimed, cache.looked_up(admission.cached))
            assert (await authenticate(bearer=other)).user_id == subject.user_id
    finally:
        await process.__aexit__(None, None, None)


async def test_the_gate_finds_a_restarted_server_by_itself(database: Database, tmp_path: Path) -> None:
    folder, port, password = tmp_path / "valkey", free_port(), "a-password-for-two-lives"
    with running_valkey(folder, port, password) as valkey:
        redis = open_redis(valkey.url(0))
        rights_cache = RightsCache(redis)
        gate = RequestGate(redis, None, rights_cache.renew_generation)
        before = await rights_cache.generation()
        assert (await gate.admit("reads", "sam", [cache.GENERATION_KEY])).cached != (before,)  # its first use renews
        before = await rights_cache.generation()
        assert (await gate.admit("reads", "sam", [cache.GENERATION_KEY])).cached == (before,)
    with running_valkey(folder, port, password):
        after = (await gate.admit("reads", "sam", [cache.GENERATION_KEY])).cached
        assert after not in ((before,), (None,))
        assert await redis.get(cache.GENERATION_KEY) == after[0]
        await redis.aclose()
