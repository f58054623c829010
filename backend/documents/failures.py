"""Sentences for ends that are not the file's fault; the failure types know only faults of files and the time limit."""

from typing import Final

from backend.kit.subject import Locale
from db.jobs import JobError
from rag.parse import FAILURE_TYPES, FailureType, sentence

INTERRUPTED: Final[dict[Locale, str]] = {
    "en": "Lyceum could not finish reading the file; the file itself may be fine. Start it again, or tell the operator.",
    "ar": "لم يتمكن النظام من إتمام قراءة الملف، وقد يكون الملف نفسه سليمًا. أعد المحاولة أو أبلغ المسؤول عن النظام.",
}
CANCELLED: Final[dict[Locale, str]] = {
    "en": "Reading the file was cancelled before it was finished. Start it again when you like.",
    "ar": "أُلغيت قراءة الملف قبل إتمامها. يمكنك بدء القراءة من جديد متى شئت.",
}


def failure_of(error: JobError | None) -> tuple[FailureType, str]:
    """Return type and English detail of the failure of a version whose job is dead, or, without an error, cancelled."""
    if error is None:
        return "timeout", CANCELLED["en"]
    if error.type in FAILURE_TYPES:
        return error.type, error.detail
    return "timeout", INTERRUPTED["en"]


def localised(kind: FailureType, detail: str, locale: Locale) -> str:
    """Return a stored English detail in the reader's language."""
    for sentences in (INTERRUPTED, CANCELLED):
        if detail == sentences["en"]:
            return sentences[locale]
    return sentence(kind, locale) if detail == sentence(kind, "en") else detail
