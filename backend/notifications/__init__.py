"""Telling other systems of events, and being told by them: webhooks out and in, and what became of the events."""
