"""Figures, their goals and how they are shown: a table on the terminal and a list in a JSON file."""

import tomllib
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

GOALS = Path(__file__).parent / "goals.toml"


class Goal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The bar of one figure: the ratio to its peer, or the value itself, at least or at most."""

    ratio_at_least: float | None = None
    ratio_at_most: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    def __str__(self) -> str:
        bars = {"ratio ≥": self.ratio_at_least, "ratio ≤": self.ratio_at_most, "≥": self.at_least, "≤": self.at_most}
        return ", ".join(f"{word} {bar:g}" for word, bar in bars.items() if bar is not None)

    def is_met(self, value: float, ratio: float | None) -> bool:
        """Tell whether a figure reaches the bar."""
        reached = [
            (self.ratio_at_least, ratio, 1),
            (self.ratio_at_most, ratio, -1),
            (self.at_least, value, 1),
            (self.at_most, value, -1),
        ]
        return all(seen is not None and sign * seen >= sign * bar for bar, seen, sign in reached if bar is not None)


class Figure(msgspec.Struct, kw_only=True):
    """One measured figure; `spread` is (min, max) over its runs. `ratio` is value / peer_value: where product and peer took
    turns, the median over the turns, which a machine that changes its speed disturbs less.
    """

    name: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    goal: str | None = None
    met: bool | None = None
    n: int = 1
    spread: tuple[float, float] | None = None
    note: str = ""


def read_goals(path: Path = GOALS) -> dict[str, Goal]:
    """Read the bars by figure name."""
    return msgspec.convert(tomllib.loads(path.read_text()), dict[str, Goal])


def judge(figures: list[Figure], goals: dict[str, Goal]) -> None:
    """Fill in ratio, goal and met."""
    for figure in figures:
        if figure.peer_value and figure.ratio is None:
            figure.ratio = figure.value / figure.peer_value
        if goal := goals.get(figure.name):
            figure.goal = str(goal)
            figure.met = goal.is_met(figure.value, figure.ratio)


def show(figures: list[Figure], console: Console) -> None:
    """Print the table."""
    table = Table("figure", "value", "unit", "peer", "peer value", "ratio", "goal", "met", "n", "note")
    for f in figures:
        met = "" if f.met is None else ("[green]yes[/]" if f.met else "[red]no[/]")
        table.add_row(
            f.name,
            _number(f.value),
            f.unit,
            f.peer or "",
            _number(f.peer_value),
            _number(f.ratio),
            f.goal or "",
            met,
            str(f.n),
            f.note,
        )
    console.print(table)


def write(figures: list[Figure], path: Path) -> None:
    """Write the list, replacing the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
