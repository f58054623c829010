"""From rows to what readers get."""

from typing import cast

from backend.documents.failures import localised
from backend.documents.schemas import DocumentView, Failure, Progress, State, VersionView
from backend.kit.subject import Locale
from db.repositories.documents import DocumentRow, VersionRow
from ops.runtime.ids import CourseId, DocumentId, JobId
from rag.parse import FailureType


def document_view(row: DocumentRow, versions: list[VersionRow], *, all_versions: bool, locale: Locale) -> DocumentView:
    """Return the document: with `all_versions` as those who look after it see it, else only the version that is served."""
    shown = versions if all_versions else [v for v in versions if v.version == row.serving_version]
    views = [version_view(version, locale) for version in shown]
    newest = views[0]
    served = next((view for view in views if view.version == row.serving_version), newest)
    return DocumentView(
        id=DocumentId(row.id),
        course_id=CourseId(row.course_id),
        title=row.title,
        state=newest.state,
        failure=newest.failure,
        progress=newest.progress,
        serving_version=row.serving_version,
        latest_version=newest.version,
        media_type=served.media_type,
        file_name=served.file_name,
        size_bytes=served.size_bytes,
        languages=served.languages,
        pages=served.pages,
        passages=served.passages,
        passages_without_dense=served.passages_without_dense,
        versions=views,
        created_at=row.created_at,
        updated_at=row.updated_at,
        purge_after=row.purge_after,
    )


def version_view(row: VersionRow, locale: Locale) -> VersionView:
    """Return one version, the reason of a failure in the reader's language."""
    passages = row.passage_count if row.state == "ready" else None
    return VersionView(
        version=row.version,
        state=cast(State, row.state),
        failure=_failure(row, locale),
        progress=Progress(stage=cast(State, row.state), done=row.items_done, total=row.items_total),
        file_name=row.file_name,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        pages=row.page_count,
        characters=row.char_count,
        passages=passages,
        passages_without_dense=None if passages is None else passages - (row.dense_count or 0),
        languages=row.languages,
        job_id=None if row.job_id is None else JobId(row.job_id),
        created_at=row.created_at,
        ready_at=row.ready_at,
    )


def _failure(row: VersionRow, locale: Locale) -> Failure | None:
    if row.failure_type is None:
        return None
    kind = cast(FailureType, row.failure_type)
    return Failure(type=kind, detail=localised(kind, row.failure_detail or "", locale))
