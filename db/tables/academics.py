"""Faculties, semesters, courses, who learns and who may act where."""

from piccolo.columns import BigInt, Date, Text
from piccolo.columns.column_types import UUID as UUIDColumn
from piccolo.table import Table

from db.engine import ENGINE
from db.tables.base import created, moment, primary_key, reference
from db.tables.identity import Role, Tenant, User


class Faculty(Table, tablename="faculties", db=ENGINE):
    """A part of the tenant that owns courses."""

    id = primary_key()
    tenant_id = reference(Tenant)
    name = Text()
    code = Text()
    created_at = created()
    updated_at = created()
    deleted_at = moment()
    purge_after = moment()


class Semester(Table, tablename="semesters", db=ENGINE):
    """A teaching period of one faculty."""

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    faculty_id = reference(Faculty)
    name = Text()
    code = Text()
    starts_on = Date()
    ends_on = Date()
    created_at = created()
    updated_at = created()
    deleted_at = moment()
    purge_after = moment()


class Course(Table, tablename="courses", db=ENGINE):
    """A course; `document_set_version` grows whenever what can be found in it changes."""

    id = primary_key()
    tenant_id = reference(Tenant)
    faculty_id = reference(Faculty)
    semester_id = reference(Semester)
    code = Text()
    title = Text()
    document_set_version = BigInt(default=1)
    created_at = created()
    updated_at = created()
    deleted_at = moment()
    purge_after = moment()


class Enrolment(Table, tablename="enrolments", db=ENGINE):
    """A person learns in a course until `ended_at`."""

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    course_id = reference(Course)
    user_id = reference(User)
    created_by = UUIDColumn(null=True, default=None)
    created_at = created()
    ended_at = moment()


class Grant(Table, tablename="grants", db=ENGINE):
    """A role held in the whole tenant, in one faculty or in one course."""

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    user_id = reference(User)
    role_id = reference(Role)
    faculty_id = reference(Faculty, null=True)
    course_id = reference(Course, null=True)
    created_by = UUIDColumn(null=True, default=None)
    created_at = created()
    deleted_at = moment()
