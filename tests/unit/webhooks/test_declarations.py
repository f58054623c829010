"""Events are declared once, in their domain's ``events.py``, carry ids and no text, and nothing else is emitted."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec.inspect import IntType, StrType, StructType, UnionType, UUIDType, type_info

import backend
from db.events import EventKind, event_kinds

ROOT = Path(__file__).parents[3]
DOMAINS = [domain.name for domain in pkgutil.iter_modules(backend.__path__, "backend.") if domain.ispkg]
DOMAINS.remove("backend.web")
WORDS = {"code", "error", "failure", "kind", "message_id"}
"""Fields of text: words of the program, codes and ids that others have made."""
FOREIGN = {"inbound.*"}
"""What another system has sent goes on as it came."""
EMITTERS = {"emit", "emit_each"}


def declared() -> dict[str, "EventKind[msgspec.Struct]"]:
    """Every event kind by the name of its constant, with its module."""
    names = [f"{domain}.events" for domain in DOMAINS if importlib.util.find_spec(f"{domain}.events") is not None]
    modules = [importlib.import_module(name) for name in names]
    return {
        f"{module.__name__}.{name}": value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, EventKind)
    }


def calls() -> Iterator[tuple[Path, ast.Call]]:
    for part in ("actors", "backend", "db", "ops"):
        for path in (ROOT / part).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    yield path, node


def called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def test_kinds_are_declared_in_the_domains_and_nowhere_else() -> None:
    places = {path.relative_to(ROOT) for path, call in calls() if called(call) == "EventKind"}
    assert {str(place) for place in places} == {
        name.rpartition(".")[0].replace(".", "/") + ".py" for name in declared()
    }
    kinds = {kind.name for kind in event_kinds()}
    assert kinds >= {kind.name for kind in declared().values()}
    assert {"document.ready", "course.created", "enrolment.ended", "user.disabled", "job.dead"} <= kinds


def test_only_declared_kinds_are_emitted_and_each_of_them_is() -> None:
    constants = {name.rpartition(".")[2] for name in declared()}
    emitted = set()
    for path, call in calls():
        if called(call) in EMITTERS and path.name != "unit_of_work.py":
            kind = call.args[0]
            name = kind.attr if isinstance(kind, ast.Attribute) else getattr(kind, "id", "")
            assert name in constants, f"{path}: {ast.unparse(call)[:80]}"
            emitted.add(name)
    assert emitted == constants


@pytest.mark.parametrize("kind", declared().values(), ids=lambda kind: kind.name)
def test_payloads_hold_ids_counts_and_words(kind: "EventKind[msgspec.Struct]") -> None:
    info = type_info(kind.payload)
    assert isinstance(info, StructType)
    assert kind.payload.__struct_config__.frozen
    for field in info.fields:
        types = field.type.types if isinstance(field.type, UnionType) else (field.type,)
        for one in types:
            is_word = isinstance(one, StrType) and field.name in WORDS
            is_plain = isinstance(one, UUIDType | IntType) or type(one).__name__ == "NoneType"
            assert is_word or is_plain or kind.name in FOREIGN, f"{kind.name}.{field.name}"


def test_names_are_past_participles() -> None:
    assert all(re.fullmatch(r"[a-z_]+\.([a-z_]+|\*)", kind.name) for kind in declared().values())
