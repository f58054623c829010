"""Text, structure and page images of uploaded documents, each read in a sandboxed child of its own."""

from rag.parse.contract import (
    Block,
    Heading,
    MediaType,
    PageSpan,
    ParsedDocument,
    ParseLimits,
    Rectangle,
    RenderedPage,
    Span,
    Wall,
    WordBox,
)
from rag.parse.document import parse_document, render_page, standing_walls
from rag.parse.failure import FAILURE_TYPES, FailureType, ParseFailure, sentence
from rag.parse.locate import locate
from rag.parse.media_type import HEAD_BYTES, detect_type
from rag.parse.sandbox import SandboxError, WallsMissing
from rag.parse.version import PARSER_VERSION

__all__ = [
    "FAILURE_TYPES",
    "HEAD_BYTES",
    "PARSER_VERSION",
    "Block",
    "FailureType",
    "Heading",
    "MediaType",
    "PageSpan",
    "ParseFailure",
    "ParseLimits",
    "ParsedDocument",
    "Rectangle",
    "RenderedPage",
    "SandboxError",
    "Span",
    "Wall",
    "WallsMissing",
    "WordBox",
    "detect_type",
    "locate",
    "parse_document",
    "render_page",
    "sentence",
    "standing_walls",
]
