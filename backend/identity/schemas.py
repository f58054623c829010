"""What identity's routes take and give."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from backend.kit.subject import Locale
from db.repositories.people import PersonState
from ops.runtime.ids import CourseId, FacultyId, SessionId, UserId

Email = Annotated[
    str,
    msgspec.Meta(min_length=3, max_length=254, pattern="^[^@ \\t\\r\\n]+@[^@ \\t\\r\\n]+[.][^@ \\t\\r\\n.]+$(?!\\n)"),
]
DisplayName = Annotated[str, msgspec.Meta(min_length=1, max_length=120, pattern="[^ \\t\\r\\n]")]
Password = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
OpaqueToken = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
RoleName = Annotated[str, msgspec.Meta(min_length=1, max_length=60, pattern="^[a-z][a-z0-9_-]*$(?!\\n)")]
PermissionName = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
PermissionNames = Annotated[list[PermissionName], msgspec.Meta(max_length=100)]


class Registration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new account of one's own."""

    email: Email
    password: Password
    display_name: DisplayName
    locale: Locale = "en"


class RegistrationReceived(msgspec.Struct, frozen=True, kw_only=True):
    """What everybody is told whose account an administrator confirms first, also where there is one already."""

    state: Literal["received"] = "received"


class Login(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sign-in."""

    email: Annotated[str, msgspec.Meta(min_length=1, max_length=254)]
    password: Password


class Refresh(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A refresh token to be exchanged."""

    refresh_token: OpaqueToken


class LinkSignIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A one-time link's token, with a new password if the person wants one."""

    token: OpaqueToken
    new_password: Password | None = None


class TokenPair(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of a session; `expires_in` is the access token's time in seconds."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"]
    expires_in: int


class WebSocketTicket(msgspec.Struct, frozen=True, kw_only=True):
    """Opens one WebSocket within `expires_in` seconds."""

    ticket: str
    expires_in: int


class PasswordChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new password; whoever never had one leaves the present one out."""

    new_password: Password
    current_password: Password | None = None


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The person who asks, and what they may do."""

    id: UserId
    email: str
    display_name: str
    locale: Locale
    permissions: list[str]
    grants: list["Place"]
    created_at: datetime


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Permissions in the whole tenant, a faculty or a course."""

    permissions: list[str]
    faculty_id: FacultyId | None
    course_id: CourseId | None


class ProfileChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What people change of themselves."""

    display_name: DisplayName | UnsetType = UNSET
    locale: Locale | UnsetType = UNSET


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in on a device; `current` is the one that asks."""

    id: SessionId
    user_agent: str
    address: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    current: bool


class FoundPerson(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of anybody of the tenant to who may enrol or appoint people in one place."""

    id: UserId
    email: str
    display_name: str
    state: PersonState


class NewPersonInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person made by an administrator. Without a password they need a sign-in link; `role` is given tenant-wide."""

    email: Email
    display_name: DisplayName
    locale: Locale = "en"
    password: Password | None = None
    role: RoleName | None = None


class PersonChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What administrators change of a person; a disabled person is signed out everywhere."""

    email: Email | UnsetType = UNSET
    display_name: DisplayName | UnsetType = UNSET
    locale: Locale | UnsetType = UNSET
    state: Literal["active", "disabled"] | UnsetType = UNSET


class SignInLink(msgspec.Struct, frozen=True, kw_only=True):
    """Signs the person in once; shown this one time. The token stands behind `#`, so that servers do not log it."""

    url: str
    token: str
    expires_at: datetime


class NewRole(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A role to make."""

    name: RoleName
    permissions: PermissionNames


class RoleChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A role's new name or permissions."""

    name: RoleName | UnsetType = UNSET
    permissions: PermissionNames | UnsetType = UNSET


class Permission(msgspec.Struct, frozen=True, kw_only=True):
    """A permission there is."""

    name: str
    description: str


class NewGrant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A role to give in the tenant, a faculty or a course; a course may come with its own faculty."""

    role: RoleName
    faculty_id: FacultyId | None = None
    course_id: CourseId | None = None
