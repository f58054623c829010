"""Version of the cutting: grows whenever the same text would give other passages."""

CHUNKER_VERSION = "1"
