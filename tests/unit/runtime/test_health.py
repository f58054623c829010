import asyncio

from ops.runtime.health import HealthRegistry, StillLoading


async def up() -> None:
    await asyncio.sleep(0)


async def down() -> None:
    raise ConnectionError("postgresql://user:password@host refused")


async def loading() -> None:
    raise StillLoading("the embedder loads")


async def stuck() -> None:
    await asyncio.sleep(60)


async def test_everything_up_is_ready() -> None:
    registry = HealthRegistry()
    registry.add("postgres", up)
    registry.add("redis", up)
    report = await registry.run()
    assert report.status == "ready"
    assert [(part.name, part.status, part.detail) for part in report.components] == [
        ("postgres", "up", ""),
        ("redis", "up", ""),
    ]


async def test_report_names_what_is_down_and_keeps_addresses_to_itself() -> None:
    registry = HealthRegistry()
    registry.add("postgres", down)
    registry.add("gateway", loading)
    report = await registry.run()
    assert not report.ready
    assert [part.status for part in report.components] == ["down", "loading"]
    assert report.components[0].detail == "ConnectionError"
    assert report.components[1].detail == "the embedder loads"


async def test_optional_component_only_degrades() -> None:
    registry = HealthRegistry()
    registry.add("postgres", up)
    registry.add("redis", down, required=False)
    report = await registry.run()
    assert report.status == "degraded"
    assert report.ready


async def test_silence_counts_as_down_and_checks_run_side_by_side() -> None:
    registry = HealthRegistry()
    for number in range(5):
        registry.add(f"part-{number}", stuck, timeout_seconds=0.2)
    started = asyncio.get_running_loop().time()
    report = await registry.run()
    assert asyncio.get_running_loop().time() - started < 0.8
    assert {part.detail for part in report.components} == {"no answer within 0.2 s"}
