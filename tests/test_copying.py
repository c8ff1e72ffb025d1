"""Copying between real stores: what goes over, what is told, what is compared."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from nwauth.config import FlatfileConfig
from nwauth.config.kinds.process import ProcessConfig
from nwauth.config.kinds.sql import SqlConfig
from nwauth.config.kinds.system import SystemConfig
from nwauth.copying import Copying, Differing, Fitting, Source, Verification, fitting
from nwauth.copying.digest import Digest
from nwauth.copying.standing import Standing
from nwauth.errors import Refused, Unavailable
from nwauth.model import Info, User
from nwauth.names import fold
from nwauth.stores.memory import MemoryStore
from nwauth.stores.sql import SqlStore
from nwauth.stores.sql.columns import Columns
from tests.databases import shared_mariadb, shared_postgres, unique
from tests.stores.contract import ODD_INFO, ODD_NAMES
from tests.stores.folders import opened, ssha

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from nwauth.config import StoreConfig
    from nwauth.stores.base import Store

    Opened = tuple[StoreConfig, Store]
    Opener = Callable[[Path], Opened]

FILES = FlatfileConfig(path="/nowhere")
TABLE = SqlConfig(path="/nowhere", url="sqlite:////nowhere/users.db")


def someone(name: str, field: str = "", info: str = "", **more: str) -> User:
    return User(name=name, stored_password=field or ssha("secret"), info=Info(info), **more)


def many(count: int) -> list[User]:
    return [someone(f"user{number:06d}@test.com", info=f'quota="{number}"') for number in range(count)]


def flat_files(path: Path) -> Opened:
    folder = path / unique("files")
    folder.mkdir()
    store = opened(folder, shared=False)
    store.make()
    return FlatfileConfig(path=str(folder), shared=False), store


def database(url: str) -> Opened:
    table = unique("accounts")
    store = SqlStore(url, table=table)
    store.make()
    return SqlConfig(path="/nowhere", url=url, table=table), store


def sqlite(path: Path) -> Opened:
    return database(f"sqlite:///{path / unique('users')}.db")


def postgres(_: Path) -> Opened:
    return database(shared_postgres().url())


def mariadb(_: Path) -> Opened:
    return database(shared_mariadb().url())


KINDS: dict[str, Opener] = {"files": flat_files, "sqlite": sqlite, "postgres": postgres, "mariadb": mariadb}
OTHERS = ["sqlite", "postgres", "mariadb"]


class Between:
    """Two stores, and copies between them."""

    def __init__(self, source: Opened, target: Opened) -> None:
        (self.here, self.source), (self.there, self.target) = source, target

    def fitting(self) -> Fitting:
        return fitting(self.here, self.there)

    def copy(self, *, batch_users: int = 50, verify: bool = True, pattern: str = "", **more: bool) -> Copying:
        self.way = self.fitting()
        copying = Copying(self.source, self.target, self.way, batch_users=batch_users, pattern=pattern, **more)
        copying.run()
        if verify:
            self.verify(copying, pattern=pattern)
        return copying

    def verify(self, copying: Copying, *, pattern: str = "") -> None:
        again = Source(self.source, self.fitting(), pattern=pattern)
        Verification(copying, again, self.target, pattern=pattern).run()


@pytest.fixture
def between(tmp_path: Path) -> Iterator[Callable[[str, str], Between]]:
    made: list[Between] = []

    def make(source: str, target: str) -> Between:
        made.append(Between(KINDS[source](tmp_path), KINDS[target](tmp_path)))
        return made[-1]

    yield make
    for one in made:
        one.source.close()
        one.target.close()


def everybody(store: Store) -> list[tuple[str, ...]]:
    return sorted(
        (user.name, user.stored_password, user.info.text, user.drop_path, user.uid, user.ip_mask)
        for user in store.search()
    )


def fill(store: Store, users: Sequence[User]) -> None:
    assert store.put_all(users) == []


ODD = [someone(name, info=info) for name, info in zip(ODD_NAMES, ODD_INFO * 2, strict=False)]
ODD += [someone(f"{number}-{name}") for number, name in enumerate(("a\x1ab", "\udcff\udcfe", "b\udce9b", "é", "z"))]


# --- what goes over --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", OTHERS)
def test_users_of_every_odd_kind_go_to_a_database_and_back_as_they_are(
    between: Callable[[str, str], Between], tmp_path: Path, other: str
) -> None:
    over = between("files", other)
    fill(over.source, ODD)
    copying = over.copy(batch_users=3)
    assert (copying.tally.copied, copying.tally.problems) == (len(ODD), [])
    assert everybody(over.target) == everybody(over.source)
    back = Between((over.there, over.target), flat_files(tmp_path))
    back.copy(batch_users=3)
    assert everybody(back.target) == everybody(over.source)
    back.target.close()


@pytest.mark.parametrize(("source", "target"), [("files", "files"), ("sqlite", "postgres"), ("postgres", "mariadb")])
def test_stores_of_one_kind_keep_every_field_as_it_is(
    between: Callable[[str, str], Between], source: str, target: str
) -> None:
    over = between(source, target)
    fill(
        over.source,
        [someone("a", "*text"), someone("b", "!" + ssha("x")), someone("c", "*LK*"), someone("d", "{CLEAR}x")],
    )
    if source != "files":
        fill(over.source, [someone("e", drop_path="/var/e", uid="7", ip_mask="10.1.*")])
    over.copy()
    assert everybody(over.target) == everybody(over.source)


FIELDS_TO_ELSEWHERE = {
    "*secret": "{CLEAR}secret",
    "**": "{CLEAR}*",
    "*{ssha}x": "{CLEAR}{ssha}x",
    "*p\udce9ss": "{CLEAR}p\udce9ss",
    "*": "!",
    "*LK*": "!",
    "*NP*": "!",
    "!": "!",
    "!!": "!",
    "!$6$salt$hash": "!",
    "x": "x",
    "": "",
    "{CLEAR}secret": "{CLEAR}secret",
    "$1$salt$hash": "$1$salt$hash",
}
FIELDS_TO_FILES = {"*secret": "!", "*": "!", "*LK*": "!", "!": "!", "!$6$x": "!$6$x", "{CLEAR}x": "{CLEAR}x", "": ""}


@pytest.mark.parametrize(("field", "wanted"), FIELDS_TO_ELSEWHERE.items())
def test_a_star_of_flat_files_is_said_in_the_words_of_other_stores(field: str, wanted: str) -> None:
    way = fitting(FILES, TABLE)
    assert way.fitted(someone("bob").changed(stored_password=field)).stored_password == wanted
    assert way.clear_text == (wanted != field and wanted.startswith("{CLEAR}"))
    assert way.locked == (wanted != field and wanted == "!")


@pytest.mark.parametrize(("field", "wanted"), FIELDS_TO_FILES.items())
def test_a_star_of_another_store_never_becomes_clear_text(field: str, wanted: str) -> None:
    way = fitting(TABLE, FILES)
    assert way.fitted(someone("bob").changed(stored_password=field)).stored_password == wanted
    assert (way.clear_text, way.locked) == (0, wanted != field)


@pytest.mark.parametrize("other", OTHERS)
def test_a_pattern_chooses_who_is_copied(between: Callable[[str, str], Between], other: str) -> None:
    over = between("files", other)
    fill(over.source, [someone(name) for name in ("bob@test.com", "BOB@other.com", "eve@test.com", "jürgen@test.com")])
    fill(over.target, [someone("zoe@test.com")])
    assert over.copy(pattern="*@test.com").tally.copied == 3
    assert [user.name for user in over.target.search("other")] == []
    assert over.copy(pattern="bob").tally.copied == 1


# --- again, and beside others ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "target"), [("files", "sqlite"), ("postgres", "files"), ("files", "mariadb")])
def test_a_second_copy_finds_everybody_there(between: Callable[[str, str], Between], source: str, target: str) -> None:
    over = between(source, target)
    fill(over.source, [*ODD, *many(120), someone("clear", "*text"), someone("locked", "!x")])
    first = over.copy()
    again = over.copy()
    assert (again.tally.copied, again.tally.already_there) == (0, first.tally.copied)
    assert again.tally.digest.hex() == first.tally.digest.hex()


@pytest.mark.parametrize("other", ["files", *OTHERS])
def test_those_who_are_there_and_differ_are_left_and_named(between: Callable[[str, str], Between], other: str) -> None:
    over = between("sqlite", other)
    fill(over.source, [*many(100), someone("Bob"), someone("eve", info="new"), someone("\udce9")])
    old = [
        someone("bob"),
        someone("EVE", ssha("old"), "old"),
        someone("\udce9", info="x"),
        someone("zoe"),
        someone("0"),
    ]
    fill(over.target, old)
    tally = over.copy().tally
    assert (tally.copied, tally.conflicts, tally.refused) == (100, 3, 0)
    assert sorted((one.name, one.reason) for one in tally.problems) == [
        ("Bob", "there with the name 'bob'"),
        ("eve", "there with the name 'EVE' and another password, info"),
        ("\udce9", "there with another info"),
    ]
    assert Counter(everybody(over.target)) > Counter(
        (user.name, user.stored_password, user.info.text, "config", "0", "") for user in old
    )


@pytest.mark.parametrize("other", ["files", *OTHERS])
def test_with_replace_the_source_is_right_and_nobody_else_is_touched(
    between: Callable[[str, str], Between], other: str
) -> None:
    over = between("sqlite", other)
    fill(over.source, [*many(20), someone("Bob"), someone("eve", info="new"), someone("\udce9")])
    fill(over.target, [someone("bob"), someone("EVE", ssha("old"), "old"), someone("\udce9", info="x"), someone("zoe")])
    tally = over.copy(replace=True).tally
    assert (tally.copied, tally.replaced, tally.problems) == (20, 3, [])
    assert everybody(over.target) == sorted([*everybody(over.source), ("zoe", ssha("secret"), "", "config", "0", "")])


def test_a_rehearsal_tells_what_a_copy_would_do_and_writes_nothing(between: Callable[[str, str], Between]) -> None:
    over = between("sqlite", "files")
    fill(
        over.source,
        [*many(60), someone("a:b"), someone("bob"), someone("eve"), someone("\udce9"), someone("u", uid="7")],
    )
    fill(over.target, [someone("bob"), someone("eve", info="x"), someone("\udce9"), someone("zoe")])
    before = everybody(over.target)
    rehearsed = over.copy(rehearse=True, verify=False).tally
    assert everybody(over.target) == before
    done = over.copy().tally
    for part in ("copied", "already_there", "conflicts", "refused", "problems"):
        assert getattr(rehearsed, part) == getattr(done, part), part
    assert (done.copied, done.already_there, done.conflicts, done.refused) == (60, 2, 1, 2)


def test_a_listing_in_another_order_only_costs_time(tmp_path: Path) -> None:
    class Disordered(MemoryStore):
        def search(self, pattern: str = "") -> Iterator[User]:
            yield from sorted(super().search(pattern), key=lambda user: user.name[::-1])

    users = many(100)
    source, target = MemoryStore(users), Disordered([*users[::2], someone("zoe")])
    over = Between((FILES, source), (TABLE, target))
    tally = over.copy(batch_users=7).tally
    assert (tally.copied, tally.already_there, tally.problems) == (50, 50, [])
    assert tmp_path.exists()


# --- what has no place ------------------------------------------------------------------------------------------------


def test_what_flat_files_have_no_place_for_is_named_and_the_others_are_copied(
    between: Callable[[str, str], Between],
) -> None:
    over = between("sqlite", "files")
    odd = [
        someone("a", drop_path="/var/mail/a"),
        someone("b", uid="8"),
        someone("c", ip_mask="10.0.0.0/8"),
        someone("d:e"),
        someone("f", info="two\nlines"),
        someone("#g"),
    ]
    fill(over.source, [*many(200), *odd])
    tally = over.copy(batch_users=100).tally
    assert (tally.copied, tally.refused) == (200, 6)
    line = "name, password field or info hold what a line of nwauth.txt cannot"
    assert sorted((one.kind, one.name, one.reason) for one in tally.problems) == [
        ("refused", "#g", line),
        ("refused", "a", "nwauth.txt has no place for its drop path '/var/mail/a'"),
        ("refused", "b", "nwauth.txt has no place for its uid '8'"),
        ("refused", "c", "nwauth.txt has no place for its IP mask '10.0.0.0/8'"),
        ("refused", "d:e", line),
        ("refused", "f", line),
    ]
    assert len(everybody(over.target)) == 200


def test_of_many_problems_all_are_counted_and_the_first_are_named(between: Callable[[str, str], Between]) -> None:
    over = between("sqlite", "files")
    fill(over.source, [someone(f"u{number:03d}", uid="7") for number in range(150)])
    fill(over.source, [someone(f"v{number:03d}", info="new") for number in range(150)])
    fill(over.target, [someone(f"v{number:03d}", info="old") for number in range(150)])
    tally = over.copy().tally
    assert (tally.refused, tally.conflicts) == (150, 150)
    assert [one.name for one in tally.problems] == [f"u{n:03d}" for n in range(20)] + [f"v{n:03d}" for n in range(20)]


class Foreign:
    """A table of somebody else's in SQLite, in the journal mode that SQLite has by itself."""

    def __init__(self, path: Path, statement: str, columns: Columns, **settings: str) -> None:
        self.file = path / f"{unique('foreign')}.db"
        with closing(sqlite3.connect(self.file)) as connection:
            connection.executescript(statement)
        self.config = SqlConfig(
            path=str(path),
            url=f"sqlite:///{self.file}",
            table="mail",
            columns=columns,
            **settings,  # type: ignore[arg-type]
        )
        self.store = SqlStore(self.config.url, table="mail", columns=columns, **settings)  # type: ignore[arg-type]

    @property
    def opened(self) -> Opened:
        return self.config, self.store

    def rows(self, what: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.file)) as connection:
            return connection.execute(f"SELECT {what} FROM mail ORDER BY name").fetchall()


