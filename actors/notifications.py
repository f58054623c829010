"""Actors of notifications."""

from actors.actor import actor
from backend.notifications import delivering
from backend.notifications.jobs import DELIVER

actor(DELIVER, on_end=delivering.delivery_ended)(delivering.deliver)
