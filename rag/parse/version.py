"""Version of the extraction: grows whenever the same file would give another text."""

PARSER_VERSION = "1"
