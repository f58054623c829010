"""Opening a PDF with PDFium and the errors that can bring."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pypdfium2 as pdfium
import pypdfium2.raw as c

from rag.parse.contract import ParseLimits
from rag.parse.failure import FailureType, ParseFailure

_FAILURES: dict[int, FailureType] = {
    c.FPDF_ERR_PASSWORD: "encrypted",
    c.FPDF_ERR_SECURITY: "encrypted",
}


@contextmanager
def open_pdf(source: IO[bytes], limits: ParseLimits) -> Iterator[pdfium.PdfDocument]:
    """Open a PDF that needs no password to be read.

    Raises:
        ParseFailure: `encrypted`, `unreadable`, `empty` (no pages) or `too-many-pages`.
    """
    try:
        pdf = pdfium.PdfDocument(source)
    except pdfium.PdfiumError as error:
        raise ParseFailure(_FAILURES.get(error.err_code or 0, "unreadable"), "PDFium") from error
    try:
        if len(pdf) == 0:
            raise ParseFailure("empty", "no pages")
        if len(pdf) > limits.pages:
            raise ParseFailure("too-many-pages")
        yield pdf
    finally:
        pdf.close()
