"""What Piccolo's command line reads (`PICCOLO_CONF=db.piccolo_conf`)."""

from piccolo.conf.apps import AppRegistry

from db.engine import ENGINE

DB = ENGINE
APP_REGISTRY = AppRegistry(apps=["db.piccolo_app"])
