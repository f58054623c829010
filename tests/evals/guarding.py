"""How much the guards catch, and how often they are wrong, on labelled texts."""

from pathlib import Path

from rag.guard import is_order, screen
from tests.bench.report import Figure
from tests.unit.guard.sample import FOLDER, Row, rows


def measure(folder: Path | None = None) -> list[Figure]:
    """Return the share that is caught of each kind of attack, and the share of harmless questions refused."""
    where = FOLDER if folder is None else folder / "guardrails"
    attacks, benign = rows("attacks", where), rows("benign", where)
    figures = [
        _figure(f"guard/blocked/{label}", [row for row in attacks if row.label == label], "plain patterns, no model")
        for label in ("jailbreak", "injection")
    ]
    payloads = [row for row in attacks if row.label == "indirect_payload"]
    caught = sum(is_order(row.text) for row in payloads) / len(payloads)
    note = "sentences taken for orders; the rest is left to the checker of answers"
    figures.append(Figure(name="guard/orders", value=caught, unit="share", n=len(payloads), note=note))
    return [*figures, _figure("guard/overblocked", benign, "harmless questions refused")]


def _figure(name: str, texts: list[Row], note: str) -> Figure:
    refused = sum(screen(row.text) is not None for row in texts)
    return Figure(name=name, value=refused / len(texts), unit="share", n=len(texts), note=note)
