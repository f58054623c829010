"""A missing permission is an act: it leaves an audit row."""

import json
from typing import Any

from litestar import get

from backend.kit.http import public
from db.engine import connection
from tests.servers import Database
from tests.unit.edge.conftest import BEARER, READER, edge_app, serving


@get("/audit-rows", opt=public())
async def audit_rows() -> list[dict[str, Any]]:
    async with connection() as lent:
        rows = await lent.fetch("SELECT user_id::text, action, metadata::text, request_id FROM audit_log")
    return [dict(row) for row in rows]


async def test_missing_permission_is_audited(database: Database) -> None:
    async with serving(edge_app(audit_rows, database_url=database.url)) as client:
        headers = {**BEARER, "X-Request-Id": "refused-request-1"}
        assert (await client.get("/secret", headers=headers)).status_code == 403
        assert (await client.get("/things", headers=BEARER)).status_code == 200
        assert (await client.get("/secret")).status_code == 401
        (row,) = (await client.get("/audit-rows")).json()
    assert row["action"] == "permission.refused"
    assert row["user_id"] == str(READER.user_id)
    assert row["request_id"] == "refused-request-1"
    assert json.loads(row["metadata"]) == {"permission": "audit.read", "method": "GET", "route": "/secret"}


async def test_refusal_stands_without_a_database() -> None:
    async with serving(edge_app()) as client:
        assert (await client.get("/secret", headers=BEARER)).status_code == 403
