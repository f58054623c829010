"""Actors of documents."""

from actors.actor import actor
from backend.academics.jobs import COURSE_MOVED
from backend.documents import ingestion, reindexing, upkeep
from backend.documents.jobs import INGEST, PRUNE, REINDEX

actor(INGEST, on_end=upkeep.ingestion_ended)(ingestion.ingest)
actor(PRUNE)(upkeep.prune)
actor(REINDEX)(reindexing.reindex)
actor(COURSE_MOVED)(upkeep.follow_course)
