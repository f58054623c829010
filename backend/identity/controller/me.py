"""One's own account."""

from litestar import Controller, delete, get, patch, post
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_204_NO_CONTENT

from backend.identity import service, sessions
from backend.identity.schemas import PasswordChange, Place, Profile, ProfileChange, Session
from backend.kit.http import CurrentSubject, signed_in
from backend.kit.pagination import Page
from backend.kit.permissions import LEARNER_PERMISSIONS
from backend.kit.subject import Subject
from db.repositories.people import PersonRow
from ops.runtime.ids import SessionId


class MeController(Controller):
    path = "/api/v1/me"
    tags = ("identity",)
    opt = signed_in()

    @get()
    async def me(self, subject: CurrentSubject) -> Profile:
        """Who one is and what one may do."""
        return profile(subject, await service.own_account(subject))

    @patch()
    async def change_me(self, subject: CurrentSubject, data: JSONBody[ProfileChange]) -> Profile:
        """Change one's name or language; what is left out stays."""
        return profile(subject, await service.change_profile(subject, data))

    @post("/password", status_code=HTTP_204_NO_CONTENT, opt=signed_in(request_class="sign_ins", stores_answer=False))
    async def change_password(self, subject: CurrentSubject, data: JSONBody[PasswordChange]) -> None:
        """Change one's password; all other sessions end."""
        await service.change_password(subject, data)

    @get("/sessions")
    async def list_sessions(self, subject: CurrentSubject) -> Page[Session]:
        """One's sessions that stand, newest first."""
        rows = await sessions.own_sessions(subject)
        return Page(
            items=[
                Session(
                    id=row.id,
                    user_agent=row.user_agent,
                    address=row.address,
                    created_at=row.created_at,
                    last_seen_at=row.last_seen_at,
                    expires_at=row.expires_at,
                    current=row.id == subject.session_id,
                )
                for row in rows
            ]
        )

    @delete("/sessions")
    async def end_other_sessions(self, subject: CurrentSubject) -> None:
        """End all sessions but the present one."""
        await sessions.revoke_own_others(subject)

    @delete("/sessions/{session_id:uuid}")
    async def end_session(self, subject: CurrentSubject, session_id: FromPath[SessionId]) -> None:
        """End one session."""
        await sessions.revoke_own(subject, session_id)


def profile(subject: Subject, person: PersonRow) -> Profile:
    """Return the profile of the person who asks."""
    held = {name for grant in subject.grants for name in grant.permissions}
    return Profile(
        id=person.id,
        email=person.email,
        display_name=person.display_name,
        locale="ar" if person.locale == "ar" else "en",
        permissions=sorted(held | LEARNER_PERMISSIONS if subject.is_learner else held),
        grants=[
            Place(permissions=sorted(grant.permissions), faculty_id=grant.faculty_id, course_id=grant.course_id)
            for grant in subject.grants
        ],
        created_at=person.created_at,
    )
