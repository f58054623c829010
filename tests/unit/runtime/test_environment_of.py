"""What is handed to a child process is what it loads."""

from pathlib import Path

import pytest

from ops.local.addresses import environment_of
from ops.runtime.settings import Settings, load_settings


@pytest.mark.parametrize(
    "settings",
    [Settings(data_dir=Path("/data")), Settings(data_dir=Path("/data"), routes=Path("/routes.toml"), model="small")],
)
def test_a_child_loads_exactly_these_settings(settings: Settings) -> None:
    assert load_settings(environment_of(settings)) == settings
