"""The doors, as a browser without scripts sees them."""

import re
from urllib.parse import urlsplit

import pytest

from backend.identity.links import make_link
from backend.identity.lockout import ALLOWED_FAILURES
from tests.api import problem
from tests.integration.web.conftest import PASSWORD, Site, sign_in


async def test_a_sign_in_sets_a_cookie_that_scripts_cannot_read(site: Site) -> None:
    browser = site.browser()
    answer = await sign_in(browser, site.student.email, next_page="/account")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("lyceum_session=")
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie
    page = await browser.get("/account")
    assert page.status_code == 200
    assert site.student.email in page.text
    assert page.headers["cache-control"] == "no-store"


async def test_over_https_the_cookie_belongs_to_this_host_alone(site: Site) -> None:
    protection = site.api.app.state.protection
    protection.https, protection.session_cookie = True, "__Host-lyceum_session"
    answer = await sign_in(site.browser(), site.student.email)
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("__host-lyceum_session=")
    assert "secure" in cookie
    assert "domain" not in cookie


async def test_wrong_passwords_are_told_kindly_and_then_lock(site: Site) -> None:
    browser = site.browser()
    for _ in range(ALLOWED_FAILURES):
        answer = await sign_in(browser, site.student.email, "not the one")
        assert answer.status_code == 401
        assert "The e-mail address or the password is wrong." in answer.text
        assert f'value="{site.student.email}"' in answer.text, "it need not be typed again"
        assert "not the one" not in answer.text
    locked = await sign_in(browser, site.student.email)
    assert locked.status_code == 429
    assert 0 < int(locked.headers["retry-after"]) <= 60
    assert re.search(r"Try again in \d+ seconds", locked.text)


@pytest.mark.parametrize("target", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere.example"])
async def test_a_sign_in_never_leads_elsewhere(site: Site, target: str) -> None:
    answer = await sign_in(site.browser(), site.student.email, next_page=target)
    assert answer.headers["location"] == "/courses"


async def test_another_site_cannot_sign_anybody_in(site: Site) -> None:
    answer = await sign_in(site.browser(origin="https://elsewhere.example"), site.student.email)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_who_is_not_signed_in_is_led_to_the_door_and_back(site: Site) -> None:
    answer = await site.browser().get("/chat?course=1&x=%D8%B9")
    assert answer.status_code == 303
    parts = urlsplit(answer.headers["location"])
    assert parts.path == "/sign-in"
    door = await site.browser().get(answer.headers["location"])
    assert "/chat?course=1&amp;x=%D8%B9" in door.text


async def test_signing_out_needs_the_pages_token_and_ends_the_session(site: Site) -> None:
    browser = await site.signed_in(site.student)
    problem_free = await browser.get("/account")
    token = re.search(r'name="csrf-token" content="([^"]+)"', problem_free.text)
    assert token is not None
    assert (await browser.post("/sign-out")).status_code == 403
    cookie = browser.cookies["lyceum_session"]
    answer = await browser.post("/sign-out", headers={"x-csrf-token": token[1]})
    assert answer.status_code == 204
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    browser.cookies.set("lyceum_session", cookie)
    assert (await browser.get("/account")).status_code == 303


async def test_who_is_signed_in_walks_through_the_door(site: Site) -> None:
    browser = await site.signed_in(site.student)
    answer = await browser.get("/sign-in?next=/account")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")


async def test_a_link_signs_in_once_and_sets_a_password(site: Site) -> None:
    link = await make_link(None, site.student)
    browser = site.browser()
    weak = await browser.post("/sign-in/link", data={"token": link.token, "new_password": "short"})
    assert weak.status_code == 422
    assert link.token in weak.text, "the form can be sent again"
    answer = await browser.post("/sign-in/link", data={"token": link.token, "new_password": "Broad-Field-3-larks"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/courses")
    again = await site.browser().post("/sign-in/link", data={"token": link.token, "new_password": ""})
    assert again.status_code == 401
    assert "has been used" in again.text
    assert (await sign_in(site.browser(), site.student.email, "Broad-Field-3-larks")).status_code == 303
    assert (await sign_in(site.browser(), site.student.email, PASSWORD)).status_code == 401


async def test_the_language_of_the_door(site: Site) -> None:
    browser = site.browser()
    assert 'lang="en"' in (await browser.get("/sign-in")).text
    assert 'dir="rtl"' in (await site.browser(**{"accept-language": "ar-EG,en;q=0.5"}).get("/sign-in")).text
    door = (await browser.get("/sign-in?next=/chat%3Fcourse=1")).text
    there = re.search(r'href="(/language[^"]+)"', door)
    assert there is not None
    assert (await browser.get(there[1].replace("&amp;", "&"))).headers["location"] == "/sign-in?next=/chat%3Fcourse=1"
    assert 'lang="ar" dir="rtl"' in (await browser.get("/sign-in")).text
    await browser.get("/language?to=xx&next=/sign-in")
    assert 'lang="ar"' in (await browser.get("/sign-in")).text


async def test_bytes_that_are_no_form_are_refused(site: Site) -> None:
    browser = site.browser()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    for body in (b"", b"email=%00&password=%00", b"\xff\xfe=1", b"email=a&email=b&password[]=x"):
        answer = await browser.post("/sign-in", content=body, headers=headers)
        assert answer.status_code in (400, 401), (body, answer.status_code)
    json = await browser.post("/sign-in", json={"email": "a", "password": "b"})
    assert json.status_code == 401
    problem(await site.api.public.post("/api/v1/auth/login", content=b"{", headers={"content-type": "application/json"}),
            400, "malformed-body")  # fmt: skip
