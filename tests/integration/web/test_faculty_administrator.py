"""Who holds `admin` in one faculty does the whole job there, by page and by API, and nothing beyond it."""

import re
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from backend.identity import rights
from backend.identity.passwords import hash_password
from backend.identity.schemas import NewGrant
from backend.identity.service import subject_for_user
from backend.kit.subject import Subject
from db.repositories.courses import CourseRow
from db.repositories.identity import tenant_by_slug
from tests import campus
from tests.api import problem
from tests.integration.web.conftest import PASSWORD, Site

NAVIGATION = re.compile(r'<a href="(/[^"]*)"', re.DOTALL)


@dataclass(frozen=True)
class Scene:
    """`dean` administers the faculty of `course`; `elsewhere` lies in another; nobody else belongs to either."""

    site: Site
    dean: Subject
    course: CourseRow
    elsewhere: CourseRow
    teacher: Subject
    learner: Subject

    async def api(self) -> httpx.AsyncClient:
        return await self.site.api.signed_in(self.dean)

    async def browser(self) -> httpx.AsyncClient:
        return await self.site.signed_in(self.dean)


@pytest.fixture
async def scene(site: Site) -> Scene:
    home = await tenant_by_slug("north")
    assert home is not None
    dean = await campus.person(home, "dean", password_hash=await hash_password(PASSWORD))
    grant = NewGrant(role="admin", faculty_id=site.course.faculty_id)
    await rights.give(site.administrator, dean.user_id, grant)
    other = await campus.place(site.administrator, "ART")
    return Scene(
        site,
        await subject_for_user(dean.user_id),
        site.course,
        await campus.course(site.administrator, other, "C1"),
        await campus.person(home, "tessa", "student"),
        await campus.person(home, "lena", "student"),
    )


def emails(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["email"] for item in answer.json()["items"]]


def navigation(page: str) -> list[str]:
    return NAVIGATION.findall(page.partition("<nav")[2].partition("</nav>")[0])


async def test_every_entry_of_the_navigation_opens(scene: Scene) -> None:
    browser = await scene.browser()
    entries = navigation((await browser.get("/courses")).text)
    assert {"/courses", "/jobs", "/admin/academics", "/admin/people", "/admin/roles"} <= set(entries)
    assert "/admin/audit" not in entries
    own = [f"/courses/{scene.course.id}{part}" for part in ("", "/search", "/people")]
    for path in (*entries, *own, f"/admin/academics/{scene.course.faculty_id}", "/account"):
        assert (await browser.get(path)).status_code == 200, path
    for path in (f"/courses/{scene.elsewhere.id}/people", f"/admin/academics/{scene.elsewhere.faculty_id}"):
        assert (await browser.get(path)).status_code == 404, path
    assert (await browser.get("/admin/audit")).status_code == 403
    assert "/admin/audit" in navigation(
        (await (await scene.site.signed_in(scene.site.administrator)).get("/courses")).text
    )


async def test_people_are_enrolled_in_bulk_and_then_listed(scene: Scene) -> None:
    api, browser = await scene.api(), await scene.browser()
    assert emails(await api.get("/api/v1/users")) == [scene.dean.email]
    page = (await browser.get(f"/courses/{scene.course.id}/people")).text
    assert 'id="enrol"' in page
    body = {"emails": [scene.learner.email, scene.site.student.email]}
    enrolled = await api.post(f"/api/v1/courses/{scene.course.id}/enrolments", json=body)
    assert [item["status"] for item in enrolled.json()["items"]] == ["enrolled", "enrolled"]
    assert scene.learner.email in (await browser.get(f"/courses/{scene.course.id}/people")).text
    assert set(emails(await api.get("/api/v1/users"))) == {scene.dean.email, *body["emails"]}
    refused = await api.post(f"/api/v1/courses/{scene.elsewhere.id}/enrolments", json=body)
    problem(refused, 404, "course-not-found")


