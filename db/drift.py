"""Tells whether the tables say what the migrations made: `python -m db.drift` ends with 1 when they differ.

Piccolo compares its tables with the state its migrations describe and exits with 0 either way, so the comparison is read here.
"""

import asyncio
import os
import sys


def drifted_tables() -> list[str]:
    """Return the migration statements that would be needed, none when tables and migrations agree."""
    os.environ.setdefault("PICCOLO_CONF", "db.piccolo_conf")
    from piccolo.apps.migrations.commands.new import AutoMigrationManager  # noqa: PLC0415 - reads PICCOLO_CONF
    from piccolo.conf.apps import Finder  # noqa: PLC0415 - as above

    config = Finder().get_app_config("lyceum")

    async def statements() -> list[str]:
        alterations = await AutoMigrationManager().get_alter_statements(app_config=config)
        return [statement for alteration in alterations for statement in alteration.statements]

    return asyncio.run(statements())


def main() -> int:
    """Print what differs."""
    drift = drifted_tables()
    for statement in drift:
        sys.stderr.write(f"no migration says: {statement}\n")
    return 1 if drift else 0


if __name__ == "__main__":
    sys.exit(main())
