"""What an administrator does on pages: people and their rights, one-time links, faculties, enrolments, roles, audit."""

import re
from uuid import uuid4

from playwright.async_api import expect

from tests.e2e.api import PASSWORD, Campus
from tests.e2e.conftest import Visit
from tests.e2e.visitor import Visitor


async def as_administrator(visit: Visit, campus: Campus) -> Visitor:
    visitor = await visit()
    await visitor.sign_in(campus.person("Amal", "admin"))
    return visitor


async def test_a_new_person_signs_in_by_a_link_that_works_once(visit: Visit, campus: Campus) -> None:
    administrator = await as_administrator(visit, campus)
    page, email = administrator.page, f"zaid-{uuid4().hex[:8]}@campus.example"
    await administrator.open("/admin/people")
    await page.get_by_role("button", name="New person").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("زيد")
    await dialog.get_by_label("E-mail").fill(email)
    await dialog.get_by_label("Role in the whole institution").select_option(label="Student")
    await dialog.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("heading", name="زيد")).to_be_visible()
    await page.get_by_role("button", name="Make a link").click()
    await expect(page.get_by_role("dialog")).to_contain_text("only this once")
    link = await page.get_by_label("Link", exact=True).input_value()
    await page.get_by_role("button", name="Done").click()
    await expect(page.locator("#link-url"), "it is shown once").to_have_value("")

    newcomer = await visit()
    newcomer.expected = {401, 422}
    await newcomer.page.goto(link)
    assert "#" not in newcomer.page.url, "the token leaves the address bar"
    await newcomer.page.get_by_label("New password").fill("short")
    await newcomer.page.get_by_role("button", name="Sign in").click()
    await expect(newcomer.page.get_by_role("alert")).to_contain_text("at least 10 characters", ignore_case=True)
    await newcomer.page.get_by_label("New password").fill(PASSWORD)
    await newcomer.page.get_by_role("button", name="Sign in").click()
    await newcomer.page.wait_for_url("**/courses")
    await newcomer.context.clear_cookies()
    await newcomer.page.goto(link)
    await newcomer.page.get_by_role("button", name="Sign in").click()
    await expect(newcomer.page.get_by_role("alert")).to_contain_text("has been used")


async def test_rights_count_from_the_next_click(visit: Visit, campus: Campus) -> None:
    administrator = await as_administrator(visit, campus)
    person, course = campus.person("Rami"), campus.course("Ceramics")
    rami = await visit()
    await rami.sign_in(person)
    await expect(rami.page.get_by_text("Ceramics")).to_have_count(0)
    page = administrator.page
    await administrator.open(f"/admin/people/{person.id}")
    await page.get_by_label("Where").select_option(value=f"course_id:{course}")
    await page.get_by_label("Role").select_option(label="Lecturer")
    await page.get_by_role("button", name="Give").click()
    await expect(page.locator(".toast")).to_have_text("Added.")
    await rami.page.reload()
    await expect(rami.page.get_by_role("link", name="Ceramics", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Disable").click()
    await page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    await expect(page.locator(".page-head .badge")).to_have_text("Disabled")
    await rami.page.reload()
    await rami.page.wait_for_url(re.compile(r"/sign-in\?next="))


async def test_a_faculty_from_nothing_to_a_course_with_people(visit: Visit, campus: Campus) -> None:
    administrator = await as_administrator(visit, campus)
    page, mark = administrator.page, uuid4().hex[:6]
    teacher, learner = campus.person("Wafa"), campus.person("Yusuf", "student")
    await administrator.open("/admin/academics")
    await page.get_by_role("button", name="New faculty").click()
    await page.get_by_label("Name").fill(f"Music {mark}")
    await page.get_by_label("Code").fill(mark)
    await page.get_by_role("button", name="Create").click()
    await page.get_by_role("link", name=f"Music {mark}").click()
    await page.get_by_role("button", name="New semester").click()
    for label, value in (("Name", "Spring"), ("Code", "S1"), ("First day", "2026-03-01"), ("Last day", "2026-02-01")):
        await page.get_by_role("dialog").get_by_label(label).fill(value)
    administrator.expected = {422}
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("dialog").locator(".error")).to_contain_text("end before it starts")
    await page.get_by_role("dialog").get_by_label("Last day").fill("2026-07-31")
    await page.get_by_role("button", name="Create").click()
    await page.get_by_role("button", name="New course").click()
    await page.get_by_role("dialog").get_by_label("Title").fill("Counterpoint")
    await page.get_by_role("dialog").get_by_label("Code").fill(f"CP-{mark}")
    await page.get_by_role("button", name="Create").click()
    await page.get_by_role("link", name="People Counterpoint").click()
    await page.get_by_label("Add somebody who teaches").fill(teacher.email)
    await page.get_by_role("button", name="Add").click()
    await expect(page.get_by_role("cell", name=teacher.email)).to_be_visible()
    await page.get_by_label("Enrol people").fill(f"{learner.email}، nobody@nowhere.example")
    await page.get_by_role("button", name="Enrol", exact=True).click()
    await expect(page.locator("#enrol-answers")).to_contain_text("nobody has this address")
    await page.reload()
    await expect(page.get_by_role("cell", name=learner.email)).to_be_visible()


async def test_what_was_given_up_in_a_dialog_is_gone(visit: Visit, campus: Campus) -> None:
    administrator = await as_administrator(visit, campus)
    page, taken = administrator.page, uuid4().hex[:6]
    campus.made("/faculties", name="Dance", code=taken)
    administrator.expected = {409}
    await administrator.open("/admin/academics")
    await page.get_by_role("button", name="New faculty").click()
    await page.get_by_label("Name").fill("Drama")
    await page.get_by_label("Code").fill(taken)
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("dialog").locator(".error")).to_be_visible()
    await expect(page.get_by_role("dialog").locator(":focus")).to_be_visible()
    await page.get_by_role("button", name="Cancel").click()
    await page.get_by_role("button", name="New faculty").click()
    await expect(page.get_by_label("Name")).to_have_value("")
    await expect(page.get_by_role("dialog").locator(".error")).to_have_count(0)


