"""What can go wrong with accounts and rights, as callers are told."""

from backend.errors import (
    AuthenticationRequired,
    Conflict,
    InputError,
    LyceumError,
    NotFound,
    PermissionMissing,
    ValidationFailed,
)


class SignInFailed(AuthenticationRequired):
    """The e-mail address and the password do not belong together; whether the address is known is not told."""

    type = "sign-in-failed"
    title = "Sign-in failed"

    def __init__(self) -> None:
        super().__init__("The e-mail address or the password is wrong.")


class SignInLocked(LyceumError):
    """Too many failed sign-ins with this address; `Retry-After` tells when the next attempt counts."""

    type = "sign-in-locked"
    status = 429
    title = "Sign-in locked"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            "After several failed attempts this address has to wait.", retry_after_seconds=retry_after_seconds
        )


class SessionEnded(AuthenticationRequired):
    """The session was signed out, revoked or has reached its end."""

    type = "session-ended"
    title = "Session ended"

    def __init__(self) -> None:
        super().__init__("This session has ended; sign in again.")


class TokenRefused(AuthenticationRequired):
    """The token is not one of ours, has ended, or was used before."""

    type = "token-refused"
    title = "Token refused"

    def __init__(self, detail: str = "This token is unknown, has ended or was used before.") -> None:
        super().__init__(detail)


class LinkRefused(TokenRefused):
    """The sign-in link is unknown, has ended, or was used before; an administrator can make a new one."""

    type = "link-refused"
    title = "Link refused"

    def __init__(self) -> None:
        super().__init__("This link is unknown, has ended or was used before; ask for a new one.")


class RegistrationClosed(LyceumError):
    """People with this address do not register themselves here; an administrator makes the account and sends a link."""

    type = "registration-closed"
    status = 403
    title = "Registration is closed"

    def __init__(self) -> None:
        super().__init__("Ask an administrator of your institution for an invitation.")


class PasswordWeak(LyceumError):
    """The password is too short, too common or contains the address; `errors` says what to change."""

    type = "password-weak"
    status = 422
    title = "Password too weak"

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail, errors=[InputError(pointer=pointer, detail=detail)])


class PasswordWrong(LyceumError):
    """The present password was not the one given."""

    type = "password-wrong"
    status = 422
    title = "Password wrong"

    def __init__(self, pointer: str = "/current_password") -> None:
        detail = "This is not your present password."
        super().__init__(detail, errors=[InputError(pointer=pointer, detail=detail)])


class InputRefused(LyceumError):
    """The input has the right form but says something that cannot be; `errors` points at it."""

    type = "input-refused"
    status = 422
    title = "Input refused"

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail, errors=[InputError(pointer=pointer, detail=detail)])


class EmailTaken(Conflict):
    """An account with this e-mail address exists."""

    type = "email-taken"
    title = "E-mail address taken"

    def __init__(self) -> None:
        super().__init__("An account with this e-mail address exists.")


class TenantTaken(Conflict):
    """A tenant with this short name exists."""

    type = "tenant-taken"
    title = "Tenant exists"


class RoleTaken(Conflict):
    """A role with this name exists."""

    type = "role-taken"
    title = "Role exists"


class RoleInUse(Conflict):
    """The role is held by people, or belongs to every tenant; take it away from them first."""

    type = "role-in-use"
    title = "Role in use"


class GrantExists(Conflict):
    """The person holds this role in this place already."""

    type = "grant-exists"
    title = "Already granted"


class LastAdministrator(Conflict):
    """Nobody would be left who can manage roles and grants; give these rights to somebody else first."""

    type = "last-administrator"
    title = "Last administrator"

    def __init__(self) -> None:
        super().__init__("Nobody would be left in this tenant who can manage roles and grants.")


class MoreThanOwnRights(PermissionMissing):
    """Nobody can hand out, or take over, rights they do not hold themselves."""

    type = "more-than-own-rights"
    title = "More than your own rights"

    def __init__(self, permissions: list[str]) -> None:
        super().__init__(" ".join(permissions))
        self.detail = f"You do not hold these rights yourself: {', '.join(permissions)}."


class PersonNotFound(NotFound):
    """There is no such person in this tenant."""

    type = "person-not-found"
    title = "Person not found"


class RoleNotFound(NotFound):
    """There is no such role in this tenant."""

    type = "role-not-found"
    title = "Role not found"


class GrantNotFound(NotFound):
    """The person holds no such grant."""

    type = "grant-not-found"
    title = "Grant not found"


class PlaceNotFound(NotFound):
    """There is no such faculty or course in this tenant."""

    type = "place-not-found"
    title = "Place not found"


class SessionNotFound(NotFound):
    """The person has no such session."""

    type = "session-not-found"
    title = "Session not found"


class DemoAccountsPresent(Exception):
    """Production was started on data that holds demo people."""


class PersonKeyDestroyed(Exception):
    """The person's key was destroyed by erasure: what was sealed with it cannot be read again."""


class SocketFrameInvalid(ValidationFailed):
    """A frame of a WebSocket is not one of those it takes, or not in its form."""

    type = "socket-frame-invalid"
    title = "Invalid frame"
