"""The demo: two faculties, courses in English and Arabic, three people."""
