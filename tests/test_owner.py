"""Root's commands import all that they may need before they give root up: later the interpreter may be unreadable."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

from nwauth import owner
from nwauth.commands import session

PACKAGE = Path(owner.__file__).parent


def imported_on_use(path: Path) -> set[str]:
    """The foreign modules that the functions of a source file import."""
    found: set[str] = set()
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    found |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module)
    return {name for name in found if name.split(".")[0] not in ("nwauth", "importlib", "pkgutil")}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_a_module_imports_on_use_is_imported_before_root_is_given_up(path: Path) -> None:
    assert imported_on_use(path) <= {*owner.ON_USE, *owner.DATABASES_ON_USE, *session.ON_USE, "argon2", "passlib"}


def test_every_module_of_the_list_can_be_imported() -> None:
    for name in owner.ON_USE:
        import_module(name)
