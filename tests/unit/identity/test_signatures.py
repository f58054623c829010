"""Cookies, cache entries and addresses: what is decided without any server."""

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import AuthenticationRequired
from backend.identity import cache
from backend.identity.accounts import normalise_email
from backend.identity.authentication import identify, session_cookie
from backend.identity.cache import looked_up
from backend.identity.errors import MoreThanOwnRights, TokenRefused
from backend.identity.escalation import check_own_rights
from backend.identity.runtime import close_identity, open_identity
from backend.identity.schemas import Email
from backend.kit.subject import CourseRef, GrantedPermissions, Subject
from ops.runtime.ids import CourseId, FacultyId, SessionId, TenantId, UserId, new_id
from tests.campus import settings_for

IDS = SessionId(new_id()), UserId(new_id()), TenantId(new_id())


@pytest.fixture(autouse=True)
def runtime() -> Iterator[None]:
    open_identity(settings_for("postgresql://nowhere"), None)
    yield
    close_identity()


def test_a_cookie_names_its_session_person_and_tenant() -> None:
    claimed = identify(cookie=session_cookie(*IDS))
    assert (claimed.session_id, claimed.user_id, claimed.tenant_id, claimed.by_cookie) == (*IDS, True)


def test_every_changed_character_of_a_cookie_is_noticed() -> None:
    cookie = session_cookie(*IDS)
    for position in range(len(cookie)):
        other = "A" if cookie[position] != "A" else "B"
        with pytest.raises(TokenRefused):
            identify(cookie=cookie[:position] + other + cookie[position + 1 :])


def test_a_cookie_of_another_installation_is_refused() -> None:
    cookie = session_cookie(*IDS)
    open_identity(settings_for("postgresql://nowhere"), None)
    with pytest.raises(TokenRefused):
        identify(cookie=cookie)


@given(st.text())
def test_no_text_is_a_credential(text: str) -> None:
    for sent in ({"bearer": text}, {"cookie": text}):
        with pytest.raises(TokenRefused):
            identify(**sent)


def test_nothing_sent_is_told_apart_from_something_wrong() -> None:
    with pytest.raises(AuthenticationRequired) as caught:
        identify()
    assert caught.value.type == "authentication-required"


def test_entries_of_another_generation_and_tombstones_are_misses() -> None:
    now, before, epoch = b"g" * 16, b"f" * 16, b"%016d" % 7
    assert looked_up([now, now + epoch + b"1", now + epoch + b"value"]) == cache.Lookup(now, b"1", b"value")
    assert looked_up([now, now + epoch, before + epoch + b"value"]) == cache.Lookup(now)
    assert looked_up([now, None, None]) == cache.Lookup(now)
    assert looked_up([None, now + epoch + b"1", now + epoch + b"value"]) == cache.Lookup(None)


@pytest.mark.parametrize("email", ["a@b.c", "Sam.Student+x@uni.example", "سام@جامعة.example", "o'neil@uni.ac.uk"])
def test_addresses_that_are_taken(email: str) -> None:
    assert msgspec.convert(email, Email) == email


@pytest.mark.parametrize(
    "email", ["", "@", "a@b", "a b@c.d", "a@b.c d", "a@@b.c", "a@b.", "@b.c", "a@" + "b" * 252 + ".c"]
)
def test_addresses_that_are_not(email: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(email, Email)


@given(st.emails())
def test_an_address_has_one_normal_form(email: str) -> None:
    assert normalise_email(normalise_email(email)) == normalise_email(f" {email.upper()} ".lower())


def test_rights_are_handed_out_where_they_are_held() -> None:
    course, other = (CourseRef(CourseId(new_id()), FacultyId(new_id())) for _ in range(2))
    dean = Subject(
        tenant_id=IDS[2],
        user_id=IDS[1],
        grants=(GrantedPermissions(permissions=frozenset({"document.write"}), faculty_id=course.faculty_id),),
    )
    check_own_rights(dean, ["document.write", "course.learn"], course)
    check_own_rights(dean, ["document.write"], faculty_id=course.faculty_id)
    check_own_rights(dean, ["course.learn"])
    for place in ({"course": other}, {"faculty_id": other.faculty_id}, {}):
        with pytest.raises(MoreThanOwnRights):
            check_own_rights(dean, ["document.write"], **place)
    with pytest.raises(MoreThanOwnRights, match=r"document\.read"):
        check_own_rights(dean, ["document.write", "document.read"], course)
