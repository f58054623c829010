"""Which language a text is in, short questions above all."""

import pytest

from rag.language import detect


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is a neural network?", "en"),
        ("photosynthesis", "en"),
        ("gradient descent", "en"),
        ("SQL JOIN", "en"),
        ("Bayes", "en"),
        ("mitosis vs meiosis", "en"),
        ("ما هي الشبكة العصبونية؟", "ar"),
        ("التمثيل الضوئي", "ar"),
        ("ما هي neural networks", "ar"),
        ("اشرح backpropagation algorithm", "ar"),
        ("الـ gradient descent", "ar"),
        ("what does التعلم mean in this course", "en"),
        ("explain backpropagation بالعربية", "en"),
        ("ﻣﺎ ﻫﻲ ﺍﻟﺸﺒﻜﺔ", "ar"),
        ("پایتخت ایران کجاست", "fa"),
        ("Was ist ein Vektor?", "de"),
        ("Qu'est-ce que la dérivée ?", "fr"),
        ("¿Qué es un vector?", "es"),
        ("Что такое вектор?", "ru"),
        ("向量是什么？", "zh"),
        ("벡터란 무엇인가", "ko"),
        ("τι είναι το διάνυσμα", "el"),
        ("1 + 1 = 2", "und"),
        ("", "und"),
        ("٣٫٥ %", "und"),
    ],
)
def test_language(text: str, language: str) -> None:
    assert detect(text) == language


def test_only_the_beginning_of_a_long_text_is_looked_at() -> None:
    assert detect("This is English. " * 500 + "هذا نص عربي. " * 100_000) == "en"
