"""Builds the `Subject` of a request or job from Postgres, or from what the cache holds of the same."""

from functools import lru_cache

import msgspec

from backend.identity.errors import PersonNotFound
from backend.identity.runtime import runtime
from backend.kit.subject import GrantedPermissions, Subject
from db.repositories import identity
from db.repositories.identity import AuthorityRow, GrantFacts
from ops.runtime.ids import CourseId, FacultyId, SessionId, TenantId, UserId

_GRANTS = msgspec.json.Decoder(list[GrantFacts])
DECODED_SUBJECTS = 4096


async def subject_for_user(user_id: UserId, *, tenant_id: TenantId | None = None) -> Subject:
    """Return who that person is and what they may do now, read from Postgres: what an actor works as.

    Raises:
        PersonNotFound: deleted, disabled, or of another tenant than the one given.
    """
    subject = await load_subject(user_id)
    if subject is None or tenant_id not in (None, subject.tenant_id):
        raise PersonNotFound("There is no active person with this id.")
    return subject


async def load_subject(user_id: UserId, generation: bytes | None = None) -> Subject | None:
    """Read a person's authority from Postgres and cache it under a generation seen before this call."""
    row = await identity.authority(user_id)
    if row is None:
        return None
    subject = _subject_of(row)
    if generation is not None:
        value = msgspec.msgpack.encode(subject)
        await runtime().cache.store_authority(generation, user_id, subject.authority_epoch, value)
    return subject


@lru_cache(maxsize=DECODED_SUBJECTS)
def cached_subject(value: bytes, session_id: SessionId) -> Subject:
    """Decode a cached authority for one session; the same bytes are the same subject."""
    return msgspec.structs.replace(msgspec.msgpack.decode(value, type=Subject), session_id=session_id)


def _subject_of(row: AuthorityRow) -> Subject:
    return Subject(
        tenant_id=row.tenant_id,
        user_id=row.user_id,
        display_name=row.display_name,
        email=row.email,
        locale="ar" if row.locale == "ar" else "en",
        authority_epoch=row.authority_epoch,
        grants=tuple(_granted(facts) for facts in _GRANTS.decode(row.grants)),
        enrolled=frozenset(CourseId(course_id) for course_id in row.enrolled),
    )


def _granted(facts: GrantFacts) -> GrantedPermissions:
    return GrantedPermissions(
        permissions=frozenset(facts.permissions),
        faculty_id=None if facts.faculty_id is None else FacultyId(facts.faculty_id),
        course_id=None if facts.course_id is None else CourseId(facts.course_id),
    )