TWO_FIELDS = Columns(name="name", password="password", info={"full_name": "who", "quota": "quota"})


def test_a_foreign_table_gets_what_it_has_columns_for_and_the_rest_is_named(tmp_path: Path) -> None:
    table = Foreign(tmp_path, "CREATE TABLE mail (name TEXT, password TEXT, who TEXT, quota TEXT)", TWO_FIELDS)
    here, source = sqlite(tmp_path)
    fill(source, [someone("bob", info='quota="5" full_name="Bob Bee"'), someone("ann", info='fwd="x@y.z" quota="6"')])
    fill(source, [someone("eve", uid="7"), someone("carl", info="just text"), someone("\udce9")])
    over = Between((here, source), table.opened)
    tally = over.copy().tally
    assert table.rows("name, who, quota") == [("bob", "Bob Bee", "5")]
    assert [(one.name, one.reason) for one in tally.problems] == [
        ("ann", "table mail has no column for fwd: map one under [stores.columns]"),
        ("carl", "table mail has no column for just text: map one under [stores.columns]"),
        ("eve", "table mail has no column for its uid: map one under [stores.columns]"),
        ("\udce9", "column name of table mail can hold no NUL, and nothing that is no UTF-8"),
    ]
    again = over.copy().tally
    assert (again.copied, again.already_there, again.refused) == (0, 1, 4)