async def test_what_was_deleted_is_restored_from_where_it_stood(visit: Visit, campus: Campus) -> None:
    administrator = await as_administrator(visit, campus)
    page, mark = administrator.page, uuid4().hex[:6]
    faculty = campus.made("/faculties", name=f"Dance {mark}", code=mark)["id"]
    dates = {"starts_on": "2026-01-01", "ends_on": "2026-12-31"}
    semester = campus.made("/semesters", faculty_id=faculty, name="Spring", code="S", **dates)["id"]
    campus.made("/courses", faculty_id=faculty, semester_id=semester, code=f"W-{mark}", title="Waltz")
    await administrator.open(f"/admin/academics/{faculty}")
    await page.get_by_role("button", name="Delete Waltz").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("link", name="Waltz", exact=True)).to_have_count(0)
    await page.get_by_text("Recently deleted").click()
    assert await administrator.audit() == []
    await page.get_by_role("button", name="Restore Waltz").click()
    await expect(page.get_by_role("link", name="Waltz", exact=True)).to_be_visible()
    await expect(page.get_by_text("Recently deleted")).to_have_count(0)

    person = campus.person(f"Gone-{mark}")
    await administrator.open(f"/admin/people/{person.id}")
    await page.get_by_role("button", name="Delete").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await page.wait_for_url("**/admin/people")
    await page.get_by_text("Recently deleted").click()
    await page.get_by_role("button", name=f"Restore Gone-{mark}").click()
    await expect(page.get_by_role("link", name=f"Gone-{mark}")).to_be_visible()


async def test_roles_are_edited_in_the_matrix(visit: Visit, campus: Campus) -> None:
    administrator = await as_administrator(visit, campus)
    page, name = administrator.page, f"assistant-{uuid4().hex[:6]}"
    await administrator.open("/admin/roles")
    await page.get_by_role("button", name="New role").click()
    await page.get_by_role("dialog").get_by_label("Name").fill(name)
    await page.get_by_role("dialog").get_by_label("Search documents").check()
    await page.get_by_role("button", name="Create").click()
    cell = page.get_by_role("checkbox", name=f"\u2068{name}\u2069: \u2068Ask the tutor\u2069")
    await expect(cell).not_to_be_checked()
    await cell.check()
    await page.get_by_role("button", name=f"Save {name}").click()
    await page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await expect(page.locator(".toast")).to_have_text("Saved.")
    await expect(cell).to_be_checked()
    await page.get_by_role("button", name=f"Delete {name}").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("columnheader", name=name)).to_have_count(0)


async def test_the_audit_log_is_searched(visit: Visit, campus: Campus) -> None:
    administrator = await as_administrator(visit, campus)
    page, person = administrator.page, campus.person("Dina", "student")
    dina = await visit()
    await dina.sign_in(person)
    await administrator.open("/admin/audit")
    await page.get_by_label("Person").fill(person.email)
    await page.get_by_label("Action").fill("auth.")
    await page.get_by_role("button", name="Search").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(page.locator("tbody tr")).to_contain_text("auth.signed_in")
    await page.get_by_label("To").fill("2020-01-01")
    await page.get_by_role("button", name="Search").click()
    await expect(page.get_by_role("heading", name="Nothing fits")).to_be_visible()


async def test_people_are_found_while_one_types(visit: Visit, campus: Campus) -> None:
    administrator = await as_administrator(visit, campus)
    person = campus.person("Yasmin")
    await administrator.open("/admin/people")
    await administrator.page.get_by_label("Name or e-mail").press_sequentially(person.email[:14])
    await expect(administrator.page.locator("#people tbody tr")).to_have_count(1)
    await expect(administrator.page.locator("#people")).to_contain_text(person.email)


async def test_an_account_of_ones_own(visit: Visit, campus: Campus) -> None:
    person = campus.person("Mona", "student")
    here, elsewhere = await visit(), await visit()
    here.expected = {422}
    await here.sign_in(person)
    await elsewhere.sign_in(person)
    page = here.page
    await here.open("/account")
    await page.get_by_label("Present password").fill("not my password")
    await page.get_by_label("New password").fill(PASSWORD + "-2")
    await page.get_by_role("button", name="Change password").click()
    await expect(page.locator("#current_password + .error")).to_have_text("This is not your present password.")
    await expect(page.get_by_label("Present password")).to_be_focused()
    await page.get_by_role("button", name="Sign out everywhere else").click()
    await page.get_by_role("dialog").get_by_role("button", name="Sign out everywhere else").click()
    await expect(page.locator(".toast")).to_contain_text("All other sessions have ended")
    await elsewhere.page.reload()
    await elsewhere.page.wait_for_url(re.compile(r"/sign-in\?next="))


async def test_a_lost_connection_is_told_and_so_is_its_return(visit: Visit, campus: Campus) -> None:
    visitor = await visit()
    await visitor.sign_in(campus.person("Salma", "student"))
    await visitor.open("/account")
    await visitor.context.set_offline(True)
    await expect(visitor.page.locator("#banner")).to_contain_text("No connection to Lyceum")
    await visitor.context.set_offline(False)
    await expect(visitor.page.locator("#banner")).to_be_hidden()
