"""Every act of people leaves one row in the audit log, and no act is added to the product without being told here."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import msgspec

from db import query
from tests import api
from tests.integration.identity.story import ACTS, Note, Story, begin
from tests.servers import Database

ROOT = Path(__file__).parents[3]
PARTS = ("actors", "backend", "db", "inference_gateway", "ops")
NAMED = re.compile(r"[a-z_]+\.[a-z_]+")
JOBS = "tests/integration/jobs"
RETENTION = "tests/integration/retention"
WEBHOOKS = "tests/integration/webhooks"
INFERENCE = "tests/integration/inference/test_administration.py"
ADAPTERS = "tests/integration/gateway/test_adapters_command.py"

# Acts that need a worker, a tutor, a clock or an attack, and the test that looks for each row.
TOLD_ELSEWHERE = {
    "answer.replayed": "tests/contract/gateway/test_replay.py",
    "answers.forgotten": INFERENCE,
    "inference_policy.changed": INFERENCE,
    "quota.set": INFERENCE,
    "quota.deleted": INFERENCE,
    "upstream.drained": INFERENCE,
    "upstream.resumed": INFERENCE,
    "text.generated": "tests/integration/tutoring/test_generate.py",
    "adapter.added": ADAPTERS,
    "adapter.revoked": ADAPTERS,
    "adapter.quarantined": "tests/integration/gateway/test_adapter_registry.py",
    "auth.locked_out": "tests/integration/identity/test_lockout.py",
    "auth.refresh_reused": "tests/integration/identity/test_refresh_families.py",
    "auth.sign_in_failed": "tests/integration/identity/test_lockout.py",
    "auth.sign_in_refused": "tests/integration/identity/test_lockout.py",
    "chat.asked": "tests/integration/chat/test_tutor.py",
    "chat.sessions_purged": f"{RETENTION}/test_courses.py",
    "course.purged": f"{RETENTION}/test_courses.py",
    "document.purged": f"{RETENTION}/test_courses.py",
    "document.ready": "tests/integration/documents/test_ingestion.py",
    "documents.removed": f"{RETENTION}/test_courses.py",
    "person.registration_repeated": "tests/integration/identity/test_registration.py",
    "job.retried": f"{JOBS}/test_operations.py",
    "job.discarded": f"{JOBS}/test_operations.py",
    "job.prioritised": f"{JOBS}/test_operations.py",
    "jobs.bulk_act": f"{JOBS}/test_operations_bulk.py",
    "worker.drain_requested": f"{JOBS}/test_workers.py",
    "permission.refused": "tests/integration/identity/test_rights.py",
    "person.purged": f"{RETENTION}/test_people.py",
    "queue.paused": "tests/integration/jobs/test_queues.py",
    "queue.resumed": "tests/integration/jobs/test_queues.py",
    "schedule.changed": "tests/integration/jobs/test_schedules.py",
    "schedule.created": "tests/integration/jobs/test_schedules.py",
    "schedule.deleted": "tests/integration/jobs/test_schedules.py",
    "schedule.run": "tests/integration/jobs/test_schedules.py",
    "search.performed": "tests/integration/search/test_search.py",
    "event.replayed": f"{WEBHOOKS}/test_operators.py",
    "events.replayed": f"{WEBHOOKS}/test_operators.py",
    "webhook.created": f"{WEBHOOKS}/test_endpoints.py",
    "webhook.changed": f"{WEBHOOKS}/test_endpoints.py",
    "webhook.deleted": f"{WEBHOOKS}/test_endpoints.py",
    "webhook.secret_rotated": f"{WEBHOOKS}/test_endpoints.py",
    "webhook.disabled": f"{WEBHOOKS}/test_delivery.py",
    "webhook.pinged": f"{WEBHOOKS}/test_delivery.py",
    "webhook.delivery_replayed": f"{WEBHOOKS}/test_delivery.py",
    "webhook.failed_replayed": f"{WEBHOOKS}/test_delivery.py",
    "webhook_source.created": f"{WEBHOOKS}/test_inbound.py",
    "webhook_source.deleted": f"{WEBHOOKS}/test_inbound.py",
    "webhook_source.secret_rotated": f"{WEBHOOKS}/test_inbound.py",
    "webhook_source.received": f"{WEBHOOKS}/test_inbound.py",
    "webhook_source.refused": f"{WEBHOOKS}/test_inbound.py",
}


class Row(msgspec.Struct, frozen=True):
    id: UUID
    tenant_id: UUID | None
    user_id: UUID | None
    action: str
    metadata: str


async def test_each_act_leaves_one_row_with_who_did_it_where_and_to_what(database: Database, valkey_url: str) -> None:
    async with api.running(database.url, valkey_url) as running:
        story = await begin(running)
        wrong = {}
        for action, do in ACTS.items():
            before = {row.id for row in await _rows()}
            note = await do(story)
            rows = [row for row in await _rows() if row.id not in before and row.action == action]
            if len(rows) != 1 or not _tells(rows[0], note, story):
                wrong[action] = (note, rows)
        assert not wrong


def _tells(row: Row, note: Note, story: Story) -> bool:
    who = None if note.nobody else (note.actor or story.admin).user_id
    named = msgspec.json.decode(row.metadata).get(note.field) if note.field else note.id
    return (row.tenant_id, row.user_id, named) == (note.tenant_id or story.home.id, who, note.id)


async def _rows() -> list[Row]:
    return await query.fetch(
        Row, "SELECT id, tenant_id, user_id, action, metadata::text AS metadata FROM audit_log LIMIT 10000"
    )


def test_every_act_of_the_product_is_told() -> None:
    assert ACTS.keys().isdisjoint(TOLD_ELSEWHERE)
    assert set(_acts_of_the_product()) == ACTS.keys() | TOLD_ELSEWHERE.keys()


def test_what_is_told_elsewhere_is_told_there() -> None:
    missing = [action for action, path in TOLD_ELSEWHERE.items() if action not in (ROOT / path).read_text()]
    assert missing == []


def _acts_of_the_product() -> Iterator[str]:
    """Yield each name that reaches `uow.audit`, directly or by a function that takes it as its parameter `action`."""
    trees = [ast.parse(path.read_text()) for part in PARTS for path in _sources(part)]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    takers = {"audit"} | {
        node.name
        for node in nodes
        if isinstance(node, ast.AsyncFunctionDef) and "action" in {argument.arg for argument in node.args.args}
    }
    for call in calls:
        if not takers.isdisjoint(_functions_in(call)):
            yield from _names_in(call)


def _sources(part: str) -> Iterator[Path]:
    return (ROOT / part).rglob("*.py")


def _functions_in(call: ast.Call) -> set[str]:
    """What is called, and what is handed on to be called, as `partial` does."""
    named = [call.func, *(argument for argument in call.args if isinstance(argument, ast.Name))]
    return {node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "") for node in named}


def _names_in(call: ast.Call) -> Iterator[str]:
    for argument in call.args:
        for node in ast.walk(argument):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAMED.fullmatch(node.value):
                yield node.value
