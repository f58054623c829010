"""The routing file (`LYCEUM_ROUTES`, TOML): upstreams, the names that lead to them, whose text may leave the house.

`ops/routes.example.toml` shows every key and says what it means.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from inference_gateway.records.prices import Price
from inference_gateway.routing.aliases import with_version
from ops.runtime.settings import SettingsError

VARIABLE = "LYCEUM_ROUTES"

UpstreamName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
AliasName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_./-]{0,126}(@[a-z0-9][a-z0-9_.-]{0,31})?$")]
VariableName = Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Z0-9_]{0,127}$")]
AdapterName = Annotated[str, msgspec.Meta(pattern=r"^[^@\s]+@[0-9a-f]{64}$")]
Count = Annotated[int, msgspec.Meta(ge=0)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=600)]
Stage = UpstreamName | Annotated[list[UpstreamName], msgspec.Meta(min_length=1)]
Chain = Annotated[list[Stage], msgspec.Meta(min_length=1)]


class UpstreamEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One upstream. `external`: text that goes there leaves the installation. Counts of 0 mean no limit known here."""

    api: Literal["openai", "tgi", "embedded"] = "openai"
    address: str = ""
    model: str = ""
    key: VariableName | None = None
    external: bool = False
    adapters: tuple[AdapterName, ...] = ()
    context_tokens: Count = 0
    max_in_flight: Count = 0
    weights_sha256: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?$")] = ""
    precision: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    first_seconds: Seconds | None = None
    between_seconds: Seconds | None = None
    price: Price | None = None


class RoutingFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. `default` is the alias meant by an empty model name; the first one if it is not given."""

    upstreams: Annotated[dict[UpstreamName, UpstreamEntry], msgspec.Meta(min_length=1)]
    aliases: Annotated[dict[AliasName, Chain], msgspec.Meta(min_length=1)]
    default: str = ""
    permits: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 64
    external_tenants: frozenset[UUID] | None = None


def read_routes(path: Path) -> RoutingFile:
    """Read and check the file.

    Raises:
        SettingsError: it cannot be read, does not fit, or names an upstream or a default that it does not have.
    """
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text())
        routes = msgspec.convert(content, RoutingFile)
    except OSError as error:
        raise SettingsError(f"{VARIABLE} names a file that cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise SettingsError(f"{VARIABLE} names a file that is not TOML") from None
    except msgspec.ValidationError as error:
        raise SettingsError(f"{VARIABLE}: {error}") from None
    _check(routes)
    return routes


def stage_names(stage: str | list[str]) -> tuple[str, ...]:
    """Return the names of equal replicas."""
    return (stage,) if isinstance(stage, str) else tuple(stage)


def _check(routes: RoutingFile) -> None:
    for alias, chain in routes.aliases.items():
        names = [name for stage in chain for name in stage_names(stage)]
        if missing := [name for name in names if name not in routes.upstreams]:
            raise SettingsError(f"{VARIABLE}: the alias {alias} names {missing[0]}, which is no upstream there")
        if len(set(names)) != len(names):
            raise SettingsError(f"{VARIABLE}: the alias {alias} names an upstream twice")
    versions = [with_version(name) for name in routes.aliases]
    if len(set(versions)) != len(versions):
        raise SettingsError(f"{VARIABLE}: a name without a version means @stable, which is there already")
    if routes.default and with_version(routes.default) not in versions:
        raise SettingsError(f"{VARIABLE}: the default {routes.default} is no alias there")
    for name, entry in routes.upstreams.items():
        _check_entry(name, entry)


def _check_entry(name: str, entry: UpstreamEntry) -> None:
    if entry.price is not None and min(entry.price.prompt, entry.price.completion) < 0:
        raise SettingsError(f"{VARIABLE}: the price of {name} is negative")
    embedded = entry.api == "embedded"
    if embedded and (entry.address or entry.key or entry.external):
        raise SettingsError(f"{VARIABLE}: {name} is embedded and takes neither address, key nor external")
    if embedded and not entry.model:
        raise SettingsError(f"{VARIABLE}: {name} needs a model, a folder or a hub id")
    if not embedded and not entry.address:
        raise SettingsError(f"{VARIABLE}: {name} needs an address")
