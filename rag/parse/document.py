"""Documents in, text out: the functions the rest of the system calls."""

import asyncio
import os
from collections.abc import Collection
from itertools import pairwise
from pathlib import Path

from rag.parse.contract import (
    Block,
    PageSpan,
    ParsedDocument,
    ParsedReply,
    ParseLimits,
    ParseTask,
    ProbedReply,
    ProbeTask,
    RenderedPage,
    RenderedReply,
    RenderTask,
    Span,
    Wall,
    WordBox,
)
from rag.parse.failure import ParseFailure
from rag.parse.media_type import HEAD_BYTES, detect_type
from rag.parse.sandbox import SandboxError, run_sandboxed

DEFAULT_LIMITS = ParseLimits()


async def parse_document(
    path: Path, *, file_name: str, limits: ParseLimits = DEFAULT_LIMITS, required: Collection[Wall] = ()
) -> ParsedDocument:
    """Extract the text of the file at `path`, called `file_name` by the person who uploaded it.

    Raises:
        ParseFailure: the document cannot be used; `type` and `detail` say why.
        WallsMissing: a wall in `required` cannot be had here; the document was not opened by a parser.
        SandboxError: the sandbox itself failed; worth another attempt.
        OSError: the file cannot be read.
    """
    head, size = await asyncio.to_thread(_look, path)
    if size > limits.file_bytes:
        raise ParseFailure("too-large")
    media_type = detect_type(head, file_name)
    reply = await run_sandboxed(ParseTask(media_type=media_type, limits=limits, required=tuple(required)), path)
    if not isinstance(reply, ParsedReply) or not _is_consistent(reply.document):
        raise SandboxError("the parser's child gave an answer that does not fit its order")
    return reply.document


async def render_page(
    path: Path,
    page_number: int,
    *,
    width_px: int,
    limits: ParseLimits = DEFAULT_LIMITS,
    required: Collection[Wall] = (),
) -> RenderedPage:
    """Draw page `page_number` (from 1) of the PDF at `path`, `width_px` pixels wide.

    Raises:
        ParseFailure: the page cannot be drawn. WallsMissing, SandboxError, OSError: as `parse_document`.
    """
    task = RenderTask(page=page_number, width_px=width_px, limits=limits, required=tuple(required))
    reply = await run_sandboxed(task, path)
    if not isinstance(reply, RenderedReply):
        raise SandboxError("the parser's child gave an answer that does not fit its order")
    return reply.page


async def standing_walls() -> tuple[Wall, ...]:
    """Start a child for nothing but its walls and return those that stand on this machine.

    Raises:
        SandboxError: the sandbox itself failed.
    """
    reply = await run_sandboxed(ProbeTask(limits=DEFAULT_LIMITS), Path(os.devnull))
    if not isinstance(reply, ProbedReply):
        raise SandboxError("the parser's child gave an answer that does not fit its order")
    return reply.confinement


def _look(path: Path) -> tuple[bytes, int]:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES), path.stat().st_size


def _is_consistent(document: ParsedDocument) -> bool:
    """Check every offset: the child has read a hostile file and may say anything."""
    length = len(document.text)
    spans: list[Span | PageSpan | Block | WordBox] = [
        *document.pages,
        *document.blocks,
        *document.words,
        *document.unreliable,
    ]
    in_text = all(0 <= span.char_start <= span.char_end <= length for span in spans)
    headings = all(0 <= heading.char_start < length for heading in document.headings)
    ordered = all(a.char_end <= b.char_start for a, b in pairwise(document.blocks))
    return in_text and headings and ordered and "\x00" not in document.text
