"""What controllers and pages need of the framework: access declarations, the caller, strict bodies, the edge."""

from backend.kit.http.access import (
    DeclaredRoute,
    UndeclaredAccess,
    check_declared,
    declared_routes,
    own_authentication,
    permission,
    public,
    signed_in,
)
from backend.kit.http.browser import BrowserProtection, Connection
from backend.kit.http.edge import Edge
from backend.kit.http.guard import (
    Authenticate,
    CurrentSubject,
    admit,
    begin_unstored,
    current_subject,
    guard,
    record_refusal,
)
from backend.kit.http.parameters import PageCursor, PageLimit, PathNumber, QueryNumber, QueryText
from backend.kit.http.request import LyceumRequest
from backend.kit.http.sockets import serve_socket

__all__ = [
    "Authenticate",
    "BrowserProtection",
    "Connection",
    "CurrentSubject",
    "DeclaredRoute",
    "Edge",
    "LyceumRequest",
    "PageCursor",
    "PageLimit",
    "PathNumber",
    "QueryNumber",
    "QueryText",
    "UndeclaredAccess",
    "admit",
    "begin_unstored",
    "check_declared",
    "current_subject",
    "declared_routes",
    "guard",
    "own_authentication",
    "permission",
    "public",
    "record_refusal",
    "serve_socket",
    "signed_in",
]
