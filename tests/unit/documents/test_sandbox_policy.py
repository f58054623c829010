"""Production reads no document without the walls that hold a parser; elsewhere their lack is told once."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from actors import main
from backend.documents import reading, sandbox
from backend.errors import DependencyUnavailable
from ops.runtime.objects import ObjectStore, original_key
from ops.runtime.settings import Environment, Settings
from rag.parse import Wall, WallsMissing


def _stand(monkeypatch: pytest.MonkeyPatch, *walls: Wall) -> None:
    async def standing_walls() -> tuple[Wall, ...]:
        return walls

    monkeypatch.setattr(sandbox, "standing_walls", standing_walls)


@pytest.mark.parametrize(
    ("environment", "level", "may_read"),
    [("production", "error", False), ("staging", "warning", True), ("development", "warning", True)],
)
async def test_a_missing_wall(
    monkeypatch: pytest.MonkeyPatch, environment: Environment, level: str, may_read: bool
) -> None:
    _stand(monkeypatch, "limits", "user", "syscalls")
    with capture_logs() as logs:
        assert await sandbox.has_required_walls(environment) is may_read
    assert [(entry["event"], entry["log_level"], entry["missing"]) for entry in logs] == [
        ("sandbox_walls_missing", level, ["files"])
    ]


async def test_with_walls_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    _stand(monkeypatch, "limits", "files", "syscalls")
    with capture_logs() as logs:
        assert await sandbox.has_required_walls("production")
    assert logs == []


def test_only_production_requires_walls() -> None:
    assert sandbox.required_walls("production") == ("files", "syscalls")
    assert sandbox.required_walls("development") == ()


def test_a_worker_of_production_does_not_start_without_walls(monkeypatch: pytest.MonkeyPatch) -> None:
    _stand(monkeypatch, "limits")

    async def open_database(*_: Any, **__: Any) -> None:
        raise AssertionError("it went on")

    monkeypatch.setattr(main, "open_database", open_database)
    settings = Settings(env="production")
    with pytest.raises(SystemExit) as ended:
        asyncio.run(main._work(settings, ["ingest"], 1))
    assert ended.value.code == 1
    with pytest.raises(AssertionError, match="it went on"):
        asyncio.run(main._work(settings, ["mail"], 1))


async def test_a_page_is_not_drawn_without_walls(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Wall, ...]] = []

    async def render_page(*_: Any, required: tuple[Wall, ...], **__: Any) -> None:
        asked.append(required)
        raise WallsMissing(("files",))

    monkeypatch.setattr(reading, "render_page", render_page)
    objects = ObjectStore.from_url("memory://")
    tenant = uuid4()
    sha256 = bytes(32)
    await objects.put(original_key(tenant, sha256.hex()), b"%PDF")
    row = SimpleNamespace(sha256=sha256, media_type=reading.PDF)
    picture = reading.PagePicture(row=cast(Any, row), page=1, width_px=480)
    subject = cast(Any, SimpleNamespace(tenant_id=tenant))
    with pytest.raises(DependencyUnavailable):
        await reading.page_image(subject, objects, picture, ("files", "syscalls"))
    assert asked == [("files", "syscalls")]
