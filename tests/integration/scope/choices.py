"""What the walk may pick from, at random, as the model stands."""

import random
from collections import Counter

import httpx

from tests.integration.scope.material import File, Topic
from tests.integration.scope.model import Course, Document, Person
from tests.integration.scope.school import School

OWN_TOPIC = 0.9


class Choices:
    """All draws of one walk come from one seed."""

    def __init__(self, school: School, library: list[File], seed: int) -> None:
        self.random = random.Random(seed)
        self.library = library
        self._school = school
        self._model = school.model

    def people(self, tenant: str) -> list[Person]:
        return [person for person in self._model.people if person.tenant == tenant]

    def course(self) -> Course:
        return self.random.choice([course for course in self._model.courses.values() if course.is_live])

    def course_to_delete(self) -> Course:
        """The emptier of two, so that there stays much to ask about."""
        taught = Counter(doc.course.id for doc in self._model.documents.values() if doc.is_served)
        return min(self.course(), self.course(), key=lambda course: taught[course.id])

    def asker(self) -> Person:
        """Mostly somebody who reads something."""
        person = self.random.choice(self._model.people)
        if self.random.random() < OWN_TOPIC:
            readers = [one for one in self._model.people if any(self._model.served_to(one))]
            person = self.random.choice(readers or [person])
        return person

    def course_to_ask(self, person: Person) -> Course:
        """Mostly one that the person reads, else any, deleted and foreign ones too."""
        readable = self._model.readable_courses(person)
        if readable and self.random.random() < OWN_TOPIC:
            return self.random.choice(readable)
        return self.random.choice(list(self._model.courses.values()))

    def topic(self, person: Person, course_id: str | None) -> Topic:
        served = list(self._model.served_to(person, course_id))
        if served and self.random.random() < OWN_TOPIC:
            return self.random.choice(served).served_file.topic
        return self.random.choice(self.library).topic

    def document(self) -> Document | None:
        live = [doc for doc in self._model.documents.values() if doc.is_live and doc.course.is_live]
        return self.random.choice(live) if live else None

    def new_file(self, course: Course) -> File | None:
        """A file whose bytes the course does not have; other courses may."""
        used = {
            f.code for doc in self._model.documents.values() if doc.is_live and doc.course is course for f in doc.files
        }
        free = [file for file in self.library if file.code not in used]
        return self.random.choice(free) if free else None

    def writer(self, course: Course) -> Person:
        return self.random.choice([person for person in self._model.people if self._model.may_write(person, course)])

    def admin(self, course: Course) -> httpx.AsyncClient:
        return self._school.admin(course.tenant)
