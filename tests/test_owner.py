"""Root's commands import all that they may need before they give root up: later the interpreter may be unreadable."""

from __future__ import annotations

import ast
import os
import pwd
from importlib import import_module
from pathlib import Path

import pytest

from nwauth import owner
from nwauth.commands import ids

PACKAGE = Path(owner.__file__).parent
NOBODY = pwd.getpwnam("nobody")


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
    known = {*owner.ON_USE, *owner.DATABASES_ON_USE, *ids.ON_USE, *ids.ON_A_TERMINAL}
    assert imported_on_use(path) <= {*known, "argon2", "passlib"}


def test_every_module_of_the_list_can_be_imported() -> None:
    for name in owner.ON_USE:
        import_module(name)


def test_a_program_of_the_folders_owner_gets_nothing_of_roots_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPASSWORD": "sesame", "LC_ALL": "C", "NWAUTH_PATH": "/x", "HOME": "/root"}.items():
        monkeypatch.setenv(name, value)
    assert owner.environment() == dict(os.environ)
    monkeypatch.setattr(owner, "_TAKEN", [NOBODY.pw_uid])
    found = owner.environment()
    assert "PGPASSWORD" not in found
    assert (found["LC_ALL"], found["NWAUTH_PATH"], found["PATH"]) == ("C", "/x", os.environ["PATH"])
    assert (found["HOME"], found["USER"]) == (NOBODY.pw_dir, NOBODY.pw_name)
    monkeypatch.setattr(owner, "_TAKEN", [4_000_000])  # an id without a name
    assert "HOME" not in owner.environment()


def test_roots_group_is_left_with_root() -> None:
    """A folder after `chown mail DIR` is still of root's group."""
    gid, groups = owner._groups_of(NOBODY.pw_uid, 0)
    assert gid == NOBODY.pw_gid
    assert 0 not in groups
    assert owner._groups_of(NOBODY.pw_uid, 8)[0] == 8
    assert owner._groups_of(0, 0)[0] == 0
    assert owner._groups_of(4_000_000, 8) == (8, [8])