def test_a_digest_that_a_foreign_table_spells_in_its_own_way_is_the_same(tmp_path: Path) -> None:
    table = Foreign(
        tmp_path,
        "CREATE TABLE mail (name TEXT, password TEXT)",
        Columns(name="name", password="password"),
        password_format="ssha",
    )
    here, source = flat_files(tmp_path)
    fill(source, [someone("bob"), someone("eve", "!")])
    over = Between((here, source), table.opened)
    assert over.copy().tally.copied == 2
    assert table.rows("password") == [(ssha("secret").removeprefix("{ssha}"),), ("!",)]
    assert over.copy().tally.already_there == 2


def test_a_foreign_table_that_holds_others_can_be_copied_to(tmp_path: Path) -> None:
    rows = ", ".join(f"('x{number:05d}', '!')" for number in range(6000))
    made = "CREATE TABLE mail (name TEXT, password TEXT, who TEXT, quota TEXT);"
    table = Foreign(tmp_path, f"{made} INSERT INTO mail (name, password) VALUES {rows}", TWO_FIELDS)
    here, source = flat_files(tmp_path)
    fill(source, [someone("bob"), someone("x00001", "!"), someone("zoe")])
    tally = Between((here, source), table.opened).copy().tally
    assert (tally.copied, tally.already_there, tally.problems) == (2, 1, [])


