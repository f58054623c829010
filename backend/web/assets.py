"""Styles, modules and pictures, at addresses that change with their content.

A browser keeps them for a year, and yet a page never meets the modules of another release: modules import one another, and
styles name their fonts, by relative addresses.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from litestar import Router
from litestar.datastructures import CacheControlHeader
from litestar.static_files import create_static_files_router

from backend.kit.http import public

FOLDER: Final = Path(__file__).parent / "static"
PLAIN_ROOT: Final = "/static"
"""For those who cannot know the release, such as the readers of the API's description."""
PLAIN_SECONDS: Final = 3600
RELEASE_SECONDS: Final = 365 * 24 * 3600


@cache
def release_root() -> str:
    """Return the address below which this release's files lie."""
    digest = hashlib.sha256()
    for path in sorted(path for path in FOLDER.rglob("*") if path.is_file()):
        digest.update(path.relative_to(FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{PLAIN_ROOT}/{digest.hexdigest()[:12]}"


def static_files() -> list[Router]:
    """Return the routes of the files, at both addresses."""
    return [
        _served(PLAIN_ROOT, CacheControlHeader(public=True, max_age=PLAIN_SECONDS)),
        _served(release_root(), CacheControlHeader(public=True, max_age=RELEASE_SECONDS, immutable=True)),
    ]


def _served(path: str, cache_control: CacheControlHeader) -> Router:
    name = "static" if path == PLAIN_ROOT else "static-release"
    return create_static_files_router(
        path=path, directories=[FOLDER], name=name, opt=public(), include_in_schema=False, cache_control=cache_control
    )
