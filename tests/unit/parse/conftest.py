"""Fixtures for the tests of extraction."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from rag.parse import ParsedDocument, ParseFailure, ParseLimits, parse_document
from tests.unit.parse.samples import DOCUMENTS

Parse = Callable[..., Awaitable[ParsedDocument]]
FailureOf = Callable[..., Awaitable[str]]


@pytest.fixture
def parse(tmp_path: Path) -> Parse:
    """Parse bytes, or a sample document by name, in the real sandbox."""

    async def run(name: str, data: bytes | None = None, limits: ParseLimits | None = None) -> ParsedDocument:
        path = DOCUMENTS / name
        if data is not None:
            path = tmp_path / "upload"
            path.write_bytes(data)
        return await parse_document(path, file_name=name, limits=limits or ParseLimits())

    return run


@pytest.fixture
def outcome_of(parse: Parse) -> FailureOf:
    """Return the type of the failure that a document ends with, or `text` when it gives some."""

    async def run(name: str, data: bytes | None = None) -> str:
        try:
            document = await parse(name, data)
        except ParseFailure as failure:
            return failure.type
        return "text" if document.text else ""

    return run


@pytest.fixture
def failure_of(parse: Parse) -> FailureOf:
    """Return the type of the failure that a document ends with."""

    async def run(name: str, data: bytes | None = None, limits: ParseLimits | None = None) -> str:
        with pytest.raises(ParseFailure) as caught:
            await parse(name, data, limits)
        return caught.value.type

    return run
