"""Answers that come out the same each time, kept for a day."""
