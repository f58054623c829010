"""A hundred is not the end: people, faculties, courses and semesters beyond it can be reached and chosen."""

import re
from datetime import date

import httpx
import pytest

from backend.academics import places, service
from backend.academics.schemas import NewCourse, NewFaculty, NewSemester
from backend.identity import rights
from backend.identity.schemas import NewGrant
from backend.kit.pagination import MAX_LIMIT
from db.repositories.courses import CourseRow
from db.repositories.identity import tenant_by_slug
from ops.runtime.ids import UserId
from tests import campus
from tests.integration.web.conftest import Site

MANY = 130
assert MANY > MAX_LIMIT


@pytest.fixture
async def browser(site: Site) -> httpx.AsyncClient:
    return await site.signed_in(site.administrator)


async def last_course(site: Site) -> CourseRow:
    for number in range(MANY):
        new = NewCourse(
            faculty_id=site.course.faculty_id,
            semester_id=site.course.semester_id,
            code=f"N{number:03}",
            title=f"مقرر {number:03}",
        )
        course = await service.create_course(site.administrator, new)
    return course


async def pages(browser: httpx.AsyncClient, path: str) -> list[str]:
    """The text of each page, following the link to more."""
    texts, link = [], path
    while link:
        texts.append((await browser.get(link)).text)
        found = re.search(r'<a [^>]*href="([^"]*cursor=[^"]+)"', texts[-1])
        link = str(httpx.URL(path).join(found[1].replace("&amp;", "&"))) if found else ""
    return texts


async def test_each_of_many_people_is_on_a_page(site: Site, browser: httpx.AsyncClient) -> None:
    tenant = await tenant_by_slug("north")
    assert tenant is not None
    for number in range(MANY):
        await campus.person(tenant, f"learner{number:03}", "student")
    seen = set(re.findall(r"learner\d{3}@", " ".join(await pages(browser, "/admin/people"))))
    assert len(seen) == MANY
    found = (await browser.get("/admin/people", params={"q": "learner000"})).text
    assert "learner000@" in found
    assert "learner001@" not in found


async def test_the_last_course_can_be_found_as_a_place(site: Site, browser: httpx.AsyncClient) -> None:
    course = await last_course(site)
    person = f"/admin/people/{site.student.user_id}"
    first = (await browser.get(person)).text
    option = f'value="course_id:{course.id}"'
    assert option not in first
    assert 'type="search"' in first
    assert "There are more" in first
    for text in ("N129", "مقرر 129", "n129"):
        found = (await browser.get(person, params={"place": text})).text
        assert option in found, text
        assert '<option value="">' not in found
        assert "There are more" not in found
    nothing = (await browser.get(person, params={"place": "no such place"})).text
    assert re.search(r'<select id="grant-place"[^>]* required>\s*</select>', nothing)

    await rights.give(site.administrator, UserId(site.student.user_id), NewGrant(role="academic", course_id=course.id))
    assert f"<bdi>{course.title}</bdi>" in (await browser.get(person)).text


async def test_few_places_need_no_search(site: Site, browser: httpx.AsyncClient) -> None:
    page = (await browser.get(f"/admin/people/{site.student.user_id}")).text
    assert 'id="place-search"' not in page
    assert f'value="course_id:{site.course.id}"' in page


async def test_the_last_course_is_on_its_facultys_pages_and_in_the_tutors_choice(
    site: Site, browser: httpx.AsyncClient
) -> None:
    course = await last_course(site)
    listed = await pages(browser, f"/admin/academics/{site.course.faculty_id}")
    assert len(listed) == 3
    assert [text.count(f'href="/courses/{course.id}"') for text in listed] == [0, 0, 1]
    assert f'id="course-{course.id}"' in listed[-1]
    await rights.give(
        site.administrator, UserId(site.student.user_id), NewGrant(role="academic", faculty_id=site.course.faculty_id)
    )
    chat = (await (await site.signed_in(site.student)).get("/chat")).text
    assert f'<option value="{course.id}"' in chat


async def test_the_last_faculty_and_semester_have_their_names(site: Site, browser: httpx.AsyncClient) -> None:
    for number in range(MANY):
        faculty = await places.create_faculty(
            site.administrator, NewFaculty(name=f"F{number:03}", code=f"F{number:03}")
        )
        new = NewSemester(
            faculty_id=faculty.id,
            name=f"Term {number:03}",
            code="T",
            starts_on=date(2026, 10, 1),
            ends_on=date(2027, 2, 1),
        )
        semester = await places.create_semester(site.administrator, new)
    await service.create_course(
        site.administrator,
        NewCourse(faculty_id=faculty.id, semester_id=semester.id, code="Z", title="Zoology"),
    )
    assert "<bdi>F129</bdi>" in (await browser.get("/admin/academics")).text
    courses = (await browser.get("/courses")).text
    assert "<bdi>F129</bdi>" in courses
    assert "<bdi>Term 129</bdi>" in courses
    assert "F129" in (await browser.get(f"/admin/people/{site.student.user_id}", params={"place": "f129"})).text
