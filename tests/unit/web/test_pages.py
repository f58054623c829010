"""What holds for all templates, and the small things pages are made with."""

import re
from datetime import UTC, datetime

import pytest

from backend.web import formats
from backend.web.rendering import FOLDER, templates
from backend.web.sign_in import START, own_page
from rag.parse import sentence

TEMPLATES = sorted((FOLDER / "templates").rglob("*.html"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_compile_and_hold_nothing_the_policy_forbids(path: str) -> None:
    source = (FOLDER / "templates" / path).read_text(encoding="utf-8")
    templates().compile(source)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=\"|javascript:", source)
    assert re.findall(r"<script(?![^>]*\ssrc=)(?![^>]*type=\"application/json\")", source) == []
    assert "| safe" not in source


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_form_sent_before_its_module_listens_goes_nowhere(path: str) -> None:
    """Else its fields, a password among them, would stand in the page's address."""
    source = (FOLDER / "templates" / path).read_text(encoding="utf-8")
    for form in re.findall(r"<form[^>]*>", source):
        assert ('method="dialog"' in form) == (" action=" not in form), form


def test_modules_put_no_markup_into_pages() -> None:
    for path in (FOLDER / "static" / "js").rglob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", path.read_text()), path


@pytest.mark.parametrize(
    ("target", "page"),
    [
        ("/chat?course=1", "/chat?course=1"),
        ("", START),
        ("https://elsewhere.example/", START),
        ("//elsewhere.example/", START),
        ("/\\elsewhere.example", START),
        ("/\t/elsewhere.example", START),
        ("javascript:alert(1)", START),
        ("courses", START),
    ],
)
def test_a_sign_in_leads_to_our_own_pages_only(target: str, page: str) -> None:
    assert own_page(target) == page


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KB"),
        (64 * 1024**2, "64 MB"),
        (1_500_000, "1.4 MB"),
        (1024**3, "1.0 GB"),
    ],
)
def test_sizes(size_bytes: int, text: str) -> None:
    assert formats.size(size_bytes) == text


def test_moments_are_machine_readable() -> None:
    moment = formats.moment(datetime(2026, 3, 1, 12, 30, tzinfo=UTC))
    assert moment == '<time datetime="2026-03-01T12:30:00+00:00">2026-03-01 12:30 UTC</time>'
    assert formats.moment(None) == "–"


def test_a_job_that_failed_for_its_file_says_so_in_the_readers_language() -> None:
    english = sentence("encrypted", "en")
    assert formats.reason(english, "encrypted", "ar") == sentence("encrypted", "ar")
    assert formats.reason(english, "encrypted", "en") == english
    assert formats.reason("Out of order.", "no-type-of-a-file", "ar") == "Out of order."


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36", "Chrome · Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1", "Safari · iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/130.0 Safari/537.36 Edg/130.0", "Edge · Windows"),
        ("curl/8.5.0", "curl"),
        ("", "–"),
    ],
)
def test_devices(agent: str, name: str) -> None:
    assert formats.device(agent) == name


@pytest.mark.parametrize(
    ("seconds", "parts"),
    [
        (0, [(0, "seconds")]),
        (59.6, [(1, "minutes")]),
        (61, [(1, "minutes"), (1, "seconds")]),
        (3600, [(1, "hours")]),
        (90061, [(1, "days"), (1, "hours")]),
        (86405, [(1, "days")]),
    ],
)
def test_a_length_of_time_has_at_most_two_units(seconds: float, parts: list[tuple[int, str]]) -> None:
    assert formats.span(seconds) == parts
