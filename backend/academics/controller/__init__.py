"""The routes of academics."""

from backend.academics.controller.courses import CourseController
from backend.academics.controller.enrolments import EnrolmentController
from backend.academics.controller.places import FacultyController, SemesterController

controllers = [FacultyController, SemesterController, CourseController, EnrolmentController]

__all__ = ["controllers"]
