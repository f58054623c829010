"""Settings: environment variables (each also as ``NAME_FILE``), parsed once into one typed struct.

A default that is made on the machine (data folder, development secrets, addresses of the local servers) is filled in by
`ops.local`, which passes the result to its children as environment variables. No process reads the environment elsewhere.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

Environment = Literal["development", "staging", "production"]
Source = Literal["default", "environment", "file"]
PerMinute = Annotated[int, msgspec.Meta(ge=1)]

SECRETS = frozenset(
    {
        "LYCEUM_SIGNING_KEY",
        "LYCEUM_MASTER_KEY",
        "LYCEUM_SERVICE_KEY",
        "LYCEUM_DEMO_PASSWORD",
        "DATABASE_URL",
        "DATABASE_DIRECT_URL",
        "READ_DATABASE_URL",
        "REDIS_URL",
        "BROKER_URL",
        "QDRANT_API_KEY",
        "OBJECT_STORE_URL",
        "GENERATION_API_KEY",
        "EMBEDDING_API_KEY",
        "RERANKING_API_KEY",
        "SMTP_URL",
    }
)


class SettingsError(Exception):
    """The environment cannot be used as it is; the message names the variable and what it takes."""


def default_data_dir() -> Path:
    """Return `/var/lib/lyceum` for root, else the XDG data folder of the user."""
    if os.geteuid() == 0:
        return Path("/var/lib/lyceum")
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "lyceum"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of one process. Field names are the variables' names in lower case, without ``LYCEUM_``."""

    env: Environment = "development"
    data_dir: Path = msgspec.field(default_factory=default_data_dir)
    port: int = 8000
    public_url: str = ""
    trusted_proxies: str = ""
    registration_domains: str = ""
    metrics_address: str = ""
    demo_password: str = ""
    signing_key: str = ""
    master_key: str = ""
    service_key: str = ""
    model: str = ""
    model_sha256: str = ""
    model_precision: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    routes: Path | None = None
    adapter_bytes: Annotated[int, msgspec.Meta(ge=1)] = 512 * 1024 * 1024
    embedder: str = ""
    embedder_sha256: str = ""
    reranker: str = ""
    reranker_sha256: str = ""
    log_level: str = "info"
    max_upload_bytes: int = 64 * 1024 * 1024
    rate_reads: PerMinute = 600
    rate_writes: PerMinute = 120
    rate_questions: PerMinute = 60
    rate_sign_ins: PerMinute = 60
    rate_links: PerMinute = 60
    rate_refreshes: PerMinute = 3000
    rate_messages: PerMinute = 600
    webhooks_to_loopback: bool = False
    database_url: str = ""
    database_direct_url: str = ""
    read_database_url: str = ""
    redis_url: str = ""
    broker_url: str = ""
    qdrant_url: str = ""
    qdrant_api_key: str = ""
    object_store_url: str = ""
    gateway_url: str = ""
    generation_url: str = ""
    generation_api: Literal["openai", "tgi"] = "openai"
    generation_api_key: str = ""
    generation_model: str = ""
    embedding_url: str = ""
    embedding_api_key: str = ""
    reranking_url: str = ""
    reranking_api_key: str = ""
    google_client_id: str = ""
    smtp_url: str = ""
    otel_exporter_otlp_endpoint: str = ""

    @property
    def base_url(self) -> str:
        """Address people use, without a slash at the end."""
        return (self.public_url or f"http://127.0.0.1:{self.port}").rstrip("/")

    @property
    def domains_of_registration(self) -> frozenset[str]:
        """The mail domains, in lower case, whose people may ask for an account; a domain does not stand for those below it."""
        return frozenset(domain.strip().casefold() for domain in self.registration_domains.split(",") if domain.strip())

    @property
    def direct_database_url(self) -> str:
        """Address of a session connection: migrations and advisory locks need one (PgBouncer has none to give)."""
        return self.database_direct_url or self.database_url


