"""Text out of tokens: whole characters, and no stop sequence."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_gateway.engines.generation.text import REPLACEMENT, TextStream

ARABIC = "قال: «الجهاز العصبيّ» شبكةٌ 🧠 من ∂ الخلايا."


def by_bytes(tokens: list[int]) -> str:
    """A byte-level tokenizer: a token is a byte."""
    return bytes(tokens).decode(errors="replace")


def with_leading_space(tokens: list[int]) -> str:
    """A tokenizer that writes a space before each word but at the beginning of a text."""
    return " ".join(f"w{token}" for token in tokens)


def pieces(stream: TextStream, tokens: Sequence[int]) -> list[str]:
    return [stream.push(token) for token in tokens] + [stream.flush()]


def test_no_piece_holds_half_a_character() -> None:
    told = pieces(TextStream(by_bytes), ARABIC.encode())

    assert [piece for piece in told if piece] == list(ARABIC)


@given(st.text(max_size=60))
def test_any_text_comes_through_whole(text: str) -> None:
    assert "".join(pieces(TextStream(by_bytes), text.encode())) == text.rstrip(REPLACEMENT)


@given(st.binary(max_size=80))
def test_bytes_that_are_no_text_hold_nothing_up(content: bytes) -> None:
    expected = content.decode(errors="replace").rstrip(REPLACEMENT)

    assert "".join(pieces(TextStream(by_bytes), content)).rstrip(REPLACEMENT) == expected


def test_a_character_that_is_cut_off_at_the_end_is_not_told() -> None:
    assert "".join(pieces(TextStream(by_bytes), "نعم".encode()[:-1])) == "نع"


def test_spaces_between_words_are_those_of_the_whole_text() -> None:
    assert "".join(pieces(TextStream(with_leading_space), range(20))) == with_leading_space(list(range(20)))


@pytest.mark.parametrize(
    ("text", "stops", "told"),
    [
        ("one two STOP three", ("STOP",), "one two "),
        ("one STO two", ("STOP",), "one STO two"),
        ("one STO", ("STOP",), "one STO"),
        ("aab", ("ab",), "a"),
        ("abc xyz", ("xyz", "bc"), "a"),
        ("قف هنا ثم تابع", ("ثم",), "قف هنا "),
        ("STOP", ("STOP",), ""),
    ],
)
def test_a_stop_sequence_is_never_told_nor_its_beginning(text: str, stops: tuple[str, ...], told: str) -> None:
    stream = TextStream(by_bytes, stops)
    so_far = ""
    for piece in pieces(stream, text.encode()):
        so_far += piece
        assert told.startswith(so_far)
    assert so_far == told
    assert stream.stopped == any(stop in text for stop in stops)


@given(st.text("abc", max_size=30), st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=3))
def test_what_is_told_ends_before_the_first_stop_sequence(text: str, stops: list[str]) -> None:
    told = "".join(pieces(TextStream(by_bytes, stops), text.encode()))

    assert not any(stop in told for stop in stops)
    assert text.startswith(told)
    if not any(stop in text for stop in stops):
        assert told == text
