"""The labelled sample in `tests/data/guardrails`."""

from pathlib import Path

import msgspec

FOLDER = Path(__file__).parents[2] / "data" / "guardrails"


class Row(msgspec.Struct, frozen=True):
    """One text and what it is."""

    id: str
    text: str
    label: str
    lang: str


def rows(name: str, folder: Path = FOLDER) -> list[Row]:
    """Return the rows of `attacks` or `benign`."""
    lines = (folder / f"{name}.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Row) for line in lines]
