"""Pages for people: rendered on the server from the same services as the API, with its permissions.

Pages only read. What a person changes goes to the API itself: `static/js/page.js` sends the forms as JSON with the CSRF token
of the page. Only the session cookie is made here (`sign_in`).
"""

from backend.web import (
    academics,
    account,
    audit,
    chat,
    courses,
    documents,
    events,
    jobs,
    models,
    operations,
    people,
    sign_in,
)
from backend.web.assets import static_files
from backend.web.failures import pages, respond_to_anybody

_GROUPS = (sign_in, account, courses, documents, chat, jobs, operations, events, models, people, academics, audit)

controllers = [pages(*(handler for group in _GROUPS for handler in group.handlers))]

__all__ = ["controllers", "respond_to_anybody", "static_files"]
