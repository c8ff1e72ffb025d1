"""Our own schema, and a table of somebody else's, against a model, in SQLite, PostgreSQL and MariaDB.

SQLite runs as often as hypothesis' profile says, the servers less often.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from nwauth.errors import Refused
from nwauth.model import Info, User
from nwauth.names import ENCODING, ERRORS, fold, matcher
from nwauth.stores.memory import MemoryStore
from nwauth.stores.sql import SqlStore
from nwauth.stores.sql.columns import Columns
from nwauth.stores.sql.octets import is_plain
from tests.databases import guard, shared_mariadb, unique
from tests.stores.contract import someone
from tests.stores.folders import often, ssha
from tests.stores.test_sql_foreign import COLUMNS, KINDS, Database, insert, maildb, open_database

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hypothesis.strategies import SearchStrategy

EXAMPLES = {"sqlite": often(40, 600), "postgres": often(12, 60), "mariadb": often(12, 60)}
BYSTANDER = User(
    name="bystander",
    stored_password=ssha("b"),
    info=Info('a="1"'),
    drop_path="/b",
    uid="7",
    ip_mask="10.*",
    store="sql",
)


@cache
def folder() -> Path:
    return guard.make_folder("properties")


@cache
def own(kind: str) -> tuple[Database, str, SqlStore]:
    """A table of our own, for one example after the other."""
    if kind == "mariadb":
        shared_mariadb()  # skips where there is none
    place = folder() / kind
    place.mkdir()
    database, table = open_database(kind, place), unique("accounts")
    store = SqlStore(database.url, table=table, retry_seconds=0)
    assert store.make()
    return database, table, store


def emptied(kind: str) -> SqlStore:
    """That table, and nobody in it."""
    database, table, store = own(kind)
    database.sql(f"DELETE FROM {table}")
    return store


def example_of(kind: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return settings(max_examples=EXAMPLES[kind])


# --- any bytes --------------------------------------------------------------------------------------------------------

PIECES = (
    *(
        "\0",
        "\x1a",
        "\x1aE9",
        "\x1a1A",
        "\udce9",
        "\udcff",
        "%",
        "_",
        "!",
        "\\",
        "'",
        '"',
        "`",
        ";",
        "--",
        "/*",
        "*/",
        "\n",
    ),
    *(
        "\r",
        "\t",
        "\u2028",
        "é",
        "É",
        "e\u0301",
        "\u212a",
        "ß",
        "İ",
        "σς",
        "日本",
        "\U0001f4ee",
        "?",
        "%s",
        "%(a)s",
        "$1",
        ":a",
    ),
    *("' OR '1'='1", "'; DROP TABLE accounts; --", '" OR 1=1 --', "\\' OR 1=1 #", "') OR (1=1", "NULL", "x" * 300),
)
octets = st.binary(max_size=40).map(lambda raw: raw.decode(ENCODING, ERRORS))
texts: SearchStrategy[str] = st.lists(octets | st.sampled_from(PIECES) | st.text(max_size=5), max_size=5).map("".join)
users = st.builds(
    User,
    name=texts,
    stored_password=texts,
    info=texts.map(Info),
    drop_path=texts,
    uid=texts,
    ip_mask=texts,
    store=st.just("sql"),
)


def listed(store: SqlStore, pattern: str = "") -> dict[str, User]:
    found = list(store.search(pattern))
    assert len({user.name for user in found}) == len(found)
    return {user.name: user for user in found}


def survives_or_is_refused(store: SqlStore, user: User, other: User) -> None:
    assume(fold(user.name) != "bystander")
    assert store.put(BYSTANDER)
    there = {"bystander": BYSTANDER}
    try:
        assert store.put(user)
        there[user.name] = user
    except Refused:
        pass
    assert listed(store) == there
    if user.name in there:
        assert store.lookup(user.name) == user
        assert user.name in listed(store, user.name) or "*" in user.name or "?" in user.name
        assert not store.put(other.changed(name=user.name))
        new = User(
            name=user.name,
            stored_password=other.stored_password,
            info=other.info,
            drop_path=other.drop_path,
            uid=other.uid,
            ip_mask=other.ip_mask,
            store="sql",
        )
        try:
            assert store.replace(user, new)
            there[user.name] = new
        except Refused:
            pass
        assert listed(store) == there
        assert store.lookup(user.name) == there[user.name]
        assert store.replace(user, user) == (there[user.name] == user)
        assert not store.delete(user.name, only=user.changed(ip_mask=user.ip_mask + "x"))
        assert store.delete(user.name)
    assert store.lookup(user.name) is None
    assert list(store.search()) == [BYSTANDER]


@pytest.mark.parametrize("kind", KINDS)
def test_any_bytes_in_every_field_survive_or_are_refused_and_touch_nobody_else(kind: str) -> None:
    own(kind)

    @example_of(kind)
    @given(user=users, other=users)
    def check(user: User, other: User) -> None:
        survives_or_is_refused(emptied(kind), user, other)

    check()


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_any_bytes_survives_or_is_refused_as_a_whole(kind: str) -> None:
    own(kind)

    @example_of(kind)
    @given(batch=st.lists(users, max_size=6))
    def check(batch: list[User]) -> None:
        store = emptied(kind)
        assert store.put(BYSTANDER)
        try:
            left = store.put_all(batch)
        except Refused:
            assert list(store.search()) == [BYSTANDER]
            return
        first: dict[str, User] = {"bystander": BYSTANDER}
        for user in batch:
            first.setdefault(fold(user.name), user)
        assert listed(store) == {user.name: user for user in first.values()}
        assert len(left) == len(batch) + 1 - len(first)
        for user in first.values():
            assert store.lookup(user.name) == user

    check()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("piece", [piece for piece in PIECES if len(piece) > 4])
def test_what_looks_like_sql_is_a_name_like_any_other(kind: str, piece: str) -> None:
    store = emptied(kind)
    for name in ("alice", "bob"):
        assert store.put(someone(name))
    for word in (piece, f"bob{piece}", f"{piece}bob"):
        assert store.lookup(word) is None
        assert not store.delete(word)
        assert {user.name for user in store.search(word)} <= {"alice", "bob"}
        assert store.put(someone(word, info=word))
        found = store.lookup(word.upper() if word.isascii() else word)
        assert found is not None
        assert (found.name, found.info.text) == (word, word)
        assert store.replace(found, found.changed(stored_password=word))
        assert len(list(store.search())) == 3
        assert store.delete(word)
    assert [user.name for user in store.search()] == ["alice", "bob"]


# --- what stands in somebody else's columns ---------------------------------------------------------------------------

COLUMN_OF = {"fwd": "forward", "full_name": "full_name"}
NOTED = Columns(
    name="username", password="password", drop_path="maildrop", ip_mask="mailmask", info=COLUMN_OF, info_text="notes"
)
said = st.sampled_from(
    [
        *(
            '"',
            "'",
            "=",
            '="',
            '"="',
            " ",
            "\n",
            "\r\n",
            "\t",
            "fwd",
            'fwd="x"',
            'FWD="y"',
            'full_name="',
            "a",
            'a="1"',
            "é",
        )
    ]
)
column_texts = st.none() | st.lists(said, max_size=6).map("".join) | st.text(max_size=5).filter(is_plain)


@cache
def noted(kind: str) -> tuple[Database, str, SqlStore]:
    database = own(kind)[0]
    table = maildb(database, more=", notes VARCHAR(255)")
    return database, table, SqlStore(database.url, table=table, columns=NOTED, retry_seconds=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_leaves_all_other_columns_as_they_were_whatever_they_hold(kind: str) -> None:
    database, table, store = noted(kind)
    columns = ("password", "forward", "full_name", "maildrop", "mailmask", "notes")

    def row() -> dict[str, str | None]:
        (found,) = database.sql(f"SELECT {', '.join(columns)} FROM {table}")
        return dict(zip(columns, found, strict=True))

    @example_of(kind)
    @given(values=st.fixed_dictionaries(dict.fromkeys(columns, column_texts)), new=st.sampled_from(["new", "x y", ""]))
    def check(values: dict[str, str | None], new: str) -> None:
        database.sql(f"DELETE FROM {table}")
        insert(database, table, "bob", **values)
        before = row()
        bob = store.lookup("bob")
        assert bob is not None
        fields = bob.info.fields()
        for field, column in COLUMN_OF.items():
            shown = (before[column] or "").replace("\n", " ").replace("\r", " ").replace("\0", " ").replace('"', "'")
            assert fields.pop(field, "") == shown
        assert not {field.lower() for field in fields}.intersection(COLUMN_OF)
        assert store.replace(bob, bob.changed(stored_password=ssha("new")))
        before["password"] = ssha("new")
        assert row() == before
        bob = store.lookup("bob")
        assert bob is not None
        assert store.replace(bob, bob.changed(info=bob.info.updated({"fwd": new})))
        after = row()
        assert (after.pop("forward") or "") == new
        del before["forward"]
        notes = before["notes"] or ""
        if notes != notes.strip() or any(f'{field}="' in notes.lower() for field in COLUMN_OF):
            # A blank beside a field that comes may go, and so may a field there that has a column of its own.
            del after["notes"], before["notes"]
        assert after == before

    check()


# --- search -----------------------------------------------------------------------------------------------------------

letters = st.sampled_from("aAbBkKz%_!\\'\"[^-.@ 0éÉßİΣσςſ\u212a\u0301\u0307\u1e9e日\x1a\x01\udce9\udcff")  # noqa: RUF001 - letters of Greek
names = st.text(letters, min_size=1, max_size=6)
patterns = st.text(letters | st.sampled_from("**??"), max_size=5) | st.sampled_from(
    ["%", "_", "!", "!%", "\\%", "!!", "\\_"]
)


def fitting(found: list[User], pattern: str) -> list[str]:
    """The names that match, as the service tells them."""
    matches = matcher(pattern)
    return [user.name for user in found if matches(fold(user.name))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_agrees_with_a_naive_loop_for_any_pattern(kind: str) -> None:
    own(kind)

    @example_of(kind)
    @given(
        found=st.lists(names, min_size=1, max_size=12, unique_by=fold), asked=st.lists(patterns, min_size=1, max_size=6)
    )
    def check(found: list[str], asked: list[str]) -> None:
        store = emptied(kind)
        assert store.put_all([someone(name) for name in found]) == []
        for pattern in [*asked, *found]:
            wanted = sorted((name for name in found if matcher(pattern)(fold(name))), key=fold)
            given_ = fitting(list(store.search(pattern)), pattern)
            assert sorted(given_, key=fold) == wanted, pattern
            plain = [name for name in given_ if name.isprintable()]  # else written behind SUB, and sorted as that
            assert plain == sorted(plain, key=lambda name: fold(name).encode())
        assert store.count() in (len(found), None)

    check()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("letter", ["%", "_", "!", "\\", "[", "'", '"', "^"])
def test_a_wildcard_of_sql_is_a_letter(kind: str, letter: str) -> None:
    store = emptied(kind)
    there = [letter, f"a{letter}b", "axb", "ab", f"{letter}{letter}", "x", f"a{letter}%b", f"a{letter}_b"]
    assert store.put_all([someone(name) for name in dict.fromkeys(there)]) == []
    for pattern in (letter, f"a{letter}b", f"a{letter}*", f"*{letter}", f"?{letter}?", f"{letter}%", f"{letter}_"):
        wanted = {name for name in there if matcher(pattern)(name)}
        assert set(fitting(list(store.search(pattern)), pattern)) == wanted


# --- a model ----------------------------------------------------------------------------------------------------------

KNOWN = ("bob", "Bob", "BOB", "alice", "Alice", "é", "É", "e\u0301", "zoe@test.com", "%", "_")
some_names = st.sampled_from(KNOWN)
# in the order of the columns, in which a table of somebody else's gives them out
fields = st.sampled_from(["", 'quota="1"', 'fwd="x"', 'fwd="y z" quota="2"', 'full_name="Zoë %s"'])


class Against(RuleBasedStateMachine):
    """The same changes in a database and in a dict."""

    kind = "sqlite"

    def table(self) -> SqlStore:
        return emptied(self.kind)

    @initialize()
    def begin(self) -> None:
        self.store = self.table()
        self.model = MemoryStore(name=self.store.name)
        self.stale: list[User] = []

    def user(self, name: str, info: str, password: str) -> User:
        return User(name=name, stored_password=ssha(password), info=Info(info), store=self.store.name)

    def there(self, name: str) -> User | None:
        found = self.model.lookup(name)
        if found is not None:
            self.stale.append(found)
        return found

    @rule(name=some_names, info=fields, password=st.sampled_from("ab"))
    def put(self, name: str, info: str, password: str) -> None:
        user = self.user(name, info, password)
        assert self.store.put(user) == self.model.put(user)

    @rule(batch=st.lists(st.tuples(some_names, fields), max_size=5))
    def put_all(self, batch: list[tuple[str, str]]) -> None:
        given_ = [self.user(name, info, "c") for name, info in batch]
        assert self.store.put_all(given_) == self.model.put_all(given_)

    @rule(name=some_names, info=fields, password=st.sampled_from("abc"), respelled=st.booleans())
    def replace(self, name: str, info: str, password: str, respelled: bool) -> None:  # noqa: FBT001, a drawn value
        old = self.there(name)
        if old is not None:
            new = old.changed(stored_password=ssha(password), info=Info(info), name=name if respelled else None)
            assert self.store.replace(old, new)
            assert self.model.replace(old, new)

    @precondition(lambda self: self.stale)
    @rule(data=st.data(), info=fields)
    def replace_what_was_there_once(self, data: Any, info: str) -> None:
        old = data.draw(st.sampled_from(self.stale))
        new = old.changed(info=Info(info))
        assert self.store.replace(old, new) == self.model.replace(old, new)

    @rule(name=some_names)
    def delete(self, name: str) -> None:
        self.there(name)
        assert self.store.delete(name) == self.model.delete(name)

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def delete_what_was_there_once(self, data: Any) -> None:
        only = data.draw(st.sampled_from(self.stale))
        assert self.store.delete(only.name, only=only) == self.model.delete(only.name, only=only)

    @rule(name=some_names, new_name=some_names)
    def rename(self, name: str, new_name: str) -> None:
        old = self.there(name)
        if old is None or fold(name) == fold(new_name):
            return
        is_free = self.model.lookup(new_name) is None
        assert self.store.rename(old, old.changed(name=new_name)) is is_free
        if is_free:
            assert self.model.delete(name)
            assert self.model.put(old.changed(name=new_name))

    @rule()
    def open_again(self) -> None:
        self.store.close()

    @rule(name=some_names)
    def look(self, name: str) -> None:
        assert self.store.lookup(name) == self.model.lookup(name)

    @rule(pattern=st.sampled_from(["*", "b", "?", "é", "z*", "%", "_", "O*"]))
    def search(self, pattern: str) -> None:
        found = fitting(list(self.store.search(pattern)), pattern)
        assert sorted(found) == sorted(fitting(list(self.model.search(pattern)), pattern))
        assert self.store.count() in (len(list(self.model.search())), None)

    @invariant()
    def all_is_the_same(self) -> None:
        if hasattr(self, "store"):
            assert sorted(self.store.search(), key=_name) == sorted(self.model.search(), key=_name)


def _name(user: User) -> str:
    return user.name


@cache
def foreign(kind: str) -> tuple[Database, str, SqlStore]:
    database = own(kind)[0]
    table = maildb(database, name="VARCHAR(80) NOT NULL")
    return database, table, SqlStore(database.url, table=table, columns=COLUMNS, retry_seconds=0)


class AgainstForeign(Against):
    """The same in a table of somebody else's."""

    def table(self) -> SqlStore:
        database, table, store = foreign(self.kind)
        database.sql(f"DELETE FROM {table}")
        return store


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("machine", [Against, AgainstForeign])
def test_any_sequence_of_changes_is_that_of_a_dict(kind: str, machine: type[Against]) -> None:
    own(kind)
    of_kind = type(machine.__name__, (machine,), {"kind": kind})
    servers = kind != "sqlite"
    size = settings(
        max_examples=often(7, 25) if servers else often(20, 150), stateful_step_count=often(12, 40), deadline=None
    )
    run_state_machine_as_test(of_kind, settings=size)
