"""The OpenAPI document of version 1 and the table of who may call what, as they were agreed on.

`python -m tests.contract.api.snapshot` writes both anew; look at the difference before you commit it.
"""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar

from backend.app import create_app
from backend.kit.http import DeclaredRoute, declared_routes
from backend.kit.http.access import Access
from backend.kit.permissions import BUILTIN_ROLES, LEARNER_PERMISSIONS
from backend.system.controller import build_document
from tests import campus
from tests.contract.api.seeds import ROLES

OPENAPI = Path(__file__).parent / "openapi_v1.json"
ACCESS = Path(__file__).parent / "access.txt"
VERSIONED = re.compile("/static/[0-9a-f]{12}/")
PROSE = ("description", "summary", "title")
MAPS = ("properties", "schemas", "paths", "responses", "headers", "content")
HEADER = "# route, permission (or public, signed-in), and whether each role gets past the door: " + " ".join(ROLES)


def application() -> Litestar:
    """The application, not started: its servers need not exist."""
    return create_app(campus.settings_for("postgresql://nobody@127.0.0.1:9/nothing", "redis://127.0.0.1:9/0"))


def openapi(document: dict[str, Any]) -> str:
    """The document's text without its prose, sorted wherever order means nothing."""
    return json.dumps(_without_prose(document), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _without_prose(node: Any, *, is_map: bool = False) -> Any:
    """Leave out titles and descriptions; in a map of names they would be names."""
    if isinstance(node, list):
        return [_without_prose(one) for one in node]
    if not isinstance(node, dict):
        return node
    kept = node if is_map else {key: value for key, value in node.items() if key not in PROSE}
    return {key: _without_prose(value, is_map=key in MAPS and not is_map) for key, value in kept.items()}


def access_table(app: Litestar) -> str:
    """One line per route and method."""
    lines = [_line(method, route) for route in declared_routes(app) for method in route.methods]
    return "\n".join([HEADER, *sorted(lines)]) + "\n"


def _line(method: str, route: DeclaredRoute) -> str:
    path = VERSIONED.sub("/static/{version}/", route.path)
    return f"{method:9} {path:60} {_needs(route.access):18} {' '.join(_signs(route.access))}".rstrip()


def _needs(access: Access | None) -> str:
    assert access is not None
    if access.permission is not None:
        return access.permission
    return "signed-in" if access.signed_in else "public"


def _signs(access: Access | None) -> list[str]:
    assert access is not None
    return ["+" if access.permission is None or _holds(role, access.permission) else "-" for role in ROLES]


def _holds(role: str, permission: str) -> bool:
    """Whether a person with this role somewhere holds the permission somewhere."""
    held = BUILTIN_ROLES[role]
    return permission in held or ("course.learn" in held and permission in LEARNER_PERMISSIONS)


if __name__ == "__main__":
    made = application()
    OPENAPI.write_text(openapi(msgspec.json.decode(build_document(made))))
    ACCESS.write_text(access_table(made))
