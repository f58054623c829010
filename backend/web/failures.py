"""What went wrong, as a page for people and as a problem document for everybody else."""

from typing import Any
from urllib.parse import quote

from litestar import Response, Router
from litestar.response import Redirect

from backend.errors import AuthenticationRequired
from backend.problems.mapping import problem_document, respond, to_error
from backend.web.messages import Translator
from backend.web.rendering import PageRequest, current_reader, reader_locale, render


def pages(*handlers: Any) -> Router:
    """Return a router of pages: not part of the API's description, errors as pages."""
    return Router(
        "/", route_handlers=list(handlers), include_in_schema=False, exception_handlers={Exception: error_page}
    )


def error_page(request: PageRequest, exception: Exception) -> Response[Any]:
    """Show what went wrong; who is not signed in is led to the sign-in page and back."""
    error = to_error(exception)
    if isinstance(error, AuthenticationRequired):
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return Redirect(f"/sign-in?next={quote(target)}", status_code=303)
    t = Translator(reader_locale(request, current_reader(request)))
    problem = problem_document(error)
    detail = _sentence(t, error.type, error.status, problem.detail)
    response = render(request, "error.html", status=error.status, problem=problem, detail=detail)
    if error.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


def _sentence(t: Translator, kind: str, status: int, english: str) -> str:
    """Return what to tell the reader; details of problems are in English and speak to programs."""
    if t.known(f"problem.{kind}"):
        return t(f"problem.{kind}")
    if t.locale == "en":
        return english
    return t("problem.not-found" if status == 404 else "client.refused")


def respond_to_anybody(request: PageRequest, exception: Exception) -> Response[Any]:
    """Answer an address that is no route: a browser that asks for a page gets one."""
    wants_page = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")
    return error_page(request, exception) if wants_page else respond(request, exception)