_OWN = ("env", "data_dir", "port", "public_url", "trusted_proxies", "registration_domains", "metrics_address",
        "demo_password", "signing_key", "master_key", "service_key", "model", "model_sha256", "model_precision", "routes",
        "adapter_bytes", "embedder", "embedder_sha256", "reranker", "reranker_sha256", "log_level", "max_upload_bytes",
        "rate_reads", "rate_writes", "rate_questions", "rate_sign_ins", "rate_links", "rate_refreshes", "rate_messages",
        "webhooks_to_loopback")  # fmt: skip

_DOMAIN = re.compile(r"[^@\s*.]+(\.[^@\s*.]+)+")

_MODELS = ("model", "embedder", "reranker")


def absolute_model(model: str) -> str:
    """Return the id of a hub model as it is, and a folder's name made absolute: other processes start elsewhere."""
    folder = Path(model).expanduser()
    return str(folder.resolve()) if folder.is_dir() else model


def variable_name(field: str) -> str:
    """Return the environment variable that sets `field`."""
    return f"LYCEUM_{field.upper()}" if field in _OWN else field.upper()


def variable_names() -> list[str]:
    """Return every variable that is read, in the order of the struct."""
    return [variable_name(field) for field in Settings.__struct_fields__]


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Parse the environment.

    Raises:
        SettingsError: a value does not fit its type, a file named by ``NAME_FILE`` cannot be read, or production lacks a secret.
    """
    return load_settings_with_sources(environ)[0]


def load_settings_with_sources(environ: Mapping[str, str] = os.environ) -> tuple[Settings, dict[str, Source]]:
    """Parse the environment and tell for each variable where its value came from."""
    values: dict[str, str] = {}
    sources: dict[str, Source] = {}
    for field in Settings.__struct_fields__:
        name = variable_name(field)
        raw, sources[name] = _read(name, environ)
        if raw is not None:
            values[field] = raw
    values |= {field: absolute_model(values[field]) for field in _MODELS if field in values}
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise SettingsError(_explain(error)) from error
    _check(settings)
    return settings, sources


def read_secret(name: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return a secret that a file of ours refers to by the name of its variable, or of the file in ``NAME_FILE``.

    Raises:
        SettingsError: there is none.
    """
    value, _source = _read(name, environ)
    if not value:
        raise SettingsError(f"{name} is referred to and not set")
    return value


def _read(name: str, environ: Mapping[str, str]) -> tuple[str | None, Source]:
    if path := environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text().strip(), "file"
        except OSError as error:
            raise SettingsError(f"{name}_FILE names a file that cannot be read: {error.strerror}") from error
    if value := environ.get(name):
        return value, "environment"
    return None, "default"


def _decode(kind: type, value: object) -> object:
    if kind is Path:
        return Path(str(value)).expanduser().resolve()
    raise NotImplementedError(kind)


def _explain(error: msgspec.ValidationError) -> str:
    message, _, path = str(error).partition(" - at `$.")
    return f"{variable_name(path.rstrip('`'))}: {message}" if path else message


def _check(settings: Settings) -> None:
    if not 1 <= settings.port <= 65535:
        raise SettingsError(f"LYCEUM_PORT must lie between 1 and 65535, not {settings.port}")
    if wrong := [domain for domain in settings.domains_of_registration if not _DOMAIN.fullmatch(domain)]:
        raise SettingsError(f"LYCEUM_REGISTRATION_DOMAINS takes mail domains between commas, not {wrong[0]}")
    if settings.webhooks_to_loopback and settings.env != "development":
        raise SettingsError("LYCEUM_WEBHOOKS_TO_LOOPBACK is for development: elsewhere webhooks go to public addresses")
    if settings.env != "production":
        return
    if settings.demo_password:
        raise SettingsError("LYCEUM_DEMO_PASSWORD has no place in production: demo people are refused there")
    missing = [variable_name(f) for f in ("signing_key", "master_key", "service_key") if not getattr(settings, f)]
    if missing:
        raise SettingsError(f"production needs {', '.join(missing)} (32 random bytes each, base64)")
