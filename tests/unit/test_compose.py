"""`compose/infra.yml` parses, and the variables it tells people to set are ones that Lyceum reads."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.runtime.settings import load_settings, variable_names

FILE = Path(__file__).parents[2] / "compose" / "infra.yml"
TEXT = FILE.read_text()


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(yaml.safe_load(TEXT)["services"])


def variables_for_lyceum() -> dict[str, str]:
    return dict(re.findall(r"^#   ([A-Z_]+)=(\S+)$", TEXT, flags=re.MULTILINE))


def test_every_variable_it_names_for_lyceum_is_a_setting() -> None:
    named = variables_for_lyceum()
    assert {"DATABASE_URL", "DATABASE_DIRECT_URL", "REDIS_URL", "BROKER_URL", "QDRANT_URL", "GENERATION_URL"} <= set(
        named
    )
    assert not set(named) - set(variable_names())
    assert load_settings(named).generation_api == "tgi"


def test_addresses_match_the_published_ports(services: dict[str, Any]) -> None:
    named = variables_for_lyceum()
    for service, variable in {
        "postgres": "DATABASE_URL",
        "valkey": "REDIS_URL",
        "qdrant": "QDRANT_URL",
        "tgi": "GENERATION_URL",
    }.items():
        (published,) = services[service]["ports"]
        assert published.startswith("127.0.0.1:")
        assert f":{published.split(':')[1]}" in named[variable]


def test_qdrant_has_four_shards_and_tgi_is_optional(services: dict[str, Any]) -> None:
    assert services["qdrant"]["environment"]["QDRANT__STORAGE__COLLECTION__SHARD_NUMBER"] == "4"
    assert services["tgi"]["profiles"] == ["generation"]
    assert all("profiles" not in services[name] for name in ("postgres", "valkey", "qdrant"))


def test_no_password_has_a_default(services: dict[str, Any]) -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)(:[?-])", TEXT))
    secrets = {(name, mark) for name, mark in used if name.endswith(("PASSWORD", "KEY"))}
    assert secrets
    assert all(mark == ":?" for _, mark in secrets)
