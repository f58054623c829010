"""`POST /api/v1/search`."""

from typing import Any

from litestar import Controller, Request, post
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK

from backend.kit.http import CurrentSubject, permission
from backend.search.schemas import SearchRequest, SearchResults
from backend.search.service import PERMISSION, SearchTools, search


class SearchController(Controller):
    path = "/api/v1/search"
    tags = ("search",)

    @post(opt=permission(PERMISSION, request_class="questions", stores_answer=False), status_code=HTTP_200_OK)
    async def search(
        self, data: JSONBody[SearchRequest], subject: CurrentSubject, request: Request[Any, Any, Any]
    ) -> SearchResults:
        """Find the passages that speak of the query, in one course or in all of the person's."""
        state = request.app.state
        tools = SearchTools(store=state.vectors, embedder=state.embedder, cache=state.cache)
        return await search(subject, data, tools)


controllers = [SearchController]
