"""Steps that ask, by each way in."""

from collections import Counter

from tests.integration.scope import asking
from tests.integration.scope.asking import Ask, Got
from tests.integration.scope.cached import CacheInspector
from tests.integration.scope.checker import ForeignPassage, NothingFound
from tests.integration.scope.choices import Choices
from tests.integration.scope.material import Topic
from tests.integration.scope.model import Person
from tests.integration.scope.school import School

WAYS: dict[str, Ask] = {
    "ask_search": asking.search,
    "ask_chat": asking.chat_json,
    "ask_events": asking.chat_events,
    "ask_socket": asking.chat_socket,
}
ALL_COURSES = 0.5


class Questions:
    """Counts what came of the questions; `asked` are the answers that can be read again."""

    def __init__(
        self, school: School, choose: Choices, cache: CacheInspector, counts: Counter[str], expect_answers: bool
    ) -> None:
        self._school = school
        self._model = school.model
        self._choose = choose
        self._cache = cache
        self._counts = counts
        self._expect_answers = expect_answers
        self.asked: list[tuple[Person, Got]] = []

    async def ask(self, way: Ask) -> bool:
        """Ask in all courses or in one, readable or not, and check what comes back."""
        person = self._choose.asker()
        course_id = None if self._choose.random.random() < ALL_COURSES else self._choose.course_to_ask(person).id
        topic = self._choose.topic(person, course_id)
        await self._cache.note_scope(person, course_id)
        best = await self._school.best_unscoped(topic.question)
        got = await way(self._school, person, topic.question, course_id)
        readable = {course.id for course in self._model.readable_courses(person, course_id)}
        if got is None:
            if readable:
                raise NothingFound(f"{person.name} may ask in {course_id or 'their courses'} and is refused")
            self._counts["refused"] += 1
            return True
        if course_id is not None and not readable:
            raise ForeignPassage(f"{person.name} may not ask in {course_id}")
        asking.check(self._school, person, course_id, got)
        if got.session_id:
            self.asked.append((person, got))
        if got.evidence:
            self._counts["answered"] += 1
            own = {course.id for course in self._model.readable_courses(person)}
            self._counts["answered, best unscoped hit foreign"] += best is not None and best not in own
        elif self._expect_answers and self._is_expected(person, course_id, topic):
            raise NothingFound(f"{person.name} reads about {topic.name} in {course_id or 'their courses'}: {got.body}")
        else:
            self._counts["unanswered"] += 1
        return True

    def _is_expected(self, person: Person, course_id: str | None, topic: Topic) -> bool:
        """Tell whether something must be found: a file on the topic whose points stand where its course does."""
        return any(
            document.served_file.topic is topic and document.course.id not in self._model.unindexed
            for document in self._model.served_to(person, course_id)
        )
