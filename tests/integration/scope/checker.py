"""Compares what came out with what the model says may be read."""

import json
import re
from typing import Any
from uuid import UUID

from tests.integration.scope.model import Model, Person

CODE = re.compile(r"Qz[a-z]+\d+x")


class ForeignPassage(AssertionError):
    """Somebody got what they may not read."""


class NothingFound(AssertionError):
    """Somebody did not get what they may read."""


def check_evidence(model: Model, person: Person, course_id: str | None, evidence: list[dict[str, Any]]) -> None:
    """Check search results or citations: the document, its version, and every word of the text."""
    readable = {document.id: document for document in model.served_to(person, course_id)}
    for item in evidence:
        document = readable.get(item["document_id"])
        text = item.get("quote", item.get("text"))
        if document is None or item["version"] != document.serving:
            raise ForeignPassage(f"{person.name} in {course_id or 'all courses'} got {item}")
        if not text or not set(CODE.findall(text)) <= {document.served_file.code}:
            raise ForeignPassage(f"{person.name} got a text of another document: {item}")


def check_codes(model: Model, person: Person, body: str) -> None:
    """Check a whole body, whatever its form: it names no code word but those of files the person reads now."""
    own = {document.served_file.code for document in model.served_to(person)}
    if foreign := set(CODE.findall(body)) - own:
        raise ForeignPassage(f"{person.name} got {sorted(foreign)} in {body[:2000]}")


def check_turn(model: Model, person: Person, turn: dict[str, Any]) -> None:
    """Check a turn of a person's history: what may be read now is quoted, all else is withdrawn."""
    readable = {(document.id, document.serving) for document in model.served_to(person)}
    for citation in turn["citations"]:
        is_readable = (citation["document_id"], citation["version"]) in readable
        if is_readable is citation["withdrawn"] or is_readable is (citation["quote"] is None):
            raise ForeignPassage(f"{person.name} reads again, readable now: {is_readable}: {citation}")
    check_codes(model, person, json.dumps(turn, ensure_ascii=False))


def check_cached(model: Model, key: str, course_ids: set[str] | None, passage_ids: set[UUID], raw: str) -> None:
    """Check a cache entry: its name is that of a scope the model knows, and all it holds is of that scope's courses."""
    if course_ids is None:
        raise ForeignPassage(f"{key} is the name of no scope that anybody had")
    for passage_id in passage_ids:
        document, _ = model.passages[passage_id]
        if document.course.id not in course_ids:
            raise ForeignPassage(f"{key} holds a passage of course {document.course.id}")
    known = {
        file.code
        for document in model.documents.values()
        if document.course.id in course_ids
        for file in document.files
    }
    if foreign := set(CODE.findall(raw)) - known:
        raise ForeignPassage(f"{key} holds {sorted(foreign)}")
