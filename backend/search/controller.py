"""`POST /api/v1/search`."""

from typing import Any

from litestar import Controller, Request, post
from litestar.datastructures import State
from litestar.params import JSONBody

from backend.kit.http import CurrentSubject, permission
from backend.search.schemas import SearchRequest, SearchResults
from backend.search.service import PERMISSION, SearchTools, search


class SearchController(Controller):
    path = "/api/v1/search"
    tags = ["search"]  # noqa: RUF012 - Litestar reads the attribute

    @post(opt=permission(PERMISSION, request_class="questions"), status_code=200)
    async def search(
        self, data: JSONBody[SearchRequest], subject: CurrentSubject, request: Request[Any, Any, State]
    ) -> SearchResults:
        """Find the passages that speak of the query, in one course or in all of the person's."""
        state = request.app.state
        tools = SearchTools(store=state.vectors, embedder=state.embedder, cache=state.cache)
        return await search(subject, data, tools)


controllers = [SearchController]
