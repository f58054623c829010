"""Which programs `lyceum up` runs, and with which addresses."""

from pathlib import Path

import pytest
from msgspec import structs

from ops.local import demo
from ops.local.command import lyceum_environment
from ops.local.data_folder import DataFolder
from ops.local.plan import Plan
from ops.local.ports import free_port
from ops.runtime.settings import Settings, load_settings

OWN = ["api", "worker", "clock"]


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    folder.prepare()
    return folder


def names(plan: Plan) -> list[str]:
    return [program.name for program in plan.programs()]


def test_without_addresses_everything_runs_here(folder: DataFolder) -> None:
    plan = Plan(Settings(data_dir=folder.root, port=free_port()), folder)
    assert names(plan) == ["postgres", "valkey", "vectors", "gateway", *OWN]
    ports = [plan.settings.port, *plan.ports.values()]
    assert len(set(ports)) == len(ports)


def test_where_an_address_is_set_that_server_is_used(folder: DataFolder) -> None:
    elsewhere = {
        "database_url": "postgresql://db.example/lyceum",
        "redis_url": "redis://redis.example/0",
        "qdrant_url": "http://qdrant.example:6333",
        "gateway_url": "http://gateway.example:8004",
    }
    plan = Plan(structs.replace(Settings(data_dir=folder.root, port=free_port()), **elsewhere), folder)
    assert names(plan) == OWN
    assert set(plan.ports) == {"worker", "clock"}  # for their metrics
    for field, value in elsewhere.items():
        assert getattr(plan.settings, field) == value


def test_a_child_loads_exactly_the_settings_of_the_plan(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LYCEUM_MODEL_FILE", "/nonexistent")
    plan = Plan(Settings(data_dir=folder.root, port=free_port()), folder)
    environment = lyceum_environment(plan.settings)
    assert "LYCEUM_MODEL_FILE" not in environment
    assert load_settings(environment) == plan.settings


def test_servers_get_none_of_the_secrets(folder: DataFolder) -> None:
    plan = Plan(Settings(data_dir=folder.root, port=free_port()), folder)
    for program in plan.programs():
        if program.name in {"postgres", "valkey"}:
            assert set(program.environment) == {"PATH"}


def test_the_demo_is_due_once_in_development_and_again_with_a_new_password(folder: DataFolder) -> None:
    settings = Settings(data_dir=folder.root)
    assert demo.is_due(settings, folder)
    demo.record_loaded(settings, folder)
    assert not demo.is_due(settings, folder)
    changed = Settings(data_dir=folder.root, demo_password="Another-one-4-all")
    assert demo.is_due(changed, folder)
    demo.record_loaded(changed, folder)
    assert not demo.is_due(changed, folder)
    assert demo.demo_password(settings, folder) == "Another-one-4-all"


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_there_is_no_demo_elsewhere(folder: DataFolder, environment: str) -> None:
    settings = load_settings(
        {"LYCEUM_ENV": environment, "LYCEUM_SIGNING_KEY": "k", "LYCEUM_MASTER_KEY": "k", "LYCEUM_SERVICE_KEY": "k"}
    )
    assert not demo.is_due(settings, folder)
    assert Plan(settings, folder).demo_people() == []
