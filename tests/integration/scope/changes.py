"""Steps that change who may read what. Each is done through the API and noted in the model."""

from tests.integration.scope.choices import Choices
from tests.integration.scope.model import Course
from tests.integration.scope.school import School

CHANGES = (
    *("enrol", "leave", "grant_course", "grant_faculty", "revoke"),
    *("upload", "new_version", "delete_document", "work"),
    *("create_course", "delete_course", "move_semester", "move_faculty"),
)
COURSES_KEPT = 6
GRANTS_AT_MOST = 4


class Changes:
    """Each step returns False when there was nothing to do it with."""

    def __init__(self, school: School, choose: Choices) -> None:
        self._school = school
        self._model = school.model
        self._choose = choose
        self._codes = 0

    async def enrol(self) -> bool:
        course = self._choose.course()
        absent = [p for p in self._choose.people(course.tenant) if course.id not in p.enrolments and not p.is_admin]
        if not absent:
            return False
        person = self._choose.random.choice(absent)
        await self._school.enrol(person, course)
        return True

    async def leave(self) -> bool:
        enrolled = [person for person in self._model.people if person.enrolments]
        if not enrolled:
            return False
        person = self._choose.random.choice(enrolled)
        course = self._model.courses[self._choose.random.choice(list(person.enrolments))]
        enrolment = person.enrolments.pop(course.id)
        (
            await self._choose.admin(course).delete(f"/api/v1/courses/{course.id}/enrolments/{enrolment}")
        ).raise_for_status()
        return True

    async def upload(self) -> bool:
        course = self._choose.course()
        file = self._choose.new_file(course)
        uploader = self._choose.writer(course)
        if file is None:
            return False
        await self._school.upload(uploader, course, file)
        return True

    async def new_version(self) -> bool:
        document = self._choose.document()
        file = self._choose.new_file(document.course) if document else None
        if document is None or file is None:
            return False
        uploader = self._choose.writer(document.course)
        answer = await self._school.clients[uploader.id].post(
            f"/api/v1/documents/{document.id}/versions", files={"file": (file.name, file.data)}
        )
        assert answer.status_code == 202, answer.text
        self._model.add_version(document, file, uploader)
        return True

    async def delete_document(self) -> bool:
        document = self._choose.document()
        if document is None:
            return False
        client = self._school.clients[self._choose.writer(document.course).id]
        (await client.delete(f"/api/v1/documents/{document.id}")).raise_for_status()
        document.is_live = False
        return True

    async def move_semester(self) -> bool:
        course = self._choose.course()
        course.semester = next(one for one in self._school.semesters[course.faculty] if one != course.semester)
        return await self._move(course, {"semester_id": course.semester})

    async def move_faculty(self) -> bool:
        course = self._choose.course()
        course.faculty = next(one for one in self._school.faculties[course.tenant] if one != course.faculty)
        course.semester = self._choose.random.choice(self._school.semesters[course.faculty])
        return await self._move(course, {"faculty_id": course.faculty, "semester_id": course.semester})

    async def _move(self, course: Course, place: dict[str, str]) -> bool:
        (await self._choose.admin(course).patch(f"/api/v1/courses/{course.id}", json=place)).raise_for_status()
        self._model.unindexed.add(course.id)
        return True

    async def grant_course(self) -> bool:
        course = self._choose.course()
        return await self._grant(course.tenant, course.id, {"course_id": course.id})

    async def grant_faculty(self) -> bool:
        course = self._choose.course()
        return await self._grant(course.tenant, course.faculty, {"faculty_id": course.faculty})

    async def _grant(self, tenant: str, place: str, where: dict[str, str]) -> bool:
        free = [
            p
            for p in self._choose.people(tenant)
            if not p.is_admin and place not in p.grants.values() and len(p.grants) < GRANTS_AT_MOST
        ]
        if not free:
            return False
        person = self._choose.random.choice(free)
        made = await self._school.admin(tenant).post(
            f"/api/v1/users/{person.id}/grants", json={"role": "academic"} | where
        )
        person.grants[made.raise_for_status().json()["id"]] = place
        return True

    async def revoke(self) -> bool:
        holders = [person for person in self._model.people if person.grants]
        if not holders:
            return False
        person = self._choose.random.choice(holders)
        grant = self._choose.random.choice(list(person.grants))
        (await self._school.admin(person.tenant).delete(f"/api/v1/users/{person.id}/grants/{grant}")).raise_for_status()
        del person.grants[grant]
        return True

    async def create_course(self) -> bool:
        tenant = self._choose.random.choice(list(self._school.faculties))
        if len(self._model.live_courses(tenant)) > COURSES_KEPT:
            return False
        faculty = self._choose.random.choice(self._school.faculties[tenant])
        self._codes += 1
        await self._school.add_course(
            tenant, faculty, self._choose.random.choice(self._school.semesters[faculty]), f"N{self._codes}"
        )
        return True

    async def delete_course(self) -> bool:
        course = self._choose.course_to_delete()
        if len(self._model.live_courses(course.tenant)) < COURSES_KEPT:
            return False
        (await self._choose.admin(course).delete(f"/api/v1/courses/{course.id}")).raise_for_status()
        course.is_live = False
        for person in self._model.people:
            person.enrolments.pop(course.id, None)
        return True

    async def work(self) -> bool:
        """Let the worker catch up; until then the index is behind."""
        waited = {pending.document.id: pending.document for pending in self._model.pending}
        await self._school.work()
        self._model.work()
        for document in waited.values():
            if document.is_live and document.course.is_live:
                shown = (await self._choose.admin(document.course).get(f"/api/v1/documents/{document.id}")).json()
                assert (shown["serving_version"] or 0) == document.serving, shown
        return True
