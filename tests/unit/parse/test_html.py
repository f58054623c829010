"""HTML as its reader sees it."""

import pytest

from tests.unit.parse.conftest import FailureOf, Parse

PAGE = """<!DOCTYPE html><html><head><title>T</title><style>IGNORE</style><script>IGNORE</script></head><body>
<header>Site</header><nav>Menu</nav><!-- IGNORE -->
<main><h1>Title <em>one</em></h1><p>Text with a <a href="x" title="IGNORE">link</a>,
wrapped.<br>Next. x<sup>2</sup></p><ul><li>one</li><li><p>two</p><p>more</p></li></ul><ol><li>first</li></ol>
<table><caption>Cap</caption><tr><th>a</th><th>b</th></tr><tr><td>1</td><td><b>2</b></td></tr></table>
<pre>code
  kept</pre><img src="x" alt="IGNORE"></main><aside>Ads</aside><footer>Foot</footer></body></html>"""


async def test_what_is_kept_and_how(parse: Parse) -> None:
    document = await parse("a.html", PAGE.encode())
    assert document.text == (
        "Title one\n\nText with a link, wrapped.\nNext. x²\n\n- one\n- two\n\nmore\n\n1. first\n\nCap\n\na | b\n1 | 2\n\n"
        "code\n  kept"
    )
    assert [(h.level, h.title) for h in document.headings] == [(1, "Title one")]


@pytest.mark.parametrize(
    "hiding",
    [
        'style="display: none"',
        'style="visibility:hidden"',
        'style="font-size:1px"',
        'style="position:absolute;left:-9999px"',
        'style="color:#fff"',
        'style="opacity:0"',
        "hidden",
        'aria-hidden="true"',
        'class="sr-only"',
    ],
)
async def test_hidden_elements_are_dropped(parse: Parse, hiding: str) -> None:
    document = await parse("a.html", f"<html><p>Seen.</p><p {hiding}>IGNORE</p></html>".encode())
    assert document.text == "Seen."
    assert document.warnings == ("hidden-text-dropped",)


async def test_white_on_a_background_stays(parse: Parse) -> None:
    html = b'<html><div style="background:#003"><p style="color: white">Seen.</p></div></html>'
    assert (await parse("a.html", html)).text == "Seen."


async def test_textbook_section(parse: Parse) -> None:
    document = await parse("openstax-stats-m79604.html")
    assert "Table of contents" not in document.text
    assert "x̄ = (1 + 1 + 1 + 2 + 2 + 3 + 4 + 4 + 4 + 4 + 4)/11 = 2.7" in document.text
    assert "solutions-dropped" in document.warnings
    assert document.headings[0].title == "Measures of the Center of the Data"


async def test_slide_deck_in_a_textarea(parse: Parse) -> None:
    document = await parse("dsbox-u1-d02-toolkit-r.html")
    assert "Course toolkit" in [heading.title for heading in document.headings]
    assert "- Programming:" in document.text
    for mark in (".pull-left[", "class: middle", "layout: true", "???", "<div"):
        assert mark not in document.text


async def test_speaker_notes_of_a_deck_are_dropped(parse: Parse) -> None:
    deck = '<html><body><textarea id="source"># One\n\nSeen.\n???\nIGNORE\n---\n# Two</textarea><script src="remark.js"></script>'
    assert (await parse("a.html", deck.encode())).text == "One\n\nSeen.\n\nTwo"


async def test_arabic_page(parse: Parse) -> None:
    text = (await parse("asvs4-0x14-V6-Cryptography-ar.html")).text
    assert text.startswith("ت6: التشفير المخزن")
    assert any(line.startswith("1.1.6 | ") for line in text.split("\n"))


async def test_declared_encoding(parse: Parse) -> None:
    html = '<html><head><meta charset="windows-1256"></head><p>الجامعة العربية</p></html>'.encode("cp1256")
    assert (await parse("a.html", html)).text == "الجامعة العربية"


async def test_only_pictures_is_no_text(failure_of: FailureOf) -> None:
    assert await failure_of("a.html", b"<html><body><img src=x><script>IGNORE</script></body></html>") == "no-text"
