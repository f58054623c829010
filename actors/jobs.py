"""Actors of jobs."""

from actors.actor import actor
from backend.jobs import history
from backend.jobs.jobs import PURGE

actor(PURGE)(history.purge_tenant)
