"""Another tenant's ids do not exist: in every path, in every query and in every body, alone and among one's own."""

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import httpx
import pytest

from tests.contract.api.site import Operation, Site
from tests.contract.api.test_hostile_bodies import smallest

SIGNED = ("/api/v1/webhooks/in/{source_id}",)
"""Where a signature counts, and not who asks."""
OF_ALL = ("/api/v1/workers/{worker_id}/drain",)
"""Workers serve all tenants."""
PARENTS = ("course_id", "user_id")
"""Path parameters that the stranger has one of: a foreign id behind one of their own is refused as well."""
FORM = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\n# A\r\n--b--\r\n'
SEMESTER = {"name": "W", "code": "W", "starts_on": "2026-10-01", "ends_on": "2027-02-01"}

OF_NOBODY = {"cron": "0 3 * * *"}
"""What a list must be asked with and is nobody's."""


def ids_of(site: Site, operation: Operation, parameter: str) -> str:
    """The id of the home tenant's thing of that name."""
    chat = site.chats["admin"][0]
    if parameter == "session_id":
        return str(chat["session_id"]) if "/chat/" in operation.path else site.seeds.logins["admin"][0].session_id
    return str(chat["message_id"]) if parameter == "message_id" else site.seeds.ids[parameter]


def parameters(operation: Operation, place: str) -> list[dict[str, Any]]:
    return [one for one in operation.definition.get("parameters", []) if one["in"] == place]


def addresses(site: Site, operation: Operation) -> Iterator[str]:
    """The path with foreign ids, and with some of them replaced by the stranger's own, at least one staying foreign."""
    names = [one["name"] for one in parameters(operation, "path")]
    choices = []
    for name in names:
        foreign = ids_of(site, operation, name)
        own = site.seeds.ids.get(f"strangers_{name}")
        choices.append([foreign, own] if name in PARENTS and own and len(names) > 1 else [foreign])
    for values in product(*choices):
        yield operation.path.format(**dict(zip(names, values, strict=True)))


def sent(site: Site, operation: Operation) -> dict[str, Any]:
    """A body the operation would take, and the numbers its query needs."""
    query = {one["name"]: number for number, one in enumerate(parameters(operation, "query")) if one["required"]}
    body = operation.body.get("application/json")
    if "multipart/form-data" in operation.body:
        return {"params": query, "content": FORM, "headers": {"content-type": "multipart/form-data; boundary=b"}}
    if body is None:
        return {"params": query}
    filled = smallest(site.document, body["schema"])
    if operation.path.endswith("/enrolments"):
        filled = {"emails": ["a@b.example"]}
    if operation.path.endswith("/grants"):
        filled = {"role": "student"}
    if operation.label == "PATCH /api/v1/documents/{document_id}":
        filled = {"title": "mine"}
    return {"params": query, "json": filled}


@pytest.mark.parametrize("role", ["stranger", "ops"])
def test_every_path_with_a_foreign_id_is_404(site: Site, role: str) -> None:
    """`ops` is of the home tenant, but no course is theirs: the same for all that is not a matter of operators."""
    tried, wrong = set(), []
    with site.client(role) as client:
        for operation in with_ids(site):
            if role == "ops" and is_of_operators(operation.path):
                continue
            for address in addresses(site, operation):
                answer = client.request(operation.method, address, **sent(site, operation))
                refused = {404} if role == "stranger" else {404, 403}
                tried.add(operation.path)
                if answer.status_code not in refused:
                    wrong.append(f"{operation.method} {address}: {answer.status_code} {answer.text[:300]}")
    assert not wrong, "\n".join(wrong)
    assert tried == {
        path
        for path in site.document["paths"]
        if "_id}" in path and path not in (*SIGNED, *OF_ALL) and (role != "ops" or not is_of_operators(path))
    }