@pytest.mark.parametrize("replace", [False, True])
def test_of_two_names_that_fold_to_the_same_the_first_is_copied_and_the_other_named(
    tmp_path: Path, *, replace: bool
) -> None:
    statement = """CREATE TABLE mail (name TEXT, password TEXT);
        INSERT INTO mail VALUES ('Bob', '{ssha}x'), ('ann', '{ssha}y'), ('bob', '{ssha}z'), ('eve', '{ssha}z')"""
    table = Foreign(tmp_path, statement, Columns(name="name", password="password"))
    there, target = flat_files(tmp_path)
    tally = Between(table.opened, (there, target)).copy(replace=replace).tally
    assert (tally.copied, tally.refused) == (3, 1)
    (problem,) = tally.problems
    assert fold(problem.name) == "bob"
    assert "without regard to case its name is that of" in problem.reason


# --- others at work ---------------------------------------------------------------------------------------------------


class Overtaken(MemoryStore):
    """Others change a user so many times, just before we do."""

    def __init__(self, users: Sequence[User], *, times: int) -> None:
        super().__init__(users)
        self._times = times

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        if self._times:
            self._times -= 1
            super().replace(old, old.changed(info=Info(f"{self._times} left")))
        return super().replace(old, new, wait_seconds=wait_seconds)


