"""The child of the sandbox: reads one order from its arguments and one document from standard input, answers by pipe.

Imports what the format needs first, then confines itself, then opens the document. It trusts nothing in it.
"""

import codecs
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

import msgspec

from rag.parse.confine import confine
from rag.parse.contract import (
    DOCX,
    HTML,
    MARKDOWN,
    PDF,
    PLAIN,
    PPTX,
    Answer,
    FailureReply,
    MediaType,
    ParsedDocument,
    ParsedReply,
    ParseLimits,
    ParseTask,
    ProbedReply,
    ProbeTask,
    RenderedReply,
    RenderTask,
    Task,
    UnguardedReply,
    Wall,
)
from rag.parse.failure import FailureType, ParseFailure

_FORMATS: dict[MediaType, str] = {
    PDF: "rag.parse.pdf.pages",
    DOCX: "rag.parse.ooxml.docx",
    PPTX: "rag.parse.ooxml.pptx",
    HTML: "rag.parse.html.page",
    MARKDOWN: "rag.parse.markdown",
    PLAIN: "rag.parse.plain",
}
_CODECS = ("ascii", "latin-1", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp437")
_FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts")


class _Format(Protocol):
    parse: Callable[[IO[bytes], ParseLimits], ParsedDocument]


def main(encoded_task: str) -> None:
    """Carry out one order and write one `Reply` (MessagePack) to what was standard output."""
    answer = os.dup(1)
    # Nothing a C library prints may reach the answer.
    with Path(os.devnull).open("wb") as void:
        os.dup2(void.fileno(), 1)
    task = msgspec.json.decode(encoded_task, type=Task)
    work = _load(task)
    for name in _CODECS:
        codecs.lookup(name)
    # From here on no module can be loaded: the walls would hide it on one machine and not on another.
    sys.meta_path.clear()
    walls = tuple(confine(task.limits, readable=_FONT_FOLDERS))
    missing = tuple(wall for wall in task.required if wall not in walls)
    with os.fdopen(answer, "wb") as pipe:
        pipe.write(msgspec.msgpack.encode(UnguardedReply(missing=missing)) if missing else _attempt(work, walls))


def _load(task: Task) -> Callable[[IO[bytes]], Answer]:
    """Import the format named by the order; no other format's code is in the process."""
    if isinstance(task, ProbeTask):
        return lambda _: ProbedReply(confinement=())
    if isinstance(task, ParseTask):
        module: _Format = importlib.import_module(_FORMATS[task.media_type])
        return lambda source: ParsedReply(document=module.parse(source, task.limits))
    return _renderer(task)


def _renderer(task: RenderTask) -> Callable[[IO[bytes]], Answer]:
    render = importlib.import_module("rag.parse.pdf.render")
    return lambda source: RenderedReply(page=render.render(source, task.page, task.width_px, task.limits))


def _attempt(work: Callable[[IO[bytes]], Answer], walls: tuple[Wall, ...]) -> bytes:
    try:
        with os.fdopen(0, "rb") as source:
            return msgspec.msgpack.encode(_with_walls(work(source), walls))
    except ParseFailure as failure:
        return _encode_failure(failure.type, failure)
    except MemoryError as error:
        return _encode_failure("bomb", error)
    except Exception as error:
        if _is_ours(error):
            raise
        # Whatever else a parser library raises on a broken file, the file is to blame.
        return _encode_failure("unreadable", error)


def _with_walls(answer: Answer, walls: tuple[Wall, ...]) -> Answer:
    match answer:
        case ParsedReply():
            return ParsedReply(document=msgspec.structs.replace(answer.document, confinement=walls))
        case RenderedReply():
            return RenderedReply(page=msgspec.structs.replace(answer.page, confinement=walls))
        case ProbedReply():
            return ProbedReply(confinement=walls)


def _is_ours(error: Exception) -> bool:
    """Tell a fault of this program, or a module or codec that should have been loaded before the walls, from the file's."""
    return isinstance(error, (NameError, ImportError)) or type(error) is LookupError


def _encode_failure(type_: FailureType, error: BaseException) -> bytes:
    """Name the error and the line it came from, never its message, which may quote the document."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return msgspec.msgpack.encode(FailureReply(failure=type_, cause=f"{type(error).__name__} at {place}"))
