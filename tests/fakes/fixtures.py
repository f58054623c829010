"""Fixtures of the fakes; import the names a test module or a conftest needs."""

from collections.abc import Iterator

import pytest

from tests.fakes.openai_server import openai_server
from tests.fakes.server import FakeServer
from tests.fakes.tgi_server import tgi_server


@pytest.fixture
def fake_openai() -> Iterator[FakeServer]:
    """A fresh OpenAI-compatible server for one test."""
    with openai_server() as fake:
        yield fake


@pytest.fixture
def fake_tgi() -> Iterator[FakeServer]:
    """A fresh TGI server for one test."""
    with tgi_server() as fake:
        yield fake
