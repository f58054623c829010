"""Pages keep the API's rules: who may see what, what an error looks like, and that content stays content."""

import re
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from backend.academics.enrolments import enrol_by_email
from backend.academics.schemas import NewCourse
from backend.academics.service import create_course
from backend.identity.schemas import ProfileChange
from backend.identity.service import change_profile
from backend.web import assets, controllers
from tests.api import problem
from tests.integration.web.conftest import Site

ADMINISTRATION = ("/admin/people", "/admin/roles", "/admin/audit")


@pytest.mark.parametrize("path", ADMINISTRATION)
async def test_a_student_may_not_open_administration(site: Site, path: str) -> None:
    browser = await site.signed_in(site.student)
    refused = await browser.get(path)
    assert refused.status_code == 403
    assert "You may not open this page" in refused.text
    assert "Your administrator can give it to you" in refused.text
    assert 'href="/admin' not in (await browser.get("/courses")).text
    allowed = await (await site.signed_in(site.administrator)).get(path)
    assert allowed.status_code == 200


async def test_another_courses_pages_do_not_exist(site: Site) -> None:
    browser = await site.signed_in(site.student)
    for part in ("", "/search", "/people"):
        answer = await browser.get(f"/courses/{site.course.id}{part}")
        assert answer.status_code == 404
        assert site.course.title not in answer.text
    assert (await browser.get(f"/documents/{uuid4()}")).status_code == 404
    assert (await browser.get(f"/jobs/{uuid4()}")).status_code == 404


async def test_only_who_prepares_a_course_tests_its_search(site: Site) -> None:
    await enrol_by_email(site.administrator, site.course.id, [site.student.email])
    for person, word in ((site.student, "Find the places"), (site.administrator, "before your students do")):
        page = (await (await site.signed_in(person)).get(f"/courses/{site.course.id}/search")).text
        assert word in page
        assert ("Test search" in page) == (person is site.administrator)


async def test_an_unknown_address_is_a_page_for_people_and_a_problem_for_programs(site: Site) -> None:
    page = await site.browser().get("/no/such/page")
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["x-request-id"] in page.text
    problem(await site.browser().get("/api/v1/no/such/thing"), 404, "not-found")
    problem(await site.api.public.get("/no/such/page"), 404, "not-found")


async def test_markup_in_names_is_shown_not_run(site: Site) -> None:
    title = "<script>alert(1)</script>\"'&"
    new = NewCourse(faculty_id=site.course.faculty_id, semester_id=site.course.semester_id, code="X1", title=title)
    course = await create_course(site.administrator, new)
    browser = await site.signed_in(site.administrator)
    for path in ("/courses", f"/courses/{course.id}", "/chat", f"/admin/academics/{course.faculty_id}"):
        text = (await browser.get(path)).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert" in text


async def test_every_page_has_the_strict_policy(site: Site) -> None:
    browser = await site.signed_in(site.administrator)
    for path in ("/courses", "/chat", "/account", *ADMINISTRATION):
        answer = await browser.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"


async def test_pages_speak_the_readers_language(site: Site) -> None:
    await change_profile(site.student, ProfileChange(locale="ar"))
    browser = await site.signed_in(site.student)
    page = await browser.get("/courses")
    assert '<html lang="ar" dir="rtl">' in page.text
    assert "لا مقررات بعد" in page.text
    assert browser.cookies["lyceum_locale"] == "ar"
    assert "لا توجد صفحة بهذا العنوان" in (await browser.get(f"/courses/{site.course.id}")).text
    unheard_of = f"/admin/academics/{uuid4()}"  # a fault without a sentence of its own in the catalogue
    await change_profile(site.administrator, ProfileChange(locale="ar"))
    assert "زال ما كان يؤدي إليه" in (await (await site.signed_in(site.administrator)).get(unheard_of)).text


async def test_the_audit_api_and_page_agree(site: Site) -> None:
    browser = await site.signed_in(site.administrator)
    page = (await browser.get(f"/admin/audit?action=course.&person={site.administrator.email}")).text
    assert "course.created" in page
    assert "auth.signed_in" not in page.partition("<tbody")[2]
    found = (await browser.get("/api/v1/audit?action=course.")).json()["items"]
    assert [entry["action"] for entry in found] == ["course.created"]
    assert found[0]["metadata"]["course_id"] == str(site.course.id)
    assert (await browser.get("/api/v1/audit?person=nobody@nowhere.example")).json()["items"] == []
    refused = await (await site.signed_in(site.student)).get("/api/v1/audit", headers={"accept": "application/json"})
    problem(refused, 403, "permission-missing")


async def test_pages_are_not_part_of_the_api(site: Site) -> None:
    paths = msgspec.json.decode((await site.api.public.get("/openapi.json")).content)["paths"]
    assert controllers
    assert not [path for path in paths if path.startswith(("/courses", "/admin", "/sign-in", "/chat"))]


async def test_files_of_a_release_are_kept_and_the_next_release_has_others(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = (await site.browser().get("/sign-in")).text
    addresses = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))
    assert len(addresses) >= 6
    for address in addresses:
        answer = await site.browser().get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    plain = await site.browser().get("/static/js/api.js")
    assert "immutable" not in plain.headers["cache-control"]
    before = assets.release_root()
    (tmp_path / "page.js").write_text("changed")
    monkeypatch.setattr(assets, "FOLDER", tmp_path)
    assets.release_root.cache_clear()
    after = assets.release_root()
    monkeypatch.undo()
    assets.release_root.cache_clear()
    assert before == assets.release_root() != after
