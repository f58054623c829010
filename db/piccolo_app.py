"""The one Piccolo app: all tables and their migrations."""

from pathlib import Path

from piccolo.conf.apps import AppConfig, table_finder

APP_CONFIG = AppConfig(
    app_name="lyceum",
    migrations_folder_path=str(Path(__file__).parent / "migrations"),
    table_classes=table_finder(
        modules=[
            f"db.tables.{name}"
            for name in (
                "identity",
                "academics",
                "documents",
                "chat",
                "jobs",
                "queue_samples",
                "events",
                "webhooks",
                "adapters",
                "inference",
                "audit",
            )
        ]
    ),
)
