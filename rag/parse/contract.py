"""What a parser takes and gives. Offsets are Unicode code points into `ParsedDocument.text`, ranges are half open."""

from typing import Literal

import msgspec

from rag.parse.failure import FailureType

MediaType = Literal[
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "text/html",
    "text/markdown",
    "text/plain",
]
PDF: MediaType = "application/pdf"
DOCX: MediaType = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX: MediaType = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
HTML: MediaType = "text/html"
MARKDOWN: MediaType = "text/markdown"
PLAIN: MediaType = "text/plain"

BlockKind = Literal["heading", "paragraph", "list-item", "table-row", "code", "formula", "note"]
ParseWarning = Literal["hidden-text-dropped", "solutions-dropped", "speaker-notes-dropped", "pages-without-text"]

Wall = Literal["limits", "network", "user", "files", "syscalls"]

_MIB = 1024 * 1024


class ParseLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one document may cost. Times in seconds, sizes in bytes, text in code points."""

    file_bytes: int = 64 * _MIB
    pages: int = 1000
    text_chars: int = 5_000_000
    memory_bytes: int = 768 * _MIB
    cpu_seconds: int = 60
    wall_seconds: float = 90.0
    output_bytes: int = 64 * _MIB
    archive_members: int = 5000
    archive_bytes: int = 512 * _MIB
    xml_bytes: int = 64 * _MIB
    image_pixels: int = 16_000_000


class PageSpan(msgspec.Struct, frozen=True, array_like=True):
    """The text of one page or slide; `number` counts from 1."""

    number: int
    char_start: int
    char_end: int


class Heading(msgspec.Struct, frozen=True, array_like=True):
    """A heading; `level` 1 is the outermost, `title` stands in the text at `char_start`."""

    level: int
    title: str
    char_start: int


class Block(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of text of one kind. Blocks are in order, do not overlap and leave out only white space."""

    kind: BlockKind
    char_start: int
    char_end: int


class WordBox(msgspec.Struct, frozen=True, array_like=True):
    """Where a word stands on its page: `left, top, right, bottom` in 1/10,000 of the page, from its top left corner."""

    page: int
    char_start: int
    char_end: int
    left: int
    top: int
    right: int
    bottom: int


class Span(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of text."""

    char_start: int
    char_end: int


class ParsedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The text of a document and where its parts stand.

    `pages` is empty for formats without pages. `words` has boxes only for PDF. `unreliable` marks text whose order of
    characters is a guess (formulas). `confinement` names the protections that held while it was parsed.
    """

    parser_version: str
    media_type: MediaType
    text: str
    pages: tuple[PageSpan, ...] = ()
    headings: tuple[Heading, ...] = ()
    blocks: tuple[Block, ...] = ()
    words: tuple[WordBox, ...] = ()
    unreliable: tuple[Span, ...] = ()
    warnings: tuple[ParseWarning, ...] = ()
    confinement: tuple[Wall, ...] = ()


class RenderedPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page as a PNG image, size in pixels. `confinement` names the protections that held while it was drawn."""

    png: bytes
    width: int
    height: int
    confinement: tuple[Wall, ...] = ()


class Rectangle(msgspec.Struct, frozen=True):
    """A rectangle on a page, in fractions of its width and height from its top left corner."""

    left: float
    top: float
    right: float
    bottom: float


class ParseTask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="parse"):
    """Order to a child: extract the document on its standard input, if the walls in `required` stand."""

    media_type: MediaType
    limits: ParseLimits
    required: tuple[Wall, ...] = ()


class RenderTask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="render"):
    """Order to a child: draw one page of the PDF on its standard input, if the walls in `required` stand."""

    page: int
    width_px: int
    limits: ParseLimits
    required: tuple[Wall, ...] = ()


class ProbeTask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="probe"):
    """Order to a child: put up the walls and say which stand."""

    limits: ParseLimits
    required: tuple[Wall, ...] = ()


class FailureReply(msgspec.Struct, frozen=True, kw_only=True, tag="failure"):
    """A child's answer when the document cannot be used; `cause` names the error and where it arose, for the log."""

    failure: FailureType
    cause: str


class ParsedReply(msgspec.Struct, frozen=True, kw_only=True, tag="parsed"):
    """A child's answer to a `ParseTask`."""

    document: ParsedDocument


class RenderedReply(msgspec.Struct, frozen=True, kw_only=True, tag="rendered"):
    """A child's answer to a `RenderTask`."""

    page: RenderedPage


class ProbedReply(msgspec.Struct, frozen=True, kw_only=True, tag="probed"):
    """A child's answer to a `ProbeTask`: the walls that stand."""

    confinement: tuple[Wall, ...]


class UnguardedReply(msgspec.Struct, frozen=True, kw_only=True, tag="unguarded"):
    """A child's answer when walls it must have cannot be had: it has not looked at the document."""

    missing: tuple[Wall, ...]


Task = ParseTask | RenderTask | ProbeTask
Answer = ParsedReply | RenderedReply | ProbedReply
Reply = Answer | FailureReply | UnguardedReply
