"""schemathesis over every operation, with ids that exist put into half of what it generates."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup

from tests.contract.api.seeds import NEW_PASSWORD, PASSWORD, schedule, webhook
from tests.contract.api.site import Site

SEED = 20261121
CHECK_NAMES = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"),
    *("response_headers_conformance", "negative_data_rejection", "missing_required_header", "unsupported_method"),
    *("use_after_free", "ensure_resource_availability"),
)
ONCE = ("ignored_auth",)
"""A check that sends three more requests: once an operation is enough."""
SAFE = ("GET",)
LOGOUT = "POST /api/v1/auth/logout"
ENDS_A_SESSION = (LOGOUT, "DELETE /api/v1/me/sessions", "POST /api/v1/me/password")
QUIET = settings(
    deadline=None,
    database=None,
    derandomize=False,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


@dataclass
class Report:
    """Statuses by operation and role, and what was wrong."""

    statuses: dict[str, dict[str, set[int]]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    requests: int = 0

    def note(self, label: str, role: str, status: int) -> None:
        self.statuses.setdefault(label, {}).setdefault(role, set()).add(status)
        self.requests += 1

    def reached(self, label: str) -> bool:
        """Whether any role got a 2xx."""
        return any(200 <= status < 300 for seen in self.statuses.get(label, {}).values() for status in seen)


class Fuzzer:
    """One role's requests."""

    def __init__(self, site: Site, role: str, report: Report) -> None:
        self._site = site
        self._role = role
        self._report = report
        self._session = requests.Session()
        self._passing: dict[str, str] = {}
        load_all_checks()
        registered: dict[str, Any] = {check.__name__: check for check in CHECKS.get_all()}
        self._checks = [registered[name] for name in CHECK_NAMES]
        self._once = [registered[name] for name in ONCE]

    def run(self, operation: Any, examples: int) -> None:
        """Send the examples made by hand, then generated ones; the first failure ends the operation."""
        try:
            for case in self._by_hand(operation):
                self._send(case, self._once)
            for mode, share in ((GenerationMode.POSITIVE, examples), (GenerationMode.NEGATIVE, examples // 2)):
                if share:
                    self._generate(operation, mode, share)
        except (FailureGroup, AssertionError) as failure:
            self._report.failures.append(f"{self._role}: {operation.label}: {_text(failure)}")

    def _generate(self, operation: Any, mode: GenerationMode, examples: int) -> None:
        @seed(SEED)
        @settings(QUIET, max_examples=examples)
        @given(case=operation.as_strategy(generation_mode=mode), is_real=st.sampled_from((True, True, False)))
        def send(case: "Case[Any]", is_real: bool) -> None:
            if is_real and mode is GenerationMode.POSITIVE:
                self._make_real(case)
            self._send(case)

        try:
            send()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, f"nothing can be generated for {operation.label}"

    def _send(self, case: "Case[Any]", more: Iterable[Any] = ()) -> None:
        label = case.operation.label
        headers = self._passing_headers() if label in ENDS_A_SESSION else self._site.headers(self._role)
        response = case.call(session=self._session, headers=headers)
        self._report.note(label, self._role, response.status_code)
        if label == LOGOUT and response.status_code < HTTPStatus.BAD_REQUEST:
            self._passing = {}
        case.validate_response(response, checks=[*self._checks, *more], headers=headers)

    def _passing_headers(self) -> dict[str, str]:
        self._passing = self._passing or self._site.passing_headers(self._role)
        return self._passing

    def _make_real(self, case: "Case[Any]") -> None:
        """Put ids that exist into a generated request: those of spares where it changes something."""
        seeds, label = self._site.seeds, case.operation.label
        for name in case.path_parameters or {}:
            case.path_parameters[name] = self._id_for(case, name)
        query = case.query or {}
        query.pop("cursor", None)
        for name in query.keys() & {"course_id", "faculty_id", "semester_id"}:
            query[name] = seeds.ids[name]
        if label.endswith("/boxes"):
            query |= {"char_start": 0, "char_end": 20}
        if isinstance(case.body, dict):
            case.body.update({name: value for name, value in self._real_fields(label).items() if name in case.body})

    def _real_fields(self, label: str) -> dict[str, Any]:
        seeds = self._site.seeds
        chats = self._site.chats.get(self._role)
        return {
            "faculty_id": seeds.ids["faculty_id"],
            "semester_id": seeds.ids["semester_id"],
            "course_id": seeds.ids["course_id"],
            "user_id": next(seeds.spares["user_id"]),
            "role": "student",
            "permissions": ["course.read"],
            "session_id": chats[0]["session_id"] if chats else None,
        }

    def _id_for(self, case: "Case[Any]", name: str) -> str:
        seeds, path = self._site.seeds, case.operation.path
        if name in ("session_id", "message_id") and "/chat/" in path:
            chats = self._site.chats.get(self._role) or self._site.chats["admin"]
            chat = chats[0] if case.method in SAFE or len(chats) == 1 else chats.pop()
            return str(chat[name])
        if name == "session_id":
            return seeds.logins[self._role][-1].session_id
        keeps = case.method in SAFE or name not in seeds.spares or (name == "course_id" and "enrol" in path)
        if name == "user_id" and "grant" in path and case.method != "POST":
            keeps = True
        if name == "webhook_id" and "/deliveries" in path:
            keeps = True
        return seeds.ids[name] if keeps else next(seeds.spares[name])

    def _by_hand(self, operation: Any) -> "list[Case[Any]]":
        """What nobody can guess: passwords, tokens, files."""
        seeds, email = self._site.seeds, self._site.seeds.emails[f"passing-{self._role}"]
        bodies: dict[str, list[dict[str, Any]]] = {
            "POST /api/v1/auth/login": [{"email": email, "password": PASSWORD}],
            "POST /api/v1/auth/refresh": [{"refresh_token": seeds.logins[self._role][1].refresh_token}],
            "POST /api/v1/auth/link": [{"token": seeds.link_token}],
            "POST /api/v1/auth/register": [
                {"email": f"new-{self._role}@home.example", "password": NEW_PASSWORD, "display_name": "New"}
            ],
            "POST /api/v1/me/password": [{"current_password": PASSWORD, "new_password": NEW_PASSWORD}],
            "POST /api/v1/webhooks": [msgspec.to_builtins(webhook())],
            "POST /api/v1/ops/schedules": [msgspec.to_builtins(schedule(f"Nightly, says {self._role}"))],
            "POST /api/v1/courses/{course_id}/enrolments": [{"emails": list(seeds.emails.values())}],
        }
        cases = [operation.Case(body=body, media_type="application/json") for body in bodies.get(operation.label, [])]
        files: dict[str, dict[str, Any]] = {
            "POST /api/v1/documents": {"course_id": seeds.ids["course_id"]},
            "POST /api/v1/documents/{document_id}/versions": {},
        }
        if operation.label in files:
            text = f"# Sheet of {self._role}\n\nA new sheet for {operation.label}.\n".encode()
            cases.append(operation.Case(body=files[operation.label] | {"file": text}, media_type="multipart/form-data"))
        for case in cases:
            case.path_parameters = {one.name: self._id_for(case, one.name) for one in operation.path_parameters}
        return cases


def _text(failure: BaseException) -> str:
    shown = failure.exceptions if isinstance(failure, FailureGroup) else [failure]
    return "\n".join(f"{type(one).__name__} {one}" for one in shown)[:3000]


def load(site: Site, document: dict[str, Any] | None = None) -> list[Any]:
    """The operations of the site's or another document, those that end sessions or destroy last."""
    schema = schemathesis.openapi.from_dict(document or site.document)
    schema.config.update(base_url=site.base_url)
    schema.config.generation.update(
        allow_extra_parameters=False
    )  # one that no route knows is ignored, as on all the web
    found: list[Any] = [schema[path][method] for path in schema for method in schema[path]]
    return sorted(found, key=lambda one: (one.label in ENDS_A_SESSION, one.method.upper() == "DELETE", one.label))
