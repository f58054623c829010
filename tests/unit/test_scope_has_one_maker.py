"""A person's `Scope` is made in one place of the product, so that there is one place to get it wrong."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("actors", "backend", "db", "inference_gateway", "ops", "rag")
MAKER = "backend/academics/service.py: scope_for"
NARROWS = "rag/scope.py: narrow"
"""Leaves courses out of a scope that exists, never adds one."""
TYPES = {"Scope", "ScopedCourse"}
WAYS_AROUND = {
    "called": "from rag.scope import Scope\ndef f(t):\n    return Scope(tenant_id=t, courses=())",
    "by another name": "from rag.scope import Scope as S\ndef f(t):\n    return S(tenant_id=t, courses=())",
    "through the module": "import rag.scope\ndef f(t):\n    return rag.scope.Scope(tenant_id=t, courses=())",
    "through the package": "from rag import scope\ndef f(t):\n    return scope.Scope(tenant_id=t, courses=())",
    "kept for later": "from rag.scope import Scope\ndef f(t):\n    make = Scope\n    return make(tenant_id=t, courses=())",
    "decoded": "from rag.scope import Scope\ndef f(d):\n    return msgspec.json.decode(d, type=Scope)",
    "replaced": "def f(scope, more):\n    return msgspec.structs.replace(scope, courses=more)",
    "one course more": "from rag.scope import ScopedCourse\ndef f(c):\n    return ScopedCourse(course_id=c)",
    "inherited": "from rag.scope import Scope\nclass Wide(Scope):\n    pass",
}


def test_only_scope_for_makes_a_scope() -> None:
    files = [path for package in PRODUCT for path in (ROOT / package).rglob("*.py")]
    assert len(files) > 200
    found = {place for path in files for place in makers(path.relative_to(ROOT).as_posix(), path.read_text())}
    assert found == {MAKER, NARROWS}


@pytest.mark.parametrize("way", WAYS_AROUND)
def test_no_way_around_is_overlooked(way: str) -> None:
    found = makers("backend/search/service.py", WAYS_AROUND[way])
    assert found == {f"backend/search/service.py: {'Wide' if way == 'inherited' else 'f'}"}


def test_a_type_named_in_a_signature_makes_nothing() -> None:
    source = "from rag.scope import Scope\nasync def f(scope: Scope) -> dict[str, Scope]:\n    kept: Scope = scope"
    assert makers("backend/search/service.py", source) == set()


def makers(path: str, source: str) -> set[str]:
    """Functions that use the type for anything but an annotation, or replace a scope's courses."""
    tree = ast.parse(source)
    names = _local_names(tree)
    places = {id(node): name for name, parent in _named(tree) for node in ast.walk(parent)}
    annotations = {id(node) for annotation in _annotations(tree) for node in ast.walk(annotation)}
    return {
        f"{path}: {places.get(id(node), 'module')}"
        for node in ast.walk(tree)
        if id(node) not in annotations and (_names_the_type(node, names) or _replaces_courses(node))
    }


def _local_names(tree: ast.Module) -> set[str]:
    """What the types are called in this file; in their own file by their names."""
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rag")
        for alias in node.names
        if alias.name in TYPES
    }
    defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name in TYPES}
    return imported | defined


def _names_the_type(node: ast.AST, names: set[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in names
    return isinstance(node, ast.Attribute) and node.attr in TYPES


def _replaces_courses(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or "replace" not in ast.unparse(node.func):
        return False
    return any(keyword.arg == "courses" for keyword in node.keywords)


def _named(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Functions and classes, the inner ones last."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node


def _annotations(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            yield node.returns
