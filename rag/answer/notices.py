"""The tutor's own sentences, in the languages of the interface; any other language gets English."""

from typing import Literal

Notice = Literal["not_in_material", "other_language", "injection", "cheating", "malformed"]

_ENGLISH: dict[Notice, str] = {
    "not_in_material": "I found nothing about this in the material of your courses.",
    "other_language": "The material says this in another language:",
    "injection": "I answer questions about your courses; I do not change my rules or tell them.",
    "cheating": "I do not solve a running exam for you. Ask me about the subject and I will help you to understand it.",
    "malformed": "I cannot read this question. Please write it in words.",
}
_ARABIC: dict[Notice, str] = {
    "not_in_material": "لم أجد شيئًا عن هذا في مواد مقرراتك.",
    "other_language": "المادة تذكر ذلك بلغة أخرى:",
    "injection": "أجيب عن أسئلة مقرراتك، ولا أغيّر قواعدي ولا أكشفها.",
    "cheating": "لا أحل لك امتحانًا جاريًا. اسألني عن الموضوع وسأساعدك على فهمه.",
    "malformed": "لا أستطيع قراءة هذا السؤال. اكتبه بالكلمات من فضلك.",
}


def notice(name: Notice, language: str) -> str:
    """Return the sentence in `language` (ISO 639-1)."""
    return (_ARABIC if language == "ar" else _ENGLISH)[name]
