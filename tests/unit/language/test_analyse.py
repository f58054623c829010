"""Search terms: forms of one word meet, different words do not."""

import pytest

from rag.language import analyse, normalise


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("ar", "المكتبات", "مكتبة"),
        ("ar", "والطالبات", "الطالبات"),
        ("ar", "بالجامعة", "الجامعة"),
        ("ar", "للشبكة", "الشبكة"),
        ("ar", "وشبكة", "شبكة"),
        ("ar", "أحداث", "احداث"),
        ("ar", "مُعَلِّمٌ", "معلم"),
        ("ar", "مـعـلـم", "معلم"),
        ("ar", "مستشفى", "مستشفي"),
        ("ar", "ﺍﻟﺸﺒﻜﺔ", "شبكة"),
        ("en", "networks", "network"),
        ("en", "Running", "runs"),
        ("en", "ﬁeld", "field"),
        ("en", "exam-\nple", "example"),
        ("en", "don’t", "don't"),
        ("de", "Vektoren", "Vektor"),
        ("en", "٢٠٢٦", "2026"),
    ],
)
def test_forms_of_one_word_meet(language: str, one: str, other: str) -> None:
    assert analyse(one, language) == analyse(other, language) != []


def test_a_word_is_analysed_by_its_own_script() -> None:
    assert analyse("الشبكات العصبونية (neural networks)", "ar")[-2:] == analyse("neural networks", "en")
    assert analyse("the term الشبكات", "en")[-1:] == analyse("الشبكات", "ar")


def test_stop_words_go_and_repeats_stay() -> None:
    assert analyse("the mean of the mean and a mode", "en") == ["mean", "mean", "mode"]
    assert analyse("ما هو المتوسط في الإحصاء", "ar") == analyse("المتوسط الإحصاء", "ar")


def test_names_and_numbers_are_whole() -> None:
    assert analyse("C++ and C# in snake_case, item 1.1.6 at 3.5%", "en") == [
        "c++", "c#", "snake", "case", "item", "1.1.6", "3.5",
    ]  # fmt: skip


def test_scripts_without_spaces_give_pairs() -> None:
    assert analyse("向量空间", "zh") == ["向量", "量空", "空间"]


def test_normalise_twice_changes_nothing() -> None:
    text = "Ａ ﬁne ﷲ أإآ ىة ـَّ ٣ İstanbul"
    assert normalise(normalise(text)) == normalise(text)
