"""A question set in the real index: each article is a course, each paragraph a passage."""

from collections.abc import Sequence
from uuid import UUID, uuid5

from inference_gateway.client import GatewayClient
from rag.language import analyse
from rag.passages import ScopedPassage
from rag.retrieve import GatewayEmbedder, Query, Retrieval, retrieve
from rag.scope import Scope, ScopedCourse
from rag.store import Hit, PassagePoint, VectorStore, document_vector, query_vector
from tests.evals.questions import Question, QuestionSet

TENANT = UUID(int=1)
FACULTY = UUID(int=2)
SEMESTER = UUID(int=3)
_NAMES = UUID(int=4)


class Corpus:
    """The paragraphs of one language, indexed; `ids[n]` is the passage of paragraph n."""

    def __init__(self, questions: QuestionSet, store: VectorStore, gateway: GatewayClient) -> None:
        self.set = questions
        self.language = questions.language
        self.ids = [uuid5(_NAMES, f"{self.language}/{n}") for n in range(len(questions.paragraphs))]
        self.number = {identifier: n for n, identifier in enumerate(self.ids)}
        self._store = store
        self._gateway = gateway
        self._embedder = GatewayEmbedder(gateway)

    async def index(self) -> int:
        """Put all paragraphs into the index as ingestion does; return how many have a dense vector."""
        info = await self._gateway.model_info()
        texts = [paragraph.text for paragraph in self.set.paragraphs]
        vectors: Sequence[Sequence[float] | None] = [None] * len(texts)
        if info.knows(self.language):
            vectors = (await self._gateway.embed(texts, lane="passage", tenant_id=TENANT)).vectors
        points = [
            PassagePoint(
                passage_id=self.ids[n],
                tenant_id=TENANT,
                faculty_id=FACULTY,
                semester_id=SEMESTER,
                course_id=self._course(paragraph.article),
                document_id=self._course(paragraph.article),
                version=1,
                language=self.language,
                dense=vectors[n],
                sparse=document_vector(analyse(paragraph.text, self.language)),
            )
            for n, paragraph in enumerate(self.set.paragraphs)
        ]
        await self._store.upsert(points)
        return sum(vector is not None for vector in vectors)

    def scope(self, *, without: int | None = None) -> Scope:
        """Return the scope of all articles but one."""
        articles = [article for article in range(self.set.articles) if article != without]
        courses = (
            ScopedCourse(
                course_id=self._course(article), faculty_id=FACULTY, semester_id=SEMESTER, document_set_version=1
            )
            for article in articles
        )
        return Scope(tenant_id=TENANT, courses=tuple(sorted(courses)))

    async def retrieve(self, question: Question, scope: Scope, limit: int) -> Retrieval:
        """Retrieve as the product does."""
        query = Query(text=question.text, limit=limit)
        return await retrieve(query, scope, self.passages, self._store, self._embedder)

    async def sparse(self, question: Question, scope: Scope, limit: int) -> list[Hit]:
        """Search by words alone."""
        return await self._store.search_sparse(query_vector(analyse(question.text, self.language)), scope, limit)

    async def dense(self, question: Question, scope: Scope, limit: int) -> list[Hit]:
        """Search by meaning alone."""
        batch = await self._gateway.embed([question.text], lane="query", tenant_id=TENANT)
        return await self._store.search_dense(batch.vectors[0], scope, limit)

    async def passages(self, passage_ids: Sequence[UUID], scope: Scope) -> list[ScopedPassage]:
        """The passages port: what is in scope, and nothing else."""
        numbers = [self.number[identifier] for identifier in passage_ids if identifier in self.number]
        return [self._passage(n) for n in numbers if self._course(self.set.paragraphs[n].article) in scope.course_ids]

    def _passage(self, number: int) -> ScopedPassage:
        paragraph = self.set.paragraphs[number]
        return ScopedPassage(
            passage_id=self.ids[number],
            document_id=self._course(paragraph.article),
            version=1,
            course_id=self._course(paragraph.article),
            title=f"Article {paragraph.article}",
            page=None,
            heading="",
            char_start=0,
            char_end=len(paragraph.text),
            text=paragraph.text,
            language=self.language,
        )

    def _course(self, article: int) -> UUID:
        return uuid5(_NAMES, f"{self.language}/article/{article}")