def test_a_replacement_that_was_overtaken_is_tried_again_and_given_up_in_words() -> None:
    for times, wanted in ((2, []), (99, ["others keep changing it"])):
        target = Overtaken([someone("bob", info="old")], times=times)
        over = Between((FILES, MemoryStore([someone("bob", info="new")])), (TABLE, target))
        tally = over.copy(replace=True, verify=False).tally
        assert [one.reason for one in tally.problems] == wanted


def test_who_is_added_by_others_meanwhile_is_met() -> None:
    class Late(MemoryStore):
        def put_all(self, users: Sequence[User]) -> list[User]:
            assert self.put(someone("bob"))
            assert self.put(someone("eve", info="theirs"))
            return super().put_all(users)

    source = MemoryStore([someone("ann"), someone("bob"), someone("eve")])
    tally = Between((FILES, source), (TABLE, Late())).copy().tally
    assert (tally.copied, tally.already_there, tally.conflicts) == (1, 1, 1)


def test_who_is_deleted_by_others_meanwhile_is_added_after_all() -> None:
    class Gone(MemoryStore):
        def put_all(self, users: Sequence[User]) -> list[User]:
            left = super().put_all(users)
            return [*left, *(user for user in users if self.delete(user.name))]

    over = Between((FILES, MemoryStore([someone("ann")])), (TABLE, Gone()))
    over.copy()
    assert everybody(over.target) == everybody(over.source)


# --- the comparison ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "others", [[], [someone("0"), someone("zoe"), someone("\udce9")]], ids=["alone", "beside others"]
)
@pytest.mark.parametrize("other", ["files", *OTHERS])
def test_what_is_changed_or_deleted_before_the_comparison_is_counted_and_named(
    between: Callable[[str, str], Between], other: str, others: list[User]
) -> None:
    over = between("sqlite", other)
    fill(over.source, many(100))
    fill(over.target, others)
    copying = over.copy()
    for name in ("user000030@test.com", "user000040@test.com"):
        assert over.target.delete(name)
    old = over.target.lookup("user000020@test.com")
    assert old is not None
    assert over.target.replace(old, old.changed(info=Info("else")))
    with pytest.raises(Differing) as told:
        over.verify(copying)
    assert (told.value.count, told.value.first) == (3, "user000020@test.com")


def test_who_comes_to_either_side_before_the_comparison_does_not_matter(
    between: Callable[[str, str], Between],
) -> None:
    over = between("files", "sqlite")
    fill(over.source, many(10))
    copying = over.copy()
    fill(over.target, [someone("zoe"), someone("\udce9")])
    over.verify(copying)
    fill(over.source, [someone("new")])
    over.verify(copying)


def test_conflicts_are_no_difference_but_a_change_beside_them_is(between: Callable[[str, str], Between]) -> None:
    over = between("files", "sqlite")
    fill(over.source, [*many(10), someone("bob", info="new")])
    fill(over.target, [someone("bob", info="old")])
    copying = over.copy()
    assert copying.tally.conflicts == 1
    assert over.target.delete("user000003@test.com")
    with pytest.raises(Differing) as told:
        over.verify(copying)
    assert (told.value.count, told.value.first) == (1, "user000003@test.com")


