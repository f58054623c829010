"""Actors of documents."""

from actors.actor import actor
from backend.academics.jobs import COURSE_MOVED, COURSE_RESTORED
from backend.documents import ingestion, reindexing, restoring, upkeep
from backend.documents.jobs import INGEST, PRUNE, REINDEX

actor(INGEST, on_end=upkeep.ingestion_ended)(ingestion.ingest)
actor(PRUNE)(upkeep.prune)
actor(REINDEX)(reindexing.reindex)
actor(COURSE_MOVED)(upkeep.follow_course)
actor(COURSE_RESTORED)(restoring.restore_index)
