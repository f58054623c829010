"""The tutor's page. Conversations are read and asked through the API by `static/js/chat`, so that one piece of code
shows a turn, whether it streams or is history."""

from typing import Any
from uuid import UUID

from litestar import Response, get
from litestar.params import FromQuery

from backend.academics.access import course_ref
from backend.academics.service import list_courses
from backend.kit.http import CurrentSubject, permission
from backend.web.listing import whole
from backend.web.rendering import PageRequest, render

PERMISSION = "chat.use"


@get("/chat", opt=permission(PERMISSION))
async def chat_page(
    request: PageRequest, subject: CurrentSubject, course: FromQuery[UUID | None] = None
) -> Response[Any]:
    """Ask about one course or about all; `course` is chosen beforehand."""
    readable = await whole(lambda after, limit: list_courses(subject, after_id=after, limit=limit))
    courses = [row for row in readable if subject.can(PERMISSION, course_ref(row))]
    return render(request, "chat.html", courses=courses, chosen=course)


handlers = [chat_page]
