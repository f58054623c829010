"""Plain text in the encodings it comes in."""

import pytest

from tests.unit.parse.conftest import FailureOf, Parse

ENGLISH = "The mean is the sum of the values divided by their number."
ARABIC = "المتوسط الحسابي هو مجموع القيم مقسومًا على عددها، وهو أشهر مقاييس النزعة المركزية في الإحصاء الوصفي."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
async def test_unicode(parse: Parse, encoding: str) -> None:
    assert (await parse("a.txt", f"{ENGLISH}\r\n\r\n{ENGLISH}".encode(encoding))).text == f"{ENGLISH}\n\n{ENGLISH}"


@pytest.mark.parametrize("encoding", ["cp1256", "iso8859_6"])
async def test_arabic_of_old_systems(parse: Parse, encoding: str) -> None:
    arabic = ARABIC.replace("ً", "")
    assert (await parse("a.txt", f"{arabic}\n\n{arabic}".encode(encoding))).text == f"{arabic}\n\n{arabic}"


async def test_hard_wrapped_lines_are_joined(parse: Parse) -> None:
    wrapped = b"This line was wrapped by an editor of long ago because it was\ntoo long for the screen.\n\n- an item\n- another"
    text = (await parse("a.txt", wrapped)).text
    assert text == (
        "This line was wrapped by an editor of long ago because it was too long for the screen.\n\n- an item\n- another"
    )


async def test_short_lines_stay_lines(parse: Parse) -> None:
    assert "roses are red\n" in (await parse("a.txt", b"roses are red\nviolets are blue")).text


async def test_invisible_characters_go(parse: Parse) -> None:
    text = (await parse("a.txt", ("a\u202eb\u200b\u2066c\x07 d\ufb01e" + " and more" * 20).encode())).text
    assert text.startswith("abc dfie and")


async def test_zero_bytes_in_text_are_no_text(failure_of: FailureOf) -> None:
    assert await failure_of("a.txt", b"some text \x00 more text") in ("type-mismatch", "unreadable")
