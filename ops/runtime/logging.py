"""Logs: one JSON object a line on stderr, from structlog and the standard library alike."""

import logging
import re
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import structlog
from opentelemetry import trace

from ops.runtime.context import request_id, service_name

Event = MutableMapping[str, Any]

WITHHELD = "[withheld]"
SENSITIVE_FIELDS = frozenset(
    {
        "answer",
        "api_key",
        "authorization",
        "body",
        "content",
        "cookie",
        "email",
        "master_key",
        "message",
        "messages",
        "password",
        "passage",
        "passages",
        "prompt",
        "query",
        "question",
        "quote",
        "refresh_token",
        "access_token",
        "secret",
        "set_cookie",
        "text",
        "ticket",
        "token",
    }
)
MAX_FIELD_CHARACTERS = 8192

_SECRETS = re.compile(
    r"(?P<mail>[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+)"
    r"|(?P<jwt>eyJ[\w-]{8,}\.[\w-]+\.[\w-]+)"
    r"|(?P<bearer>(?i:bearer)\s+[\w.~+/=-]{8,})"
    r"|(?P<url>(?<=://)[^\s/@]{1,256}@)"
)
_REPLACEMENTS = {"mail": "[email]", "jwt": "[token]", "bearer": "Bearer [token]", "url": "[credentials]@"}
_TALKATIVE = "uvicorn.error"
"""On debug it writes down every frame of every WebSocket."""
_QUIET = ("httpx", "httpcore", "httpx2", "httpcore2", "uvicorn.access", "asyncio", "urllib3", "pdfminer")


def configure_logging(service: str, level: str = "info") -> None:
    """Send every log of this process to stderr as JSON lines from `level` upwards; may be called again."""
    service_name.set(service)
    threshold = logging.getLevelNamesMapping()[level.upper()]
    common: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        _add_context(service),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[_drop_below(threshold), *common, _render_bytes],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), _name_component],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *common,
                _render_text,
            ],
        )
    )
    _take_over_standard_logging(handler, threshold)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger; events are constant snake_case strings, everything that varies is a field."""
    return cast(structlog.stdlib.BoundLogger, structlog.get_logger(component=name))


def redact(_logger: object, _method: str, event: Event) -> Event:
    """Withhold fields that hold what people wrote, and mask e-mails, tokens and passwords inside other texts."""
    for name, value in event.items():
        if name in SENSITIVE_FIELDS:
            event[name] = WITHHELD
        elif isinstance(value, str):
            event[name] = mask(value)
        elif isinstance(value, dict):
            event[name] = redact(_logger, _method, {str(key): item for key, item in value.items()})
        elif isinstance(value, list | tuple | set):
            event[name] = [mask(item) if isinstance(item, str) else item for item in value]
    return event


def mask(text: str) -> str:
    """Return `text` without e-mail addresses, tokens and credentials, cut at 8192 characters."""
    if "@" in text or "eyJ" in text or "earer" in text or "EARER" in text:
        text = _SECRETS.sub(lambda match: _REPLACEMENTS[str(match.lastgroup)], text)
    return text if len(text) <= MAX_FIELD_CHARACTERS else text[:MAX_FIELD_CHARACTERS] + "…"


def _add_context(service: str) -> structlog.typing.Processor:
    def add_context(_logger: object, _method: str, event: Event) -> Event:
        event["timestamp"] = datetime.now(UTC).isoformat(timespec="milliseconds")
        event["service"] = service
        if identifier := request_id.get():
            event.setdefault("request_id", identifier)
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            event["trace_id"] = f"{span.trace_id:032x}"
            event["span_id"] = f"{span.span_id:016x}"
        return event

    return add_context


def _name_component(_logger: object, _method: str, event: Event) -> Event:
    record: logging.LogRecord = event["_record"]
    event["component"] = record.name
    event.pop("color_message", None)
    return event


def _drop_below(threshold: int) -> structlog.typing.Processor:
    levels = {**{name.lower(): number for name, number in logging.getLevelNamesMapping().items()}, "exception": 40}

    def drop_below(_logger: object, method: str, event: Event) -> Event:
        if levels.get(method, threshold) < threshold:
            raise structlog.DropEvent
        return event

    return drop_below


def _render_bytes(_logger: object, _method: str, event: Event) -> bytes:
    return msgspec.json.encode(event, enc_hook=repr)


def _render_text(_logger: object, _method: str, event: Event) -> str:
    return _render_bytes(_logger, _method, event).decode()


def _take_over_standard_logging(handler: logging.Handler, threshold: int) -> None:
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    for name, logger in logging.root.manager.loggerDict.items():
        if isinstance(logger, logging.Logger) and name.startswith(("uvicorn", "dramatiq", "litestar", "qdrant")):
            logger.handlers.clear()
            logger.propagate = True
    logging.getLogger(_TALKATIVE).setLevel(max(threshold, logging.INFO))
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
