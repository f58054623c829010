"""Actors of documents."""

from actors.actor import actor
from backend.academics.jobs import COURSE_MOVED
from backend.documents import ingestion, upkeep
from backend.documents.jobs import INGEST, PRUNE

actor(INGEST, on_end=upkeep.ingestion_ended)(ingestion.ingest)
actor(PRUNE)(upkeep.prune)
actor(COURSE_MOVED)(upkeep.follow_course)
