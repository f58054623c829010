"""What is kept of a parsed document, and that reading it leaves the event loop to others."""

import asyncio
import time
from array import array
from collections.abc import Awaitable
from uuid import UUID

import pytest

from backend.documents.artefacts import Artefacts
from ops.runtime.objects import ObjectStore, derived_key
from rag.parse import PARSER_VERSION, ParsedDocument, WordBox
from rag.parse.contract import PDF, Block

TENANT = UUID(int=1)
HASH = b"h" * 32
PAGES, WORDS_A_PAGE = 600, 400


def book(pages: int, words: int) -> ParsedDocument:
    boxes = [
        WordBox(number // words + 1, number * 6, number * 6 + 5, 1000, 2000, 1200, 2100)
        for number in range(pages * words)
    ]
    return ParsedDocument(
        parser_version=PARSER_VERSION,
        media_type=PDF,
        text="hello " * (pages * words),
        blocks=(Block("paragraph", 0, 5),),
        words=tuple(boxes),
    )


@pytest.fixture
def objects() -> ObjectStore:
    return ObjectStore.from_url("memory://")


@pytest.fixture
def artefacts(objects: ObjectStore) -> Artefacts:
    return Artefacts(objects, TENANT, HASH, PDF)


async def test_the_whole_the_text_and_a_page(artefacts: Artefacts) -> None:
    document = book(3, 5)
    await artefacts.put_parsed(document)
    assert await artefacts.parsed() == document
    assert await artefacts.text() == document.text
    page = await artefacts.parsed_page(2)
    assert page is not None
    assert page.words == document.words[5:10]
    beyond = await artefacts.parsed_page(9)
    assert beyond is not None
    assert beyond.words == ()


async def test_what_was_not_made_or_is_broken_is_none(objects: ObjectStore, artefacts: Artefacts) -> None:
    assert await artefacts.parsed() is None
    await artefacts.put_parsed(book(1, 5))
    (key,) = await objects.list(derived_key(TENANT, HASH.hex(), ""))
    await objects.put(key, (await objects.get(key))[:40])
    assert await artefacts.text() is None
    assert await artefacts.parsed_page(1) is None


async def test_vectors_come_back(artefacts: Artefacts) -> None:
    vectors = [array("f", [0.5, 1.5]), array("f", [2.5, -1.0])]
    await artefacts.put_vectors("model", ["a", "b"], vectors)
    assert await artefacts.vectors("model", ["a", "b"]) == vectors
    assert await artefacts.vectors("model", ["a", "c"]) is None


async def longest_stall(reading: Awaitable[object]) -> float:
    """Seconds for which the event loop stood still meanwhile."""
    longest, asked = 0.0, asyncio.ensure_future(reading)
    while not asked.done():
        started = time.perf_counter()
        await asyncio.sleep(0)
        longest = max(longest, time.perf_counter() - started)
    assert await asked is not None
    return longest


async def test_reading_a_page_of_a_book_does_not_hold_the_loop(artefacts: Artefacts) -> None:
    await artefacts.put_parsed(book(PAGES, WORDS_A_PAGE))
    started = time.perf_counter()
    assert await artefacts.parsed() is not None
    whole = time.perf_counter() - started
    for read in (artefacts.text, lambda: artefacts.parsed_page(300)):
        assert min([await longest_stall(read()) for _ in range(3)]) < whole / 5
