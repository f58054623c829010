"""What can go wrong with faculties, semesters, courses and enrolments, as callers are told."""

from backend.errors import Conflict, InputError, LyceumError, NotFound


class FacultyNotFound(NotFound):
    """There is no such faculty for this person."""

    type = "faculty-not-found"
    title = "Faculty not found"

    def __init__(self) -> None:
        super().__init__("There is no such faculty.")


class SemesterNotFound(NotFound):
    """There is no such semester for this person."""

    type = "semester-not-found"
    title = "Semester not found"

    def __init__(self) -> None:
        super().__init__("There is no such semester.")


class CourseNotFound(NotFound):
    """There is no such course for this person."""

    type = "course-not-found"
    title = "Course not found"

    def __init__(self) -> None:
        super().__init__("There is no such course.")


class EnrolmentNotFound(NotFound):
    """There is no such active enrolment in this course."""

    type = "enrolment-not-found"
    title = "Enrolment not found"

    def __init__(self) -> None:
        super().__init__("There is no such enrolment in this course.")


class LearnerNotFound(NotFound):
    """There is no such active person to enrol."""

    type = "learner-not-found"
    title = "Person not found"

    def __init__(self) -> None:
        super().__init__("There is no such active person.")


class CodeTaken(Conflict):
    """Something of this kind with the same code exists in the same place."""

    type = "code-taken"
    title = "Code taken"

    def __init__(self, code: str) -> None:
        super().__init__(f"The code {code} is taken.")


class StillInUse(Conflict):
    """Courses belong to it; delete or move them first."""

    type = "still-in-use"
    title = "Still in use"

    def __init__(self, courses: int) -> None:
        super().__init__(f"{courses} courses belong to it.")


class ParentDeleted(Conflict):
    """What it belongs to was deleted; restore that first."""

    type = "parent-deleted"
    title = "Deleted with what it belongs to"

    def __init__(self, parent: str) -> None:
        super().__init__(f"Its {parent} was deleted; restore that first.")


class AlreadyEnrolled(Conflict):
    """The person is enrolled in this course."""

    type = "already-enrolled"
    title = "Already enrolled"

    def __init__(self) -> None:
        super().__init__("The person is enrolled in this course.")


class PlacementRefused(LyceumError):
    """Faculty, semester or dates do not fit each other; `errors` points at what does not."""

    type = "placement-refused"
    status = 422
    title = "Placement refused"

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail, errors=[InputError(pointer=pointer, detail=detail)])
