"""Why a document cannot be used: one table of types with a sentence for its lecturer in each interface language."""

from typing import Literal, get_args

FailureType = Literal[
    "encrypted",
    "empty",
    "unreadable",
    "type-mismatch",
    "unsupported",
    "too-large",
    "too-many-pages",
    "bomb",
    "timeout",
    "no-text",
]
FAILURE_TYPES: tuple[FailureType, ...] = get_args(FailureType)

SENTENCES: dict[FailureType, dict[Literal["en", "ar"], str]] = {
    "encrypted": {
        "en": "The file is protected by a password. Save a copy without the password and upload that.",
        "ar": "الملف محمي بكلمة مرور. احفظ نسخة منه بدون كلمة مرور ثم ارفعها.",
    },
    "empty": {
        "en": "The file is empty: there is nothing in it to read.",
        "ar": "الملف فارغ: لا يوجد فيه ما يُقرأ.",
    },
    "unreadable": {
        "en": "The file is damaged or incomplete and cannot be opened. Export it again and upload the new file.",
        "ar": "الملف تالف أو غير مكتمل ولا يمكن فتحه. أعد تصديره ثم ارفع الملف الجديد.",
    },
    "type-mismatch": {
        "en": "The content of the file is not what its name says. Rename it or upload the right file.",
        "ar": "محتوى الملف لا يطابق نوعه المذكور في اسمه. صحّح الاسم أو ارفع الملف الصحيح.",
    },
    "unsupported": {
        "en": "This kind of file cannot be read. Upload PDF, Word (.docx), PowerPoint (.pptx), HTML, Markdown or text.",
        "ar": "لا يمكن قراءة هذا النوع. ارفع ملف PDF أو Word (.docx) أو PowerPoint (.pptx) أو HTML أو Markdown أو نصًا.",
    },
    "too-large": {
        "en": "The file, or the text in it, is larger than allowed. Split it and upload the parts.",
        "ar": "الملف أو النص الذي فيه أكبر من الحد المسموح. قسّمه إلى أجزاء ثم ارفعها.",
    },
    "too-many-pages": {
        "en": "The document has more pages than allowed. Split it and upload the parts.",
        "ar": "عدد صفحات المستند أكبر من الحد المسموح. قسّمه إلى أجزاء ثم ارفعها.",
    },
    "bomb": {
        "en": "The file unpacks to far more than its size, as harmful files do, and was refused. Export it again.",
        "ar": "يتضخم الملف عند فتحه إلى حجم كبير جدًا كما تفعل الملفات الضارة، لذلك رُفض. أعد تصديره من جديد.",
    },
    "timeout": {
        "en": "Reading the file took too long and was stopped. Export it again in a simpler form or split it.",
        "ar": "استغرقت قراءة الملف وقتًا طويلًا فأوقفت. أعد تصديره بصورة أبسط أو قسّمه.",
    },
    "no-text": {
        "en": "The pages hold pictures but no text, like a scan. Upload a version whose text can be selected.",
        "ar": "تحتوي الصفحات على صور بلا نص، كما في المسح الضوئي. ارفع نسخة يمكن تحديد نصها.",
    },
}


class ParseFailure(Exception):
    """A document that cannot be used.

    `detail` is an English sentence for its lecturer, `cause` a hint for the log; neither holds any of the content.
    """

    def __init__(self, type: FailureType, cause: str = "") -> None:  # noqa: A002 -- the word of the API
        self.type: FailureType = type
        self.detail = SENTENCES[type]["en"]
        self.cause = cause
        super().__init__(f"{type}: {self.detail}")


def sentence(type: FailureType, locale: str) -> str:  # noqa: A002
    """Return what to tell a person in `locale` (`ar`, else English) about a failure of this type."""
    return SENTENCES[type]["ar" if locale.startswith("ar") else "en"]
