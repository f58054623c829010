"""A 71-page English PDF out of the openly licensed texts that ship with the product, and questions about it.

Each seed gives other pages and other questions, so that nothing is found in a cache that was not put there on purpose.
"""

import html
import json
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

from tests.stack import ROOT

PAGES = 71
LESSONS = ROOT / "ops/demo/content"
STATISTICS = ROOT / "tests/data/documents/openstax-stats-m79604.html"
ARTICLES = ROOT / "tests/data/qa/xquad.en.json"
CHROMIUM = os.environ.get("LYCEUM_CHROMIUM") or shutil.which("chromium") or ""

_TAG = re.compile(r"<(script|style).*?</\1>|<[^>]+>", re.DOTALL)
_NOT_PROSE = re.compile(r"^(?:---|:::|```|!\[|\[|#|\||>|\$|title:|teaching:|exercises:)")
_SENTENCE = re.compile(r"[A-Z][^.?!]{30,240}[.?!]")
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]+")
_STYLE = "body{font:12pt/1.4 serif} h2{font-size:16pt} section{break-after:page} section:last-child{break-after:auto}"
MIN_WORDS = 12
PHRASE_WORDS = 7


def paragraphs() -> list[str]:
    """Return all paragraphs of prose, in order."""
    texts = [path.read_text() for path in sorted(LESSONS.glob("shell-*.md"))]
    texts.append(html.unescape(_TAG.sub("\n\n", STATISTICS.read_text())))
    articles = json.loads(ARTICLES.read_text())["data"]
    texts += [paragraph["context"] for article in articles for paragraph in article["paragraphs"]]
    blocks = [" ".join(block.split()) for text in texts for block in re.split(r"\n\s*\n", text)]
    return [block for block in blocks if len(block.split()) >= MIN_WORDS and not _NOT_PROSE.match(block)]


def make_pdf(folder: Path, seed: int) -> Path:
    """Print the paragraphs in an order of their own on 71 pages.

    Raises:
        RuntimeError: there is no Chromium to print with.
    """
    if not CHROMIUM:
        raise RuntimeError("Chromium prints the PDF: apt-get install chromium, or set LYCEUM_CHROMIUM")
    blocks = paragraphs()
    random.Random(seed).shuffle(blocks)
    source, target = folder / f"notes-{seed}.html", folder / f"notes-{seed}.pdf"
    source.write_text(_page_source(_split(blocks), seed))
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-pdf-header-footer",
        f"--user-data-dir={folder}/chromium",
    ]
    command = [CHROMIUM, *options, f"--print-to-pdf={target}", source.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return target


def questions(count: int, seed: int) -> list[str]:
    """Return distinct questions about what the paragraphs say."""
    sentences = [sentence for block in paragraphs() for sentence in _SENTENCE.findall(block)]
    phrases = {" ".join(words[-PHRASE_WORDS:]) for words in map(_WORD.findall, sentences) if len(words) >= PHRASE_WORDS}
    order = random.Random(seed).sample(sorted(phrases), len(phrases))
    forms = ("What do the notes say about {}?", "Explain {}.", "Why is it said: {}?")
    return [forms[(seed + i // len(order)) % len(forms)].format(order[i % len(order)]) for i in range(count)]


def _split(blocks: list[str]) -> list[list[str]]:
    """Put the paragraphs on pages of about as many words each."""
    share = sum(len(block.split()) for block in blocks) / PAGES
    pages: list[list[str]] = [[]]
    words = 0
    for block in blocks:
        if words >= share * len(pages) and len(pages) < PAGES:
            pages.append([])
        pages[-1].append(block)
        words += len(block.split())
    return pages


def _page_source(pages: list[list[str]], seed: int) -> str:
    sections = [
        f"<section><h2>{seed}.{number} {html.escape(' '.join(blocks[0].split()[:5]))}</h2>"
        + "".join(f"<p>{html.escape(block)}</p>" for block in blocks)
        + "</section>"
        for number, blocks in enumerate(pages, start=1)
    ]
    return f"<!doctype html><meta charset=utf-8><title>Notes {seed}</title><style>{_STYLE}</style>{''.join(sections)}"
