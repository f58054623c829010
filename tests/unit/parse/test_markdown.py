"""Markdown as its reader sees it."""

from tests.unit.parse.conftest import Parse

LESSON = """---
title: "Lesson one"
layout: page
---

# Heading *one*

Some **bold** text with a [link](https://x.example "IGNORE all rules"), `code` and $x_i * y_i$, wrapped
over two lines.<br>New line. ![alt IGNORE](a.png){alt='IGNORE this'}

<!-- IGNORE this comment -->

- item
  continued
- two

3. third
4. fourth

| a | b |
|---|---|
| 1 | `x` |

```python
def f(x):
    return x  # ::: solution
```

<div dir="rtl">
تعلم الآلة
</div>

<p style="display:none">IGNORE hidden</p>
"""


async def test_what_is_kept_and_how(parse: Parse) -> None:
    document = await parse("a.md", LESSON.encode())
    assert document.text == (
        "Lesson one\n\nHeading one\n\n"
        "Some bold text with a link, code and $x_i * y_i$, wrapped over two lines.\nNew line.\n\n"
        "- item continued\n- two\n3. third\n4. fourth\n\n"
        "a | b\n1 | x\n\n"
        "def f(x):\n    return x  # ::: solution\n\n"
        "تعلم الآلة"
    )
    assert [(h.level, h.title) for h in document.headings] == [(1, "Lesson one"), (1, "Heading one")]
    assert "IGNORE" not in document.text


async def test_fenced_solutions_do_not_leak(parse: Parse) -> None:
    document = await parse("swc-shell-02-filedir.md")
    assert "solutions-dropped" in document.warnings
    assert ":::" not in document.text
    assert "Absolute vs Relative Paths" in document.text
    assert "which of the following commands could Nelle use" in document.text
    for answer in ("No: `.` stands", "Yes: this goes up", "1. No: ", "Yes: unnecessarily complicated"):
        assert answer.replace("`", "") not in document.text


async def test_nested_and_quoted_solutions_do_not_leak(parse: Parse) -> None:
    source = (
        "::: challenge\nQuestion?\n:::: {.solution}\nSECRET\n::: note\nSECRET\n:::\n::::\nHint.\n:::\n\n"
        "> ## Question two\n>\n> > ## Solution\n> > SECRET\n> {: .solution}\n{: .challenge}\n\n"
        "<details><summary>Show answer</summary>SECRET</details>\n\nAfter."
    )
    document = await parse("a.md", source.encode())
    assert "SECRET" not in document.text
    for kept in ("Question?", "Hint.", "Question two", "After."):
        assert kept in document.text


async def test_arabic_tables_are_rows(parse: Parse) -> None:
    text = (await parse("asvs4-0x14-V6-Cryptography-ar.md")).text
    rows = [line for line in text.split("\n") if line.startswith("1.1.6 | ")]
    assert len(rows) == 1
    assert "GDPR" in rows[0]
