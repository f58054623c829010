"""What the demo consists of. Where the documents come from: `content/ATTRIBUTION.md`."""

from datetime import date
from pathlib import Path

import msgspec

CONTENT = Path(__file__).with_name("content")


class DemoCourse(msgspec.Struct, frozen=True, kw_only=True):
    """A course with its documents as (file, title); `taught` and `attended` by the demo's lecturer and student."""

    code: str
    title: str
    documents: tuple[tuple[str, str], ...]
    taught: bool = True
    attended: bool = True


class DemoFaculty(msgspec.Struct, frozen=True, kw_only=True):
    """A faculty with one semester."""

    code: str
    name: str
    courses: tuple[DemoCourse, ...]


class DemoPerson(msgspec.Struct, frozen=True, kw_only=True):
    """A person; `role` is a global grant, none where the role comes with a course."""

    email: str
    display_name: str
    role: str = ""


SEMESTER_CODE, SEMESTER_NAME = "CURRENT", "Current semester"

ADMIN = DemoPerson(email="admin@lyceum.example", display_name="Nadia Admin", role="admin")
LECTURER = DemoPerson(email="lecturer@lyceum.example", display_name="Omar Lecturer")
STUDENT = DemoPerson(email="student@lyceum.example", display_name="Sara Student", role="student")

FACULTIES = (
    DemoFaculty(
        code="COMP",
        name="Faculty of Computing",
        courses=(
            DemoCourse(
                code="COMP-101",
                title="The Unix Shell",
                documents=(
                    ("shell-01-introducing-the-shell.md", "Introducing the Shell"),
                    ("shell-02-files-and-directories.md", "Navigating Files and Directories"),
                    ("shell-04-pipes-and-filters.md", "Pipes and Filters"),
                ),
            ),
            DemoCourse(
                code="COMP-229", title="التعلّم العميق", documents=(("deep-learning-ar.pdf", "ملخص التعلّم العميق"),)
            ),
        ),
    ),
    DemoFaculty(
        code="MATH",
        name="كلية الرياضيات",
        courses=(
            DemoCourse(
                code="MATH-110",
                title="Probability and Statistics",
                documents=(("probability-and-statistics-en.pdf", "Probability and Statistics Refresher"),),
                attended=False,
            ),
            DemoCourse(
                code="MATH-111",
                title="الاحتمالات والإحصاء",
                documents=(("probability-and-statistics-ar.pdf", "مراجعة الاحتمالات والإحصاء"),),
                taught=False,
                attended=False,
            ),
        ),
    ),
)


def semester_dates(today: date) -> tuple[date, date]:
    """Return first and last day of a semester that runs today: the calendar half-year."""
    if today.month <= 6:
        return date(today.year, 1, 1), date(today.year, 6, 30)
    return date(today.year, 7, 1), date(today.year, 12, 31)
