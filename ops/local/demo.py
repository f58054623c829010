"""The demo people of a development installation and when their data is loaded."""

import msgspec

from ops.local.data_folder import DataFolder
from ops.runtime.settings import Settings

DEMO_EMAILS = ("admin@lyceum.example", "lecturer@lyceum.example", "student@lyceum.example")
SECRET = "demo_password"  # noqa: S105 - the name of the file


def demo_password(settings: Settings, folder: DataFolder) -> str:
    """Return the demo people's password: the setting's, else one made once for this folder."""
    return settings.demo_password or folder.secret(SECRET)


def is_due(settings: Settings, folder: DataFolder) -> bool:
    """Tell whether the demo is to be loaded: at the first start in development, and when its password was changed."""
    if settings.env != "development":
        return False
    return not folder.versions().demo_loaded or demo_password(settings, folder) != folder.secret(SECRET)


def record_loaded(settings: Settings, folder: DataFolder) -> None:
    """Write down that the demo is loaded and with which password."""
    folder.write_secret(SECRET, demo_password(settings, folder))
    folder.write_versions(msgspec.structs.replace(folder.versions(), demo_loaded=True))
