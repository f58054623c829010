"""The engine process: takes calls from the channel, searches before writes, until the HTTP process is gone."""

import signal
import socket
import time
from collections import deque
from collections.abc import Generator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec

from ops.local.vectors.channel import Call, Inbox, Reply
from ops.local.vectors.engine import Engine
from ops.local.vectors.errors import RefusedError
from ops.local.vectors.operations import READS, WRITES
from ops.local.vectors.owner import FolderLock
from ops.runtime.logging import get_logger

FLUSH_SECONDS = 5.0
VACUUM_AFTER_IDLE_SECONDS = 120.0
READS_PER_WRITE_SLICE = 16
"""Searches overtake writes, but a steady stream of them does not stop the writes."""
_PATIENCE_SECONDS = 5.0
_READY = 0

log = get_logger("vectors.worker")


def run_worker(folder: Path, connection: socket.socket) -> None:
    """Own `folder` and serve the channel. The first reply, number 0, tells whether the folder could be opened."""
    # The HTTP process gets the signals; it drains, then closes the channel.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    inbox = Inbox(connection)
    try:
        lock = FolderLock(folder, _PATIENCE_SECONDS)
        engine = Engine(folder)
    except Exception as error:  # noqa: BLE001 — whatever it is, the other process has to hear of it
        inbox.answer(Reply(_READY, HTTPStatus.SERVICE_UNAVAILABLE, str(error).encode()))
        return
    inbox.answer(Reply(_READY, HTTPStatus.OK, b""))
    try:
        Worker(engine, inbox).run()
    finally:
        engine.close()
        lock.release()


class Worker:
    """The loop. One write is under way at a time; reads run between its slices."""

    def __init__(self, engine: Engine, inbox: Inbox) -> None:
        self._engine = engine
        self._inbox = inbox
        self._reads: deque[Call] = deque()
        self._writes: deque[Call] = deque()
        self._writing: tuple[Call, float, Generator[None, None, Any]] | None = None
        self._busy_at = self._flushed_at = time.monotonic()

    def run(self) -> None:
        """Serve until the other end of the channel is closed."""
        try:
            while True:
                self._receive()
                self._serve_reads()
                self._write_slice()
                self._maintain()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            log.info("vectors_channel_closed")

    def _receive(self) -> None:
        pending = self._reads or self._writes or self._writing
        for call in self._inbox.receive(0 if pending else FLUSH_SECONDS):
            (self._reads if call.operation in READS else self._writes).append(call)
            self._busy_at = time.monotonic()

    def _serve_reads(self) -> None:
        for _ in range(min(len(self._reads), READS_PER_WRITE_SLICE)):
            call = self._reads.popleft()
            started = time.monotonic()
            try:
                result = READS[call.operation](self._engine, call.collection, call.body)
            except Exception as error:  # noqa: BLE001 — one bad request must not end the server
                self._fail(call, started, error)
            else:
                self._succeed(call, started, result)

    def _write_slice(self) -> None:
        if self._writing is None:
            if not self._writes:
                return
            call = self._writes.popleft()
            self._writing = call, time.monotonic(), WRITES[call.operation](self._engine, call.collection, call.body)
        call, started, steps = self._writing
        try:
            next(steps)
        except StopIteration as end:
            self._writing = None
            self._succeed(call, started, end.value)
        except Exception as error:  # noqa: BLE001 — one bad request must not end the server
            self._writing = None
            self._fail(call, started, error)

    def _maintain(self) -> None:
        now = time.monotonic()
        if now - self._flushed_at >= FLUSH_SECONDS:
            for _, collection in self._engine.collections():
                collection.flush()
            self._flushed_at = time.monotonic()
        if now - self._busy_at >= VACUUM_AFTER_IDLE_SECONDS:
            for name, collection in self._engine.collections():
                if (seconds := collection.vacuum()) is not None:
                    log.info("collection_vacuumed", collection=name, seconds=round(seconds, 3))

    def _succeed(self, call: Call, started: float, result: Any) -> None:
        body = {"result": result, "status": "ok", "time": time.monotonic() - started}
        self._inbox.answer(Reply(call.number, HTTPStatus.OK, msgspec.json.encode(body)))

    def _fail(self, call: Call, started: float, error: Exception) -> None:
        status, text = HTTPStatus.INTERNAL_SERVER_ERROR, "Service internal error"
        if isinstance(error, RefusedError):
            status, text = error.status, str(error)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("operation_failed", operation=call.operation, collection=call.collection, exc_info=error)
        body = {"status": {"error": text}, "time": time.monotonic() - started}
        self._inbox.answer(Reply(call.number, status, msgspec.json.encode(body)))