def test_whose_ids_they_are_reads_with_them(site: Site) -> None:
    """The same addresses, and the 404 of a stranger is not that of a wrong address."""
    wrong = []
    with site.client("admin") as client:
        for operation in with_ids(site):
            if operation.method == "GET":
                address = next(addresses(site, operation))
                given = sent(site, operation)
                given["params"] |= {"char_end": 9} if address.endswith("/boxes") else {}
                answer = client.get(address, **given)
                if answer.status_code != httpx.codes.OK:
                    wrong.append(f"{address}: {answer.status_code} {answer.text[:300]}")
    assert not wrong, "\n".join(wrong)


def is_of_operators(path: str) -> bool:
    return any(part in path for part in ("/jobs/", "/ops/", "/events/", "/webhooks/"))


def with_ids(site: Site) -> list[Operation]:
    but = (*SIGNED, *OF_ALL)
    return [operation for operation in site.operations() if "_id}" in operation.path and operation.path not in but]


def test_pages_with_a_foreign_id_are_404(site: Site) -> None:
    paths = [route.path for route in site.routes() if "_id}" in route.path and not route.path.startswith("/api/")]
    addresses = [path.format(**site.seeds.ids) for path in paths]
    with site.client("stranger") as stranger, site.client("admin") as owner:
        statuses = {path: (stranger.get(path).status_code, owner.get(path).status_code) for path in addresses}
    assert statuses == dict.fromkeys(addresses, (404, 200))
    assert len(addresses) > 5


def test_a_foreign_course_cannot_be_chosen_on_the_tutors_page(site: Site) -> None:
    course_id = site.seeds.ids["course_id"]
    with site.client("stranger") as stranger, site.client("admin") as owner:
        theirs, own = (client.get(f"/chat?course={course_id}").text for client in (stranger, owner))
    assert f'value="{course_id}"' in own
    assert f'value="{course_id}"' not in theirs


def test_every_query_with_a_foreign_id_finds_nothing(site: Site) -> None:
    tried, wrong = 0, []
    with site.client("stranger") as client:
        for operation in site.operations():
            for parameter in parameters(operation, "query"):
                if "uuid" not in json.dumps(parameter["schema"]):
                    continue
                tried += 1
                name = parameter["name"]
                value = site.seeds.ids["document_id" if name == "subject_id" else name]
                answer = client.request(operation.method, operation.path, params={name: value})
                if answer.status_code != httpx.codes.NOT_FOUND and answer.json() != {"items": [], "next_cursor": None}:
                    wrong.append(f"{operation.label}?{name}: {answer.status_code} {answer.text[:300]}")
    assert not wrong, "\n".join(wrong)
    assert tried >= 4


def foreign_bodies(ids: dict[str, str], chat: dict[str, Any]) -> dict[tuple[str, str], tuple[str, dict[str, Any], int]]:
    """By operation and field: where to send it, the body, and the status."""
    mine = {"faculty_id": ids["strangers_faculty_id"], "code": "X", "title": "X"}
    course, grants = f"/api/v1/courses/{ids['strangers_course_id']}", f"/api/v1/users/{ids['strangers_user_id']}/grants"
    given = {"role": "academic"}
    semester, faculty = {"semester_id": ids["semester_id"]}, {"faculty_id": ids["faculty_id"]}
    return {
        ("POST /api/v1/semesters", "faculty_id"): ("/api/v1/semesters", SEMESTER | faculty, 404),
        ("POST /api/v1/courses", "faculty_id"): ("/api/v1/courses", mine | faculty | semester, 404),
        ("POST /api/v1/courses", "semester_id"): ("/api/v1/courses", mine | semester, 422),
        ("PATCH /api/v1/courses/{course_id}", "faculty_id"): (course, faculty, 404),
        ("PATCH /api/v1/courses/{course_id}", "semester_id"): (course, semester, 422),
        ("POST /api/v1/courses/{course_id}/enrolments", "user_id"): (
            f"{course}/enrolments",
            {"user_id": ids["user_id"]},
            404,
        ),
        ("POST /api/v1/users/{user_id}/grants", "course_id"): (grants, given | {"course_id": ids["course_id"]}, 404),
        ("POST /api/v1/users/{user_id}/grants", "faculty_id"): (grants, given | faculty, 404),
        ("POST /api/v1/search", "course_id"): (
            "/api/v1/search",
            {"query": "sheet", "course_id": ids["course_id"]},
            404,
        ),
        ("POST /api/v1/chat", "course_id"): ("/api/v1/chat", {"message": "sheet", "course_id": ids["course_id"]}, 404),
        ("POST /api/v1/jobs/bulk", "ids"): ("/api/v1/jobs/bulk", {"action": "discard", "ids": [ids["job_id"]]}, 200),
        ("POST /api/v1/jobs/bulk", "after"): (
            "/api/v1/jobs/bulk",
            {"action": "discard", "filter": {"state": "dead"}, "after": ids["job_id"]},
            200,
        ),
        ("POST /api/v1/inference/quotas", "subject_id"): (
            "/api/v1/inference/quotas",
            {"level": "course", "tokens": 1, "subject_id": ids["course_id"]},
            404,
        ),
        ("POST /api/v1/chat", "session_id"): ("/api/v1/chat", {"message": "a", "session_id": chat["session_id"]}, 404),
    }


