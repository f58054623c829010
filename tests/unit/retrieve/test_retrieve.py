"""Retrieval over an index that is wrong on purpose: the passages port decides."""

from collections.abc import Sequence
from uuid import UUID

from rag.passages import ScopedPassage
from rag.retrieve import Query, QueryVector, retrieve
from rag.scope import Scope, ScopedCourse
from rag.store import Hit, SparseVector

COURSE = ScopedCourse(course_id=UUID(int=1), faculty_id=UUID(int=2), semester_id=UUID(int=3), document_set_version=1)
SCOPE = Scope(tenant_id=UUID(int=9), courses=(COURSE,))


def hit(number: int, score: float = 1.0) -> Hit:
    return Hit(
        passage_id=UUID(int=number), document_id=UUID(int=50), version=1, course_id=COURSE.course_id, score=score
    )


class Index:
    """A store that finds the numbers it is given, and remembers what it was asked."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self.numbers = numbers
        self.asked: list[tuple[str, int]] = []

    def _found(self, how: str, limit: int) -> list[Hit]:
        self.asked.append((how, limit))
        return [hit(number, 1 / (rank + 1)) for rank, number in enumerate(self.numbers[:limit])]

    async def search_sparse(self, sparse: SparseVector, scope: Scope, limit: int) -> list[Hit]:
        return self._found("sparse", limit) if sparse and scope.courses else []

    async def search_dense(self, vector: Sequence[float], scope: Scope, limit: int) -> list[Hit]:
        return self._found("dense", limit)


class Port:
    """Lets only these numbers through."""

    def __init__(self, readable: set[int]) -> None:
        self.readable = readable
        self.asked: list[UUID] = []

    async def __call__(self, passage_ids: Sequence[UUID], scope: Scope) -> list[ScopedPassage]:
        self.asked.extend(passage_ids)
        return [_passage(identifier) for identifier in passage_ids if identifier.int in self.readable]


def _passage(identifier: UUID) -> ScopedPassage:
    return ScopedPassage(
        passage_id=identifier,
        document_id=UUID(int=50),
        version=1,
        course_id=COURSE.course_id,
        title="",
        page=None,
        heading="",
        char_start=0,
        char_end=1,
        text="x",
        language="en",
    )


async def knows_english(text: str, language: str, tenant_id: UUID) -> QueryVector:
    return QueryVector(model="m", values=[1.0] if language == "en" else None)


async def is_away(text: str, language: str, tenant_id: UUID) -> QueryVector:
    return QueryVector(model="", values=None, missing=True)


async def test_what_the_port_withholds_is_not_returned_and_the_limit_is_still_filled() -> None:
    index, port = Index(range(1, 300)), Port(set(range(60, 300)))

    found = await retrieve(Query(text="energy of the cell", limit=5), SCOPE, port, index, knows_english)  # type: ignore[arg-type]

    assert [item.passage.passage_id.int for item in found.passages] == [60, 61, 62, 63, 64]
    assert len(index.asked) > 1
    assert len(port.asked) == len(set(port.asked))


async def test_an_index_full_of_what_may_not_be_read_finds_nothing() -> None:
    index = Index(range(1, 20))

    found = await retrieve(Query(text="energy", limit=5), SCOPE, Port(set()), index, knows_english)  # type: ignore[arg-type]

    assert found.passages == ()


async def test_a_language_the_embedder_knows_is_searched_both_ways() -> None:
    index = Index([1])

    found = await retrieve(Query(text="energy of the cell"), SCOPE, Port({1}), index, knows_english)  # type: ignore[arg-type]

    assert (found.method, found.language) == ("hybrid", "en")
    assert {how for how, _ in index.asked} == {"sparse", "dense"}


async def test_a_language_the_embedder_does_not_know_is_searched_by_words_alone() -> None:
    index = Index([1])

    found = await retrieve(Query(text="ما هي طاقة الخلية؟"), SCOPE, Port({1}), index, knows_english)  # type: ignore[arg-type]

    assert (found.method, found.language, found.lesser) == ("sparse", "ar", False)
    assert {how for how, _ in index.asked} == {"sparse"}


async def test_without_the_embedder_words_alone_are_searched_and_the_result_says_it_is_lesser() -> None:
    index = Index([1])

    found = await retrieve(Query(text="energy of the cell"), SCOPE, Port({1}), index, is_away)  # type: ignore[arg-type]

    assert (found.method, found.lesser) == ("sparse", True)


async def test_a_question_of_small_words_alone_is_searched_by_meaning() -> None:
    index = Index([1])

    found = await retrieve(Query(text="who are you"), SCOPE, Port({1}), index, knows_english)  # type: ignore[arg-type]

    assert found.method == "dense"


async def test_similarities_come_with_the_passages_that_have_them() -> None:
    index = Index([1, 2])

    found = await retrieve(Query(text="energy"), SCOPE, Port({1, 2}), index, knows_english)  # type: ignore[arg-type]

    assert [item.similarity for item in found.passages] == [1.0, 0.5]


async def test_an_empty_scope_finds_nothing_and_embeds_nothing() -> None:
    found = await retrieve(
        Query(text="energy"), Scope(tenant_id=UUID(int=9), courses=()), Port({1}), Index([1]), knows_english
    )  # type: ignore[arg-type]

    assert found.passages == ()
    assert found.model == ""
