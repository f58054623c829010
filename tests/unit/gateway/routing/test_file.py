"""The routing file: what it makes, and what it refuses in a sentence that names the place."""

import tomllib
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from inference_gateway.errors import ModelUnknown
from inference_gateway.ports import AuthorisedAdapter
from inference_gateway.routing.build import router_from
from inference_gateway.routing.file import RoutingFile, UpstreamEntry, read_routes
from inference_gateway.upstreams.direct import DirectUpstream
from inference_gateway.upstreams.tgi import TgiUpstream
from ops.runtime.settings import Settings, SettingsError, load_settings

EXAMPLE = Path(__file__).parents[4] / "ops/routes.example.toml"
GOOD = """
default = "tutor"
external_tenants = ["00000000-0000-0000-0000-000000000001"]

[upstreams.gpu-1]
address = "http://10.0.0.5:8000/v1"
model = "qwen"
key = "GPU_KEY"
first_seconds = 20

[upstreams.gpu-2]
address = "http://10.0.0.6:8000"
model = "qwen"

[upstreams.tgi]
api = "tgi"
address = "http://10.0.0.7"
adapters = ["cohort@%s"]

[upstreams.cloud]
address = "https://api.example.com/v1"
external = true

[aliases]
"tutor@canary" = ["tgi"]
tutor = [["gpu-1", "gpu-2"], "tgi", "cloud"]
""" % ("a" * 64)


def write(folder: Path, text: str) -> Settings:
    path = folder / "routes.toml"
    path.write_text(text)
    return Settings(routes=path)


def test_a_file_becomes_upstreams_and_names(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("s3cret\n")
    router = router_from(write(tmp_path, GOOD), environ={"GPU_KEY_FILE": str(secret)})

    assert list(router.members) == ["gpu-1", "gpu-2", "tgi", "cloud"]
    assert router.aliases.names == ["tutor", "tutor@canary"]
    for name in ("", "tutor", "tutor@stable"):
        assert [[one.name for one in stage] for stage in router.aliases.find(name).stages] == [
            ["gpu-1", "gpu-2"],
            ["tgi"],
            ["cloud"],
        ]
    with pytest.raises(ModelUnknown):
        router.aliases.find("tutor@beta")
    gpu, tgi = router.members["gpu-1"], router.members["tgi"]
    assert isinstance(gpu.upstream, DirectUpstream)
    assert isinstance(tgi.upstream, TgiUpstream)
    assert gpu.deadlines.first_seconds == 20
    listed = AuthorisedAdapter(id="cohort@" + "a" * 64, sha256="a" * 64, owner_id=uuid4(), base_revision="")
    assert tgi.serves(listed)
    assert not tgi.serves(msgspec.structs.replace(listed, id="cohort@" + "b" * 64))
    assert not tgi.serves(msgspec.structs.replace(listed, is_quarantined=True))
    assert gpu.model_hash == router.members["gpu-2"].model_hash != tgi.model_hash


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[aliases]", "[aliases", "not TOML"),
        ('model = "qwen"\nkey', 'modell = "qwen"\nkey', "modell"),
        ('key = "GPU_KEY"', 'key = "sk-live-s3cret"', "upstreams"),
        ('key = "GPU_KEY"', 'key = "OTHER_KEY"', "OTHER_KEY is referred to and not set"),
        ('"tgi", "cloud"]', '"tgi", "clout"]', "clout, which is no upstream"),
        ('"tgi", "cloud"]', '"gpu-2", "cloud"]', "names an upstream twice"),
        ('"tutor@canary"', '"tutor@stable"', "@stable"),
        ('default = "tutor"', 'default = "tudor"', "tudor is no alias"),
        ("http://10.0.0.7", "http://169.254.169.254", "the address of tgi takes no link-local"),
        ("http://10.0.0.7", "http://me:s3cret@10.0.0.7", "the address of tgi takes http"),
        ('api = "tgi"', 'api = "embedded"', "tgi is embedded and takes neither"),
        ('api = "tgi"\naddress = "http://10.0.0.7"', 'api = "tgi"', "tgi needs an address"),
        ("first_seconds = 20", "first_seconds = 0", "first_seconds"),
        ('["tgi"]', "[]", "aliases"),
        ("00000000-0000-0000-0000-000000000001", "school", "external_tenants"),
    ],
)
def test_what_does_not_fit_is_named_and_no_secret_repeated(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in GOOD

    with pytest.raises(SettingsError, match=r"LYCEUM_ROUTES|OTHER_KEY") as refused:
        router_from(write(tmp_path, GOOD.replace(old, new)), environ={"GPU_KEY": "k"})

    assert told in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        router_from(Settings(routes=tmp_path / "nothing.toml"))


def test_the_setting_and_the_simple_way(tmp_path: Path) -> None:
    assert load_settings({"LYCEUM_ROUTES": str(tmp_path / "r.toml")}).routes == tmp_path / "r.toml"
    router = router_from(Settings(generation_url="http://h:1", generation_model="tutor"))

    assert list(router.members) == ["generation"]
    assert router.aliases.find("tutor@stable").name == "tutor"
    with pytest.raises(SettingsError, match="GENERATION_URL takes no link-local"):
        router_from(Settings(generation_url="http://169.254.169.254/"))


def test_the_example_can_be_read_and_shows_every_key() -> None:
    read_routes(EXAMPLE)
    content = tomllib.loads(EXAMPLE.read_text())
    assert set(content) == {field.name for field in msgspec.structs.fields(RoutingFile)}
    shown = {key for entry in content["upstreams"].values() for key in entry}
    assert shown == {field.name for field in msgspec.structs.fields(UpstreamEntry)}