def test_every_foreign_id_in_a_body_is_refused(site: Site) -> None:
    bodies = foreign_bodies(site.seeds.ids, site.chats["admin"][0])
    assert set(bodies) == set(ids_in_bodies(site))
    wrong = []
    with site.client("stranger") as client:
        for (label, field), (address, body, status) in bodies.items():
            answer = client.request(label.split()[0], address, json=body)
            if answer.status_code != status:
                wrong.append(f"{label} {field}: {answer.status_code} {answer.text[:300]}")
        form = {"course_id": site.seeds.ids["course_id"]}
        uploaded = client.post("/api/v1/documents", data=form, files={"file": ("a.md", b"# A")})
        act = client.post("/api/v1/jobs/bulk", json=bodies["POST /api/v1/jobs/bulk", "ids"][1])
        bulk = client.post(
            f"/api/v1/courses/{site.seeds.ids['strangers_course_id']}/enrolments",
            json={"emails": [site.seeds.emails["student"]]},
        )
    assert not wrong, "\n".join(wrong)
    assert uploaded.status_code == httpx.codes.NOT_FOUND
    assert [item["status"] for item in bulk.json()["items"]] == ["unknown"]
    assert (act.json()["done"], [one["type"] for one in act.json()["refused"]]) == (0, ["job-not-found"])


def ids_in_bodies(site: Site) -> Iterator[tuple[str, str]]:
    """Every field of a JSON body that is an id."""
    schemas = site.document["components"]["schemas"]
    for operation in site.operations():
        schema = operation.body.get("application/json", {}).get("schema", {})
        found = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
        for name, field in found.get("properties", {}).items():
            if '"uuid"' in json.dumps(field):
                yield operation.label, name


def test_lists_hold_nothing_of_another_tenant(site: Site) -> None:
    of_tenants = {name: one for name, one in site.seeds.ids.items() if name != "worker_id"}
    home = json.dumps([*of_tenants.values(), *site.seeds.user_ids.values()])
    home_ids = {one for one in json.loads(home) if one not in _strangers(site)}
    lists = [operation for operation in site.operations() if operation.method == "GET" and "{" not in operation.path]
    tried = 0
    with site.client("stranger") as client:
        for operation in lists:
            params = {
                one["name"]: OF_NOBODY.get(one["name"])
                or site.seeds.ids.get(f"strangers_{one['name']}")
                or site.seeds.ids[one["name"]]
                for one in parameters(operation, "query")
                if one["required"]
            }
            answer = client.get(operation.path, params=params)
            assert answer.status_code == httpx.codes.OK, f"{operation.label}: {answer.text}"
            assert not {one for one in home_ids if len(one) > 8 and one in answer.text}, operation.label
            tried += "items" in answer.json()
    assert tried >= 10


def _strangers(site: Site) -> set[str]:
    own = {value for name, value in site.seeds.ids.items() if name.startswith("strangers_")}
    return {*own, site.seeds.user_ids["stranger"]}
