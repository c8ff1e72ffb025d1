"""The routing keys of ``[[stores]]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nwauth.config.routes import COMMANDS, Route
from nwauth.errors import ConfigError
from nwauth.stores.combined import member
from tests.config.common import written

if TYPE_CHECKING:
    from pathlib import Path

TWO = '[[stores]]\nname = "new"\npath = "a"\nshared = false\n[[stores]]\nname = "old"\npath = "b"\n'


def test_the_commands_are_those_that_the_store_knows() -> None:
    assert COMMANDS == member.COMMANDS


def test_a_store_without_routing_keys_is_asked_for_every_name(tmp_path: Path) -> None:
    found = written(tmp_path, TWO)
    assert found.routes == {}
    assert [store.name for store in found.stores] == ["new", "old"]
    assert not found.is_plain()
    assert written(tmp_path, '[[stores]]\npath = "a"\n').is_plain()
    assert Route().match == dict.fromkeys(COMMANDS, ("*",))
    assert Route().is_plain()


def test_every_key_is_read(tmp_path: Path) -> None:
    found = written(
        tmp_path,
        TWO
        + """
        match = "*@test.com"
        match_set = ["*@a.test.com", "*@b.test.com"]
        do_search = false
        do_set = "existing"
        do_del = false
        fall_through_when_down = true
        strip_prefix = "dom2_"
        strip_suffix = "@test.com"
        migrate_to = "new"
        """,
    )
    assert found.routes == {
        "old": Route(
            match={
                "lookup": ("*@test.com",),
                "check": ("*@test.com",),
                "set": ("*@a.test.com", "*@b.test.com"),
                "del": ("*@test.com",),
                "search": (),
            },
            sets="existing",
            deletes=False,
            falls_through=True,
            strip_prefix="dom2_",
            strip_suffix="@test.com",
            migrate_to="new",
        )
    }


@pytest.mark.parametrize(("written_as", "meant"), [("true", "new"), ('"existing"', "existing"), ("false", "never")])
def test_what_a_store_is_set_is_one_of_three(tmp_path: Path, written_as: str, meant: str) -> None:
    found = written(tmp_path, TWO + f"do_set = {written_as}\n").routes.get("old", Route())
    assert found.sets == meant


def test_a_single_store_with_a_route_is_not_plain(tmp_path: Path) -> None:
    for key in ('match = "*@a"', "do_check = false", "do_set = false", 'strip_suffix = "@a"', "do_del = false"):
        assert not written(tmp_path, f"[[stores]]\n{key}\n").is_plain()
    assert written(tmp_path, "[[stores]]\nfall_through_when_down = true\n").is_plain()


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("match = 5", "match: found 5 (an integer), wanted an array of strings"),
        ('match = ""', 'match: found an empty pattern, wanted names with * and ?, as "*@test.com"'),
        ("match = []", 'match: found no pattern, wanted one at least, as "*@test.com"'),
        ('match_set = ["a", ""]', 'match_set: found an empty pattern, wanted names with * and ?, as "*@test.com"'),
        ('do_set = "new"', 'do_set: found "new" (a string), wanted true, false or "existing"'),
        ("do_set = 1", 'do_set: found 1 (an integer), wanted true, false or "existing"'),
        ('do_del = "no"', 'do_del: found "no" (a string), wanted true or false'),
        ('migrate_to = "old"', 'migrate_to: found "old", wanted an earlier store that takes new users: new'),
        ('migrate_to = "x"', 'migrate_to: found "x", wanted an earlier store that takes new users: new'),
        ("match_chek = []", "match_chek: unknown key, did you mean match_check?"),
    ],
)
def test_an_error_says_what_was_found_and_wanted(tmp_path: Path, keys: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        written(tmp_path, TWO + keys + "\n")
    assert str(caught.value) == f"{tmp_path}/nwauth.toml: stores[1].{error}"


@pytest.mark.parametrize("key", ["read_only = true", "do_set = false", 'do_set = "existing"'])
def test_users_move_to_no_store_that_takes_no_new_ones(tmp_path: Path, key: str) -> None:
    toml = TWO.replace('[[stores]]\nname = "old"', f'{key}\n[[stores]]\nname = "old"\nmigrate_to = "new"')
    with pytest.raises(ConfigError, match="there is none"):
        written(tmp_path, toml)
