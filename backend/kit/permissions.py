"""The permissions there are and the roles every tenant starts with. Code checks permissions, never roles."""

from typing import Final

PERMISSIONS: Final[dict[str, str]] = {
    "course.learn": "learn in the courses one is enrolled in",
    "course.read": "see courses and who teaches them",
    "course.write": "make, change and delete courses",
    "faculty.write": "make, change and delete faculties",
    "semester.write": "make, change and delete semesters",
    "enrolment.read": "see who learns in a course",
    "enrolment.write": "enrol people and end enrolments",
    "document.read": "read documents and their passages",
    "document.write": "upload, replace and delete documents",
    "search.use": "search documents",
    "chat.use": "ask the tutor",
    "person.read": "see people and what they may do",
    "person.write": "make, change, disable and delete people; make sign-in links",
    "grant.write": "give and take roles",
    "role.write": "make and change roles",
    "audit.read": "search the audit log",
    "inference.read": "see models, what is used of them, quotas and adapters",
    "inference.write": "set quotas and what may be done with texts; forget kept answers",
    "webhook.read": "see which systems are told of events, and what they were told",
    "webhook.write": "have other systems told of events, and let them send messages",
    "ops.read": "see all jobs, queues and workers of the tenant",
    "ops.write": "retry, cancel, pause and discard jobs",
}

# What `course.learn` opens in a course while an enrolment in it is active.
LEARNER_PERMISSIONS: Final = frozenset({"course.read", "document.read", "search.use", "chat.use"})

BUILTIN_ROLES: Final[dict[str, frozenset[str]]] = {
    "student": frozenset({"course.learn"}),
    "academic": frozenset(
        {
            "course.read",
            "document.read",
            "document.write",
            "search.use",
            "chat.use",
            "enrolment.read",
            "enrolment.write",
        }
    ),
    "admin": frozenset(PERMISSIONS) - {"course.learn", "ops.write"},
    "ops": frozenset({"ops.read", "ops.write", "inference.read", "webhook.read", "webhook.write"}),
}
