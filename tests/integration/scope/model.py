"""Who may read what, kept by the test from what it did, never from what the product says."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from rag.store import passage_point_id
from tests.integration.scope.material import File

PASSAGES_PER_FILE = 3


@dataclass
class Course:
    """A course; a deleted one stays, for old citations name its documents."""

    id: str
    tenant: str
    faculty: str
    semester: str
    is_live: bool = True


@dataclass
class Person:
    """A person's rights: `grants` maps a grant's id to the faculty or course it is for."""

    id: str
    name: str
    tenant: str
    is_admin: bool = False
    is_student: bool = False
    grants: dict[str, str] = field(default_factory=dict)
    enrolments: dict[str, str] = field(default_factory=dict)


@dataclass
class Document:
    """A document: `files[n]` is version n + 1, `serving` the version readers see, 0 before there is one."""

    id: str
    course: Course
    files: list[File]
    serving: int = 0
    is_live: bool = True

    @property
    def is_served(self) -> bool:
        return self.is_live and self.course.is_live and self.serving > 0

    @property
    def served_file(self) -> File:
        return self.files[self.serving - 1]


class Pending(NamedTuple):
    """A version that waits to be read, with the rights of whoever uploaded it."""

    document: Document
    version: int
    uploader: Person


@dataclass
class Model:
    """Everything that exists, in two tenants."""

    courses: dict[str, Course] = field(default_factory=dict)
    people: list[Person] = field(default_factory=list)
    documents: dict[str, Document] = field(default_factory=dict)
    pending: list[Pending] = field(default_factory=list)
    passages: dict[UUID, tuple[Document, int]] = field(default_factory=dict)
    unindexed: set[str] = field(default_factory=set)
    """Courses whose points still carry the place they moved from: nothing is found there yet."""

    def add_version(self, document: Document, file: File, uploader: Person) -> None:
        """Note an accepted upload."""
        self.documents[document.id] = document
        document.files.append(file)
        version = len(document.files)
        self.pending.append(Pending(document, version, uploader))
        for ordinal in range(PASSAGES_PER_FILE):
            self.passages[passage_point_id(UUID(document.id), version, ordinal)] = (document, version)

    def work(self) -> None:
        """All waiting jobs have run, in the order in which they were accepted, with the uploaders' rights of now."""
        for document, version, uploader in self.pending:
            if document.is_live and document.course.is_live and self.may_write(uploader, document.course):
                document.serving = max(document.serving, version)
        self.pending.clear()
        self.unindexed.clear()

    def may_read(self, person: Person, course: Course) -> bool:
        """Tell whether the course is in the person's scope."""
        if not course.is_live or course.tenant != person.tenant:
            return False
        return self.may_write(person, course) or (person.is_student and course.id in person.enrolments)

    def may_write(self, person: Person, course: Course) -> bool:
        """Tell whether the person may change the course's documents."""
        if course.tenant != person.tenant:
            return False
        return person.is_admin or not {course.id, course.faculty}.isdisjoint(person.grants.values())

    def readable_courses(self, person: Person, only: str | None = None) -> list[Course]:
        """Courses of the person's scope, or that one of them."""
        return [
            course for course in self.courses.values() if only in (None, course.id) and self.may_read(person, course)
        ]

    def served_to(self, person: Person, only: str | None = None) -> Iterator[Document]:
        """Documents the person reads now, of all courses or of one."""
        readable = {course.id for course in self.readable_courses(person, only)}
        return (doc for doc in self.documents.values() if doc.is_served and doc.course.id in readable)

    def live_courses(self, tenant: str) -> list[Course]:
        return [course for course in self.courses.values() if course.is_live and course.tenant == tenant]
