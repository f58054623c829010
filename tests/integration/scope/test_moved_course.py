"""While a course moves, its points stand in the old place and nothing is found in it; that must not outlast the move."""

import pytest

from tests.integration.scope import asking
from tests.integration.scope.material import library
from tests.integration.scope.school import School


@pytest.mark.parametrize("way", [asking.search, asking.chat_json], ids=["search", "answers"])
async def test_what_is_not_found_during_a_move_is_found_after_it(school: School, way: asking.Ask) -> None:
    admin = next(person for person in school.model.people if person.is_admin)
    course = next(course for course in school.model.courses.values() if course.tenant == admin.tenant)
    file = library(topics=2, wordings=1)[0]
    client = school.clients[admin.id]
    await school.upload(admin, course, file)
    await school.work()

    async def found() -> int:
        got = await way(school, admin, file.topic.question, course.id)
        assert got is not None
        return len(got.evidence)

    assert await found() == 1
    faculty = next(one for one in school.faculties[admin.tenant] if one != course.faculty)
    place = {"faculty_id": faculty, "semester_id": school.semesters[faculty][0]}
    (await client.patch(f"/api/v1/courses/{course.id}", json=place)).raise_for_status()
    assert await found() == 0
    await school.work()
    assert await found() == 1
