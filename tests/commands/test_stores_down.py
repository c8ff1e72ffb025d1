"""Commands while a directory or a database is down: they say which store, and what to do, and never "no"."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.commands.common import BOB, SETTINGS, base, run
from tests.databases.server import HOST, free_port

if TYPE_CHECKING:
    from pathlib import Path

CANNOT_TELL = 75
DIRECTORY = '[[stores]]\nkind = "ldap"\nname = "people"\nurls = ["ldap://{host}"]\nbase = "dc=test,dc=com"\n'
DATABASE = '[[stores]]\nkind = "sql"\nname = "clients"\nurl = "postgresql://mail@{host}/mail"\n'


@pytest.fixture
def host() -> str:
    """Where nobody listens."""
    return f"{HOST}:{free_port()}"


@pytest.mark.parametrize(
    "words",
    [
        ("user", "list"),
        ("user", "search", "bob"),
        ("user", "show", "bob@test.com"),
        ("user", "app", "list", "bob@test.com"),
        ("user", "del", "bob@test.com", "--yes"),
        ("user", "add", "eve@test.com", "--generate"),
        ("explain", "bob@test.com"),
    ],
)
@pytest.mark.parametrize(("settings", "store"), [(DIRECTORY, "people"), (DATABASE, "clients")])
def test_the_store_that_is_down_is_named(
    settings: str, store: str, words: tuple[str, ...], host: str, tmp_path: Path
) -> None:
    folder = base(str(tmp_path), users=BOB, settings=settings.format(host=host) + SETTINGS)
    done = run(folder, *words)
    assert (done.status, done.out) == (CANNOT_TELL, "")
    assert done.err.startswith(f"nwauth: store {store}: ")
    assert host.partition(":")[2] in done.err
    assert done.err.endswith("; nwauth doctor looks for the cause\n")


def test_a_plan_for_a_database_that_is_down_changes_nothing_and_says_so(host: str, tmp_path: Path) -> None:
    folder = base(str(tmp_path), users=b"", settings=DATABASE.format(host=host))
    (tmp_path / "plan.csv").write_text("name,password_hash\nbob@test.com,{ssha}x\n")
    done = run(folder, "apply", str(tmp_path / "plan.csv"))
    assert (done.status, done.out) == (CANNOT_TELL, "")
    assert done.err.startswith("nwauth: store clients: PostgreSQL at ")
    assert done.err.endswith("; nothing is changed; nwauth doctor looks for the cause\n")


def test_what_is_no_outage_of_a_store_is_said_as_it_was(host: str, tmp_path: Path) -> None:
    folder = base(str(tmp_path), users=BOB, settings=SETTINGS + DIRECTORY.format(host=host))
    assert run(folder, "user", "show", "bob@test.com").status == 0
    done = run(folder, "--store", "people", "user", "del", "bob@test.com", "--yes")
    assert (done.status, "takes no changes" in done.err, "doctor" in done.err) == (1, True, False)