def test_the_digest_tells_every_part_of_a_user_and_the_order_but_not_the_store() -> None:
    def digest(*users: User) -> str:
        found = Digest()
        found.add(users)
        return found.hex()

    bob = someone("bob", "f", "i", drop_path="d", uid="u", ip_mask="m")
    different = [
        someone("bOb", "f", "i", drop_path="d", uid="u", ip_mask="m"),
        someone("bob", "g", "i", drop_path="d", uid="u", ip_mask="m"),
        someone("bob", "f", "j", drop_path="d", uid="u", ip_mask="m"),
        someone("bob", "f", "i", drop_path="e", uid="u", ip_mask="m"),
        someone("bob", "f", "i", drop_path="d", uid="v", ip_mask="m"),
        someone("bob", "f", "i", drop_path="d", uid="u", ip_mask="n"),
        someone("bobf", "", "i", drop_path="d", uid="u", ip_mask="m").changed(stored_password=""),
    ]
    assert len({digest(bob), *map(digest, different)}) == 8
    assert digest(bob, different[0]) != digest(different[0], bob)
    assert digest(bob) == digest(bob.changed(store="elsewhere"))


# --- who stands there -------------------------------------------------------------------------------------------------


def test_users_set_aside_come_back_as_they_were_and_the_listing_is_read_to_its_end() -> None:
    odd = [user for user in ODD if fold(user.name).isprintable()]
    users = [*odd, someone("full", drop_path="d", uid="u", ip_mask="m", store="s"), *many(6000)]
    users.sort(key=lambda user: fold(user.name))
    listing = iter(users)
    standing = Standing(listing)
    standing.set_aside()
    assert next(listing, None) is None
    assert [standing.find(fold(user.name)) for user in users] == users
    standing.finish()
    assert standing.alone


def test_only_who_is_alone_is_said_to_be_alone() -> None:
    def asked(there: str, names: str) -> bool:
        standing = Standing(iter([someone(name) for name in there]))
        for name in names:
            standing.find(name)
        standing.finish()
        return standing.alone

    assert asked("", "abc")
    assert asked("bc", "abcd")
    assert not asked("abc", "ac")
    assert not asked("abc", "bc")
    assert not asked("abc", "ab")
    assert not asked("a\udce9", "a\udce9")  # it may be, but nobody can tell by the order
    assert not asked("ba", "ab")


# --- what cannot be told ----------------------------------------------------------------------------------------------


def test_a_store_that_is_down_ends_the_copy_and_what_was_copied_stays() -> None:
    class Breaking(MemoryStore):
        def put_all(self, users: Sequence[User]) -> list[User]:
            if len(self._users) >= 20:
                raise Unavailable("down")
            return super().put_all(users)

    source, target = MemoryStore(many(50)), Breaking()
    copying = Copying(source, target, fitting(FILES, TABLE), batch_users=10)
    with pytest.raises(Unavailable):
        copying.run()
    assert (copying.tally.copied, len(everybody(target))) == (20, 20)


def test_a_target_that_refuses_every_user_is_told_for_each() -> None:
    class Refusing(MemoryStore):
        def put_all(self, users: Sequence[User]) -> list[User]:
            raise Refused(f"no place for {len(users)}")

    tally = Between((FILES, MemoryStore(many(7))), (TABLE, Refusing())).copy().tally
    assert (tally.copied, tally.refused, {one.reason for one in tally.problems}) == (0, 7, {"no place for 1"})


def test_a_name_whose_place_is_uncertain_passes_nobody_over() -> None:
    standing = Standing(iter([someone("a"), someone("b"), someone("z")]))
    assert standing.find("\udce9") is None
    assert standing.find("a") is not None
    assert standing.knows("c")
    assert standing.find("z") is not None
    assert standing.find("b") is None
    assert not standing.knows("c")


def test_a_password_that_only_root_reads_is_not_copied_as_one_that_lets_nobody_in() -> None:
    system = SystemConfig(path="/nowhere", passwords="shadow")
    way = fitting(system, TABLE)
    assert way.fitted(someone("bob", "$6$x$y")).stored_password == "$6$x$y"
    with pytest.raises(Refused, match="root alone reads"):
        way.fitted(someone("bob", "x"))
    assert fitting(FILES, TABLE).fitted(someone("bob", "x")).stored_password == "x"


@pytest.mark.parametrize(
    ("source", "target", "text"),
    [
        (ProcessConfig(path="/nowhere", command=("x",)), TABLE, "verifies passwords by itself and gives none out"),
        (FILES, SystemConfig(path="/nowhere"), "store system takes no users"),
    ],
)
def test_what_cannot_be_copied_from_or_to_is_told_before_anything(
    source: StoreConfig, target: StoreConfig, text: str
) -> None:
    with pytest.raises(Refused, match=text):
        fitting(source, target)
