"""The catalogue of problems: each `type` of a problem document is the address of its explanation."""

from html import escape

import msgspec
from litestar import MediaType, Response, get
from litestar.params import FromPath

from backend.errors import LyceumError, NotFound, catalogue
from backend.kit.http import public
from backend.problems.mapping import CATALOGUE_PATH

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/static/css/lyceum.css"></head><body><main><h1>{title}</h1>{body}</main></body></html>
"""


class ProblemType(msgspec.Struct, frozen=True, kw_only=True):
    """One entry: what never varies between two problems of a type."""

    type: str
    status: int
    title: str
    description: str


def entry(kind: type[LyceumError]) -> ProblemType:
    """Return the entry of an error class."""
    description = " ".join((kind.__doc__ or "").split())
    return ProblemType(
        type=f"{CATALOGUE_PATH}/{kind.type}", status=kind.status, title=kind.title, description=description
    )


@get(CATALOGUE_PATH, opt=public(), include_in_schema=False)
async def list_problems() -> Response[str]:
    """Show every problem there is."""
    rows = "".join(
        f'<dt><a href="{escape(item.type)}">{escape(item.title)}</a> ({item.status})</dt><dd>{escape(item.description)}</dd>'
        for item in map(entry, catalogue())
    )
    return Response(PAGE.format(title="Problems", body=f"<dl>{rows}</dl>"), media_type=MediaType.HTML)


@get(CATALOGUE_PATH + "/{slug:str}", opt=public(), include_in_schema=False)
async def show_problem(slug: FromPath[str]) -> Response[str]:
    """Explain one problem."""
    for kind in catalogue():
        if kind.type == slug:
            item = entry(kind)
            body = f"<p>{escape(item.description)}</p><p>HTTP status {item.status}, type <code>{escape(item.type)}</code></p>"
            return Response(PAGE.format(title=escape(item.title), body=body), media_type=MediaType.HTML)
    raise NotFound


controllers = [list_problems, show_problem]
