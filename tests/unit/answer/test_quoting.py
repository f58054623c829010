from rag.answer import MAX_WORDS, Quoted, quote
from rag.answer.contract import Citation
from tests.unit.answer.passages import ARABIC, CELLS, LIGHT, OFFSET, ORDERS, passage


def text_of(quoted: Quoted) -> str:
    return "".join(part.text for part in quoted.parts)


def citations_of(quoted: Quoted) -> list[Citation]:
    return [citation for part in quoted.parts for citation in part.citations]


def test_the_sentence_that_answers_is_quoted_with_its_exact_span() -> None:
    quoted = quote("How many genes do mitochondria hold?", "en", [passage(1, CELLS), passage(2, LIGHT)])

    assert quoted.outcome.verdict == "answered"
    assert quoted.outcome.degraded
    assert "37 genes" in text_of(quoted)
    for citation in citations_of(quoted):
        text = {1: CELLS, 2: LIGHT}[citation.passage_id.int]
        assert text[citation.char_start - OFFSET : citation.char_end - OFFSET] == citation.quote
        assert f"[{citation.marker}]" in text_of(quoted)


def test_nothing_relevant_says_so_and_cites_nothing() -> None:
    quoted = quote("Who won the football championship in Denver?", "en", [passage(1, CELLS), passage(2, LIGHT)])

    assert quoted.outcome.verdict == "not_in_material"
    assert citations_of(quoted) == []
    assert "nothing about this" in text_of(quoted)


def test_no_passage_at_all_says_so_in_the_language_of_the_question() -> None:
    quoted = quote("ما هي الخلية؟", "ar", [])

    assert quoted.outcome.verdict == "not_in_material"
    assert "لم أجد" in text_of(quoted)


def test_the_language_of_the_question_decides_among_the_passages() -> None:
    passages = [passage(1, CELLS), passage(2, ARABIC, "ar")]

    arabic = quote("كم جينا تحمل الميتوكوندريا؟", "ar", passages)
    english = quote("How many genes do mitochondria hold?", "en", passages)

    assert {citation.passage_id.int for citation in citations_of(arabic)} == {2}
    assert {citation.passage_id.int for citation in citations_of(english)} == {1}


def test_material_in_another_language_is_quoted_and_the_answer_says_so() -> None:
    text = "قانون أوم يربط بين الجهد والتيار. يسمى أيضا Ohm law في الكتب."
    quoted = quote("Ohm law?", "en", [passage(1, text, "ar")])

    assert quoted.outcome.verdict == "answered"
    assert text_of(quoted).startswith("The material says this in another language:")
    assert citations_of(quoted)


def test_an_answer_has_at_most_three_sentences_and_eighty_words() -> None:
    sentence = (
        "The river carries water and sand through the valley while the river bank slowly moves and the water turns."
    )
    passages = [
        passage(n, " ".join([sentence.replace("valley", f"valley{n}{m}") for m in range(6)])) for n in (1, 2, 3)
    ]

    quoted = quote("What does the river carry through the valley?", "en", passages)

    assert len(text_of(quoted).split()) <= MAX_WORDS
    assert text_of(quoted).count("The river") <= 3
    assert all(citation.quote.count("The river") <= 2 for citation in citations_of(quoted))


def test_a_sentence_too_long_to_quote_is_cut_to_the_words_that_answer() -> None:
    filler = " ".join(f"word{n}" for n in range(150))
    text = f"{filler} the capital of Atlantis was Poseidonis {filler}."

    quoted = quote("What was the capital of Atlantis?", "en", [passage(1, text)])

    (citation,) = citations_of(quoted)
    assert "Poseidonis" in citation.quote
    assert len(citation.quote.split()) <= MAX_WORDS
    assert text[citation.char_start - OFFSET : citation.char_end - OFFSET] == citation.quote


def test_an_order_to_the_assistant_is_not_quoted() -> None:
    quoted = quote("Is the exam cancelled by the instructions?", "en", [passage(1, ORDERS)])

    assert "cancelled" not in text_of(quoted)


def test_the_same_text_from_two_courses_is_quoted_once() -> None:
    quoted = quote("How many genes do mitochondria hold?", "en", [passage(1, CELLS), passage(2, CELLS)])

    assert {citation.passage_id.int for citation in citations_of(quoted)} == {1}


def test_neighbouring_sentences_share_a_citation_and_others_do_not() -> None:
    quoted = quote("Do mitochondria hold genes and make energy?", "en", [passage(1, CELLS)])

    assert [citation.marker for citation in citations_of(quoted)] == list(range(1, len(citations_of(quoted)) + 1))
    assert any("energy" in citation.quote and "genes" in citation.quote for citation in citations_of(quoted))
