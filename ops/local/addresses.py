"""Addresses and secrets that the environment leaves open, filled in from the data folder and the local servers' ports."""

from collections.abc import Iterable, Mapping

import msgspec

from ops.local.data_folder import KEYS, DataFolder
from ops.local.errors import NotRunning
from ops.local.ports import LOOPBACK
from ops.local.postgres import APP_ROLE, OWNER_ROLE, PostgresServer
from ops.local.records import read_running
from ops.local.valkey import BROKER_DATABASE, CACHE_DATABASE, ValkeyServer
from ops.runtime.settings import Settings, variable_name

# The setting that names a server of one's own instead of the local one.
SERVERS = {"postgres": "database_url", "valkey": "redis_url", "vectors": "qdrant_url", "gateway": "gateway_url"}


def local_servers(settings: Settings) -> list[str]:
    """Return the servers that have no address and so run here."""
    return [name for name, field in SERVERS.items() if not getattr(settings, field)]


def postgres_server(folder: DataFolder) -> PostgresServer:
    """Return the local PostgreSQL with this installation's passwords."""
    names = ("postgres_superuser", "postgres_owner", "postgres_app")
    superuser, owner, app = (folder.secret(name) for name in names)
    return PostgresServer(folder.postgres, superuser_password=superuser, owner_password=owner, app_password=app)


def valkey_server(folder: DataFolder) -> ValkeyServer:
    """Return the local Valkey with this installation's password."""
    return ValkeyServer(folder.valkey, password=folder.secret("valkey"))


def complete(settings: Settings, folder: DataFolder, ports: Mapping[str, int]) -> Settings:
    """Return `settings` with everything filled in that the local servers on `ports` and the data folder can give.

    Secrets are made outside production only.
    """
    values: dict[str, str] = {}
    if settings.env != "production":
        values |= {name: folder.secret(name) for name in KEYS}
    values["object_store_url"] = folder.objects.as_uri()
    if port := ports.get("postgres"):
        postgres = postgres_server(folder)
        values |= {"database_url": postgres.url(port, APP_ROLE), "database_direct_url": postgres.url(port, OWNER_ROLE)}
    if port := ports.get("valkey"):
        valkey = valkey_server(folder)
        values |= {"redis_url": valkey.url(port, CACHE_DATABASE), "broker_url": valkey.url(port, BROKER_DATABASE)}
    if port := ports.get("vectors"):
        values |= {"qdrant_url": f"http://{LOOPBACK}:{port}", "qdrant_api_key": folder.secret("qdrant_api_key")}
    if port := ports.get("gateway"):
        values["gateway_url"] = f"http://{LOOPBACK}:{port}"
    return msgspec.structs.replace(settings, **{k: v for k, v in values.items() if not getattr(settings, k)})


def running_settings(settings: Settings, needs: Iterable[str] = SERVERS) -> Settings:
    """Return `settings` completed with the addresses of the `lyceum up` that runs on the data folder.

    Raises:
        NotRunning: the address of a server in `needs` is missing and nothing runs there to give it.
    """
    folder = DataFolder(settings.data_dir)
    missing = [name for name in local_servers(settings) if name in set(needs)]
    if not missing and (settings.env == "production" or all(getattr(settings, key) for key in KEYS)):
        return settings
    running = read_running(folder)
    ports = {name: running.port_of(name) for name in missing}
    if absent := [name for name in missing if not ports[name]]:
        variables = ", ".join(variable_name(SERVERS[name]) for name in absent)
        raise NotRunning(f"no `lyceum up` runs on {folder.root}: start it, or set {variables}")
    folder.prepare()
    return complete(settings, folder, ports)


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the variables that make another process load exactly `settings`."""
    values = msgspec.structs.asdict(settings)
    return {variable_name(field): str(value) for field, value in values.items() if value is not None and str(value)}
