"""Admission: permits in fair turns, and quotas of tenants, courses and people."""
