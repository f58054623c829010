"""Another tenant's ids do not exist: every route of identity and academics that takes one, and every id in a body."""

from typing import Any

from backend.academics import enrolments
from backend.academics.service import scope_for
from backend.identity import rights
from backend.identity.schemas import NewGrant, NewRole
from backend.kit.http import declared_routes
from tests import campus
from tests.api import problem
from tests.integration.identity.conftest import World

BODIES: dict[str, dict[str, Any]] = {
    "POST /api/v1/users/{user_id}/grants": {"role": "student"},
    "POST /api/v1/users/{user_id}/sign-in-link": {},
    "POST /api/v1/courses/{course_id}/enrolments": {"emails": ["sam@home.example"]},
}


async def ids_of_home(world: World) -> dict[str, str]:
    where = await campus.place(world.admin, "SCI")
    course = await campus.course(world.admin, where, "C1")
    enrolment = await enrolments.enrol(world.admin, course.id, world.student.user_id)
    grant = await rights.give(world.admin, world.student.user_id, NewGrant(role="academic", course_id=course.id))
    role = await rights.create_role(world.admin, NewRole(name="free", permissions=[]))
    session = await campus.sign_in(world.student.user_id)
    found = {
        "faculty_id": where.faculty_id,
        "semester_id": where.semester_id,
        "course_id": course.id,
        "enrolment_id": enrolment.id,
        "user_id": world.student.user_id,
        "grant_id": grant.id,
        "role_id": role.id,
        "session_id": session.session_id,
    }
    return {name: str(value) for name, value in found.items()}


async def test_every_route_with_an_id_answers_404_to_another_tenant(world: World) -> None:
    ids = await ids_of_home(world)
    stranger = await world.api.signed_in(world.stranger)
    tried = 0
    for route in declared_routes(world.api.app):
        if "{" not in route.path or not route.path.startswith("/api/v1"):
            continue
        path = route.path.replace(":uuid", "")
        for method in route.methods:
            body = BODIES.get(f"{method} {path}", {"title": "x"} if "courses" in path else {})
            sends = {"json": body} if method in ("POST", "PATCH") else {}
            response = await stranger.request(method, path.format(**ids), **sends)
            assert response.status_code == 404, f"{method} {path}: {response.status_code} {response.text}"
            assert response.json()["type"].endswith("-not-found")
            tried += 1
    assert tried >= 26


async def test_every_id_in_a_body_answers_404_to_another_tenant(world: World) -> None:
    ids = await ids_of_home(world)
    stranger = await world.api.signed_in(world.stranger)
    own = await campus.place(world.stranger, "OWN")
    course = await campus.course(world.stranger, own, "C1")
    semester = {"name": "W", "code": "W", "starts_on": "2026-10-01", "ends_on": "2027-02-01"}
    new = {"code": "X", "title": "X"}
    me = f"/api/v1/users/{world.stranger.user_id}/grants"
    foreign: list[tuple[str, str, dict[str, Any], int]] = [
        ("POST", "/api/v1/semesters", semester | {"faculty_id": ids["faculty_id"]}, 404),
        ("POST", "/api/v1/courses", new | {"faculty_id": ids["faculty_id"], "semester_id": ids["semester_id"]}, 404),
        ("POST", "/api/v1/courses", new | {"faculty_id": str(own.faculty_id), "semester_id": ids["semester_id"]}, 422),
        ("PATCH", f"/api/v1/courses/{course.id}", {"faculty_id": ids["faculty_id"]}, 404),
        ("PATCH", f"/api/v1/courses/{course.id}", {"semester_id": ids["semester_id"]}, 422),
        ("POST", f"/api/v1/courses/{course.id}/enrolments", {"user_id": ids["user_id"]}, 404),
        ("POST", me, {"role": "academic", "course_id": ids["course_id"]}, 404),
        ("POST", me, {"role": "academic", "faculty_id": ids["faculty_id"]}, 404),
        ("POST", me, {"role": "free"}, 422),
    ]
    for method, path, body, status in foreign:
        response = await stranger.request(method, path, json=body)
        assert response.status_code == status, f"{method} {path} {body}: {response.text}"
    bulk = await stranger.post(f"/api/v1/courses/{course.id}/enrolments", json={"emails": [world.student.email]})
    assert bulk.json() == {"items": [{"email": world.student.email, "status": "unknown", "user_id": None, "id": None}]}


async def test_lists_hold_nothing_of_another_tenant(world: World) -> None:
    ids = set((await ids_of_home(world)).values()) | {str(world.admin.user_id)}
    stranger = await world.api.signed_in(world.stranger)
    for path in ("users", "roles", "faculties", "semesters", "courses"):
        items = (await stranger.get(f"/api/v1/{path}")).json()["items"]
        assert not ids & {item["id"] for item in items}
    filtered = await stranger.get("/api/v1/courses", params={"faculty_id": next(iter(ids))})
    assert filtered.json()["items"] == []
    assert (await scope_for(world.stranger)).courses == ()


async def test_malformed_ids_are_refused_with_a_problem(world: World) -> None:
    admin = await world.api.signed_in(world.admin)
    problem(await admin.get("/api/v1/courses/not-a-uuid"), 404, "not-found")
    problem(await admin.get("/api/v1/courses", params={"faculty_id": "not-a-uuid"}), 400, "invalid-input")
    problem(await admin.get("/api/v1/courses", params={"limit": "101"}), 400, "invalid-input")
    problem(await admin.get("/api/v1/courses", params={"cursor": "nonsense"}), 400, "invalid-input")
    where = {"faculty_id": "x", "semester_id": "y", "code": "C", "title": "T"}
    document = problem(await admin.post("/api/v1/courses", json=where), 400, "invalid-input")
    assert document["errors"][0]["pointer"] == "/faculty_id"
