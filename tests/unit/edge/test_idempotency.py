"""A creating request that is repeated with its key makes one thing and gets one answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.response import Stream

from backend.errors import Conflict
from backend.kit.http import permission
from backend.kit.subject import Subject
from tests.servers import Database
from tests.unit.edge.conftest import BEARER, Client, Thing, edge_app, serving

KEY = {**BEARER, "Idempotency-Key": "key-1"}


class Maker:
    """Counts what is made, and can be told to be slow or to fail."""

    def __init__(self) -> None:
        self.made = 0
        self.fail = False
        self.release = asyncio.Event()
        self.release.set()

    def handlers(self) -> list[Any]:
        @post("/made", opt=permission("course.read"))
        async def make(data: JSONBody[Thing], subject: NamedDependency[Subject]) -> Response[dict[str, Any]]:
            del subject
            self.made += 1
            for _ in range(500):
                if self.release.is_set():
                    break
                await asyncio.sleep(0.01)
            if self.fail:
                raise Conflict("not now")
            body = {"title": data.title, "number": self.made}
            return Response(body, status_code=201, headers={"Location": f"/made/{self.made}", "X-Other": "1"})

        @post("/streamed", opt=permission("course.read"))
        async def streamed() -> Stream:
            self.made += 1
            return Stream(iter([b"a", b"b"]))

        @post("/upload", opt=permission("course.read", streams_body=True))
        async def upload() -> dict[str, int]:
            self.made += 1
            return {"number": self.made}

        return [make, streamed, upload]


@pytest.fixture
def maker() -> Maker:
    return Maker()


@pytest.fixture
async def client(database: Database, maker: Maker) -> AsyncIterator[Client]:
    async with serving(edge_app(*maker.handlers(), database_url=database.url)) as opened:
        yield opened


async def test_repetition_gets_the_first_answer(client: Client, maker: Maker) -> None:
    first = await client.post("/made", json={"title": "x"}, headers=KEY)
    again = await client.post("/made", json={"title": "x"}, headers=KEY)
    assert (
        (first.status_code, first.content) == (again.status_code, again.content) == (201, b'{"title":"x","number":1}')
    )
    assert again.headers["location"] == "/made/1"
    assert again.headers["content-type"] == first.headers["content-type"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert first.headers["x-request-id"] != again.headers["x-request-id"]
    assert maker.made == 1


async def test_without_a_key_each_request_makes_one(client: Client, maker: Maker) -> None:
    for _ in range(2):
        assert (await client.post("/made", json={"title": "x"}, headers=BEARER)).status_code == 201
    assert maker.made == 2


async def test_other_body_is_422(client: Client, maker: Maker) -> None:
    await client.post("/made", json={"title": "x"}, headers=KEY)
    other = await client.post("/made", json={"title": "y"}, headers=KEY)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    assert maker.made == 1


async def test_running_twin_is_409(client: Client, maker: Maker) -> None:
    maker.release.clear()
    first = asyncio.create_task(client.post("/made", json={"title": "x"}, headers=KEY))
    while maker.made == 0:
        await asyncio.sleep(0.01)
    twin = await client.post("/made", json={"title": "x"}, headers=KEY)
    assert (twin.status_code, twin.json()["type"]) == (409, "/problems/request-still-running")
    assert twin.headers["retry-after"] == "1"
    maker.release.set()
    assert (await first).status_code == 201
    assert maker.made == 1


async def test_failed_request_may_be_tried_again(client: Client, maker: Maker) -> None:
    maker.fail = True
    assert (await client.post("/made", json={"title": "x"}, headers=KEY)).status_code == 409
    assert (
        await client.post("/made", json={"title": ""}, headers={**KEY, "Idempotency-Key": "key-2"})
    ).status_code == 400
    maker.fail = False
    assert (await client.post("/made", json={"title": "x"}, headers=KEY)).status_code == 201
    assert (
        await client.post("/made", json={"title": "y"}, headers={**KEY, "Idempotency-Key": "key-2"})
    ).status_code == 201


async def test_key_belongs_to_its_person(client: Client, maker: Maker) -> None:
    await client.post("/made", json={"title": "x"}, headers=KEY)
    stranger = {**KEY, "Authorization": "Bearer other"}
    assert (await client.post("/made", json={"title": "x"}, headers=stranger)).json()["number"] == 2
    assert maker.made == 2


@pytest.mark.parametrize("key", ["", "with space", "x" * 256])
async def test_unusable_key_is_pointed_at(client: Client, key: str) -> None:
    response = await client.post("/made", json={"title": "x"}, headers={**BEARER, "Idempotency-Key": key})
    assert response.status_code == 400
    assert response.json()["errors"][0]["in"] == "header"


async def test_streamed_answers_and_bodies_are_left_alone(client: Client, maker: Maker) -> None:
    for path in ("/streamed", "/upload"):
        for _ in range(2):
            assert (await client.post(path, headers=KEY)).status_code == 201
    assert maker.made == 4
