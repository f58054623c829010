"""Texts written for one learner: by level, style and accommodations, without sources."""
