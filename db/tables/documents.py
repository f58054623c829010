"""Documents of a course, their versions and passages."""

from piccolo.columns import Array, BigInt, Boolean, Bytea, Integer, Text
from piccolo.columns.column_types import UUID as UUIDColumn
from piccolo.table import Table

from db.engine import ENGINE
from db.tables.academics import Course
from db.tables.base import created, moment, primary_key, reference
from db.tables.identity import Tenant


class Document(Table, tablename="documents", db=ENGINE):
    """A document of one course. Readers see `serving_version`, which is null until one version is ready."""

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    course_id = reference(Course)
    title = Text()
    serving_version = Integer(null=True, default=None)
    latest_version = Integer(default=1)
    created_by = UUIDColumn(null=True, default=None)
    created_at = created()
    updated_at = created()
    deleted_at = moment()
    purge_after = moment()


class DocumentVersion(Table, tablename="document_versions", db=ENGINE):
    """One uploaded file of a document and how far its ingestion is; `course_id` serves the rule "same bytes, same document"."""

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    course_id = reference(Course, index=False)
    document_id = reference(Document)
    version = Integer(default=1)
    sha256 = Bytea()
    file_name = Text()
    media_type = Text()
    size_bytes = BigInt()
    state = Text(default="queued")
    failure_type = Text(null=True, default=None)
    failure_detail = Text(null=True, default=None)
    items_done = Integer(default=0)
    items_total = Integer(default=0)
    page_count = Integer(null=True, default=None)
    char_count = Integer(null=True, default=None)
    passage_count = Integer(null=True, default=None)
    dense_count = Integer(null=True, default=None)
    languages = Array(base_column=Text(), default=list)
    parser_version = Text(null=True, default=None)
    embedding_model = Text(null=True, default=None)
    job_id = UUIDColumn(null=True, default=None)
    created_by = UUIDColumn(null=True, default=None)
    created_at = created()
    updated_at = created()
    ready_at = moment()
    deleted_at = moment()


class Passage(Table, tablename="passages", db=ENGINE):
    """A piece of a version's text; its id is its point's id in the vector index."""

    id = primary_key()
    tenant_id = reference(Tenant, index=False)
    course_id = reference(Course, index=False)
    document_id = reference(Document, index=False)
    version = Integer()
    ordinal = Integer()
    page = Integer(null=True, default=None)
    heading = Text()
    char_start = Integer()
    char_end = Integer()
    text = Text()
    language = Text()
    has_dense = Boolean(default=False)