async def test_whoever_is_to_be_appointed_is_found_with_little_shown(scene: Scene) -> None:
    api, browser = await scene.api(), await scene.browser()
    for text in ("tessa", "TES", scene.teacher.email.upper()):
        (found,) = (await api.get("/api/v1/users/lookup", params={"q": text})).json()["items"]
        assert found == {
            "id": str(scene.teacher.user_id),
            "email": scene.teacher.email,
            "display_name": "Tessa",
            "state": "active",
        }
    for text in ("te", "", "essa", "@north.example", "%", "___"):
        assert emails(await api.get("/api/v1/users/lookup", params={"q": text})) == [], text
    problem(await api.get(f"/api/v1/users/{scene.teacher.user_id}"), 404, "person-not-found")
    assert scene.teacher.email not in (await browser.get("/admin/people")).text
    assert scene.teacher.email in (await browser.get("/admin/people?q=tessa")).text
    student = await scene.site.api.signed_in(scene.site.student)
    problem(await student.get("/api/v1/users/lookup", params={"q": "tessa"}), 403, "permission-missing")


async def test_another_tenants_people_are_not_found(scene: Scene) -> None:
    stranger = await campus.person(await campus.tenant("south"), "tessa", "student")
    found = emails(await (await scene.api()).get("/api/v1/users/lookup", params={"q": "tessa"}))
    assert found == [scene.teacher.email]
    assert (await (await scene.browser()).get(f"/admin/people/{stranger.user_id}")).status_code == 404


async def test_a_teacher_is_appointed_in_ones_own_faculty_alone(scene: Scene) -> None:
    api, browser = await scene.api(), await scene.browser()
    address = f"/api/v1/users/{scene.teacher.user_id}/grants"
    offered = (await browser.get(f"/courses/{scene.course.id}/people")).text.partition('id="teacher-role"')[2]
    assert 'value="academic"' in offered
    appointed = await api.post(address, json={"role": "academic", "course_id": str(scene.course.id)})
    assert appointed.status_code == 201, appointed.text
    assert scene.teacher.email in (await browser.get(f"/courses/{scene.course.id}/people")).text
    assert (await api.get(f"/api/v1/users/{scene.teacher.user_id}")).json()["email"] == scene.teacher.email

    refusals: list[tuple[dict[str, Any], int, str]] = [
        ({"role": "academic", "course_id": str(scene.elsewhere.id)}, 404, "place-not-found"),
        ({"role": "academic", "faculty_id": str(scene.elsewhere.faculty_id)}, 404, "place-not-found"),
        ({"role": "academic"}, 403, "permission-missing"),
        ({"role": "ops", "faculty_id": str(scene.course.faculty_id)}, 403, "more-than-own-rights"),
    ]
    for body, status, slug in refusals:
        problem(await api.post(address, json=body), status, slug)
    removed = await api.delete(f"{address}/{appointed.json()['id']}")
    assert removed.status_code == 204


async def test_a_persons_page_shows_and_offers_what_counts_in_the_faculty(scene: Scene) -> None:
    api, browser = await scene.api(), await scene.browser()
    place = NewGrant(role="academic", course_id=scene.elsewhere.id)
    foreign = await rights.give(scene.site.administrator, scene.teacher.user_id, place)
    own = await rights.give(scene.dean, scene.teacher.user_id, NewGrant(role="academic", course_id=scene.course.id))
    address = f"/api/v1/users/{scene.teacher.user_id}/grants"
    assert [item["id"] for item in (await api.get(address)).json()["items"]] == [str(own.id)]
    problem(await api.get(f"{address}/{foreign.id}"), 404, "grant-not-found")
    problem(await api.delete(f"{address}/{foreign.id}"), 404, "grant-not-found")

    page = (await browser.get(f"/admin/people/{scene.teacher.user_id}")).text
    assert scene.teacher.email in page
    assert f"{address}/{own.id}" in page
    assert str(foreign.id) not in page
    places = re.findall(r'<option value="([^"]*)"', page.partition('id="grant-place"')[2].partition("</select>")[0])
    assert places == [f"faculty_id:{scene.course.faculty_id}", f"course_id:{scene.course.id}"]
    for form in ("make-link", 'data-api="PATCH /api/v1/users', 'data-api="DELETE /api/v1/users/{}"'):
        assert form.format(scene.teacher.user_id) not in page
    problem(
        await api.patch(f"/api/v1/users/{scene.teacher.user_id}", json={"state": "disabled"}), 403, "permission-missing"
    )
    problem(await api.get("/api/v1/audit"), 403, "permission-missing")
    problem(await api.post("/api/v1/roles", json={"name": "mine", "permissions": []}), 403, "permission-missing")
