"""A plan over a store gives what a model of a few lines gives; twice, not a byte more; rehearsed, nothing."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwauth.copying import Fitting
from nwauth.errors import Refused
from nwauth.model import Info, User
from nwauth.names import NameRules, covering, fold
from nwauth.passwords import Passwords
from nwauth.provisioning import Applying, Judging, Keeping, Reader, formats, spool, work
from nwauth.provisioning.formats import read
from nwauth.service import StoreRules
from nwauth.stores.sql import SqlStore
from tests.stores.folders import opened, ssha

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nwauth.stores.base import Store

HASHES = [ssha("one"), ssha("two"), "$1$abc$0123456789012345678901"]
PLAIN = ["ann@a.com", "Ann@a.com", "bob@a.com", "carl@a.com", "carl@b.com", "dora@b.com", "{x}@b.com", "e"]
NAMES = [*PLAIN, "Zoë@a.com", "zoë@a.com"]
VALUES = ["1", "2", "x y", "100%", "%s", "a%%b", "{0}", "\\", "Jürgen", "a:b", ""]
DEFAULTS = ["9", "100%", "a%%b", "%s", "%(name)s", "{0} \\ 'x'", "Jürgen", "a:b"]
SCOPES = ["", "*@a.com", "ann"]
Model = dict[str, tuple[str, str, dict[str, str]]]  # by folded name: name, password field, info fields


@st.composite
def people(draw: st.DrawFn) -> Model:
    """Users in a store, some of whom are called as no plan may call anybody."""
    found: Model = {}
    for name in draw(st.lists(st.sampled_from([*NAMES, "odd name@a.com", "J\udcfcrgen@a.com"]), max_size=8)):
        fields = {key: value for key, value in draw(fields_of()).items() if value}
        found.setdefault(fold(name), (name, draw(st.sampled_from(HASHES)), fields))
    return found


def fields_of() -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(st.sampled_from(["quota", "full_name", "class"]), st.sampled_from(VALUES), max_size=3)


@st.composite
def said(draw: st.DrawFn) -> dict[str, Any]:
    """What a plan says of one user."""
    entry: dict[str, Any] = {"name": draw(st.sampled_from(NAMES))}
    state = draw(st.sampled_from(["", "", "", "present", "suspended", "absent"]))
    if state:
        entry["state"] = state
    if state != "absent":
        if draw(st.integers(0, 5)):
            entry["password_hash"] = draw(st.sampled_from(HASHES))
        if not draw(st.integers(0, 4)):
            entry["update_password"] = draw(st.sampled_from(["always", "on_create"]))
        entry |= draw(fields_of())
    return entry


@st.composite
def plans(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    head: dict[str, Any] = {}
    if draw(st.booleans()):
        head["update_password"] = draw(st.sampled_from(["always", "on_create"]))
    if draw(st.booleans()):
        head["defaults"] = {"quota": draw(st.sampled_from(DEFAULTS))}
    if scope := draw(st.sampled_from(SCOPES)):
        head["scope"] = {"match": scope}
    return head, draw(st.one_of(alike(), alike(), st.lists(said(), max_size=8)))


@st.composite
def alike(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Users of whom the same is said, as most plans have them."""
    keys = draw(st.lists(st.sampled_from(["quota", "full_name", "class"]), max_size=2, unique=True))
    has_hash = draw(st.integers(0, 4)) > 0
    entries: list[dict[str, Any]] = []
    for name in draw(st.lists(st.sampled_from(PLAIN), min_size=1, max_size=9, unique_by=fold)):
        entry = {"name": name, **({"password_hash": draw(st.sampled_from(HASHES[:2]))} if has_hash else {})}
        entries.append(entry | {key: draw(st.sampled_from(VALUES[:6])) for key in keys})
    if not draw(st.integers(0, 5)):  # a twin
        entries.append(entries[0] | {"name": entries[0]["name"].upper()})
    return entries


class Wrong(Exception):
    """The plan is not to be applied."""


def modelled(
    before: Model, head: dict[str, Any], entries: list[dict[str, Any]], *, prune: bool, percent: float
) -> Model:
    """What is to stand there afterwards.  Raises Wrong."""
    after = dict(before)
    scope = head.get("scope", {}).get("match", "")
    within = covering(scope) if scope else lambda _: True
    seen: set[str] = set()
    for entry in entries:
        key = fold(entry["name"])
        is_new = key not in before
        if not within(key) or key in seen or (is_new and not key.isascii() and entry.get("state") != "absent"):
            raise Wrong
        seen.add(key)
        if entry.get("state") == "absent":
            after.pop(key, None)
            continue
        if is_new and "password_hash" not in entry:
            raise Wrong
        after[key] = becomes(before.get(key, (entry["name"], entry.get("password_hash", ""), {})), entry, head)
    in_scope = [key for key in before if within(key)]
    left = [key for key in in_scope if key not in seen]
    if prune:
        if len(left) * 100 > percent * len(in_scope):
            raise Wrong
        for key in left:
            del after[key]
    return after


def becomes(
    was: tuple[str, str, dict[str, str]], entry: dict[str, Any], head: dict[str, Any]
) -> tuple[str, str, dict[str, str]]:
    """What an entry makes of a user."""
    name, field, fields = was[0], was[1], dict(was[2])
    if entry.get("update_password", head.get("update_password")) == "always":
        field = entry.get("password_hash", field)
    named = {one: value for one, value in entry.items() if one in ("quota", "full_name", "class")}
    if entry.get("state") == "suspended":
        named["mailstatus"] = "suspended"
    fields |= {one: value for one, value in head.get("defaults", {}).items() if one not in named and one not in fields}
    for one, value in named.items():
        fields[one] = value
        if not value:
            del fields[one]
    return name, field, fields


def listed(store: Store) -> Model:
    return {fold(one.name): (one.name, one.stored_password, one.info.fields()) for one in store.search()}


def filled(kind: str, folder: Path, users: Model) -> Store:
    store: Store
    if kind == "sqlite":
        store = SqlStore(f"sqlite:///{folder}/users.db")
        store.make()
    else:
        (folder / "nwauth.txt").write_bytes(b"")
        os.utime(folder / "nwauth.txt", (1, 1))
        store = opened(folder, shared=False)
    store.put_all(
        [
            User(name=name, stored_password=field, info=Info().updated(fields), store=store.name)
            for name, field, fields in users.values()
        ]
    )
    return store


def keeping_of(store: str, passwords: Passwords) -> Keeping:
    return Keeping(
        store=store,
        passwords=passwords,
        rules=StoreRules(scheme="ssha"),
        fitting=Fitting(star_was_clear=False, star_is_clear=False),
        make_password=lambda: "made-up-password",
        rehearses=False,
    )


def reader_of(passwords: Passwords, *, is_there: Callable[[str], bool], scope: str = "") -> Reader:
    """A reader that changes no name."""
    judging = Judging(
        names=NameRules(),
        whole=lambda name: name,
        passwords=passwords,
        scheme="ssha",
        star_is_clear=False,
        is_there=is_there,
        scope=scope,
    )
    return Reader(judging)


def read_over(store: Store, text: str, form: str, scope: str) -> Applying:
    """A plan that was read, over a store."""
    passwords = Passwords()
    reader = reader_of(passwords, is_there=lambda name: store.lookup(name) is not None, scope=scope)
    applying = Applying(store, reader, keeping_of(store.name, passwords))
    applying.read(read(io.BytesIO(text.encode("utf-8", "surrogateescape")), form))
    return applying


def as_csv(entries: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(["name", *(key for entry in entries for key in entry)]))
    file = io.StringIO()
    csv.writer(file).writerows([columns, *([entry.get(key, "") for key in columns] for entry in entries)])
    return file.getvalue()


def as_plan(head: dict[str, Any], entries: list[dict[str, Any]], form: str) -> str:
    if form == "csv":
        return as_csv(entries)
    if form == "json":
        return json.dumps({**head, "user": entries})
    return "".join(json.dumps(row, ensure_ascii=form == "ascii") + "\n" for row in ([head] if head else []) + entries)


def in_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for name in sorted(os.listdir(folder)):
        if name.startswith("nwauth.") and not name.endswith((".lock", ".idx")):
            yield name, (folder / name).read_bytes()


@pytest.mark.parametrize("kind", ["flatfile", "sqlite"])
@given(
    users=people(),
    was_applied=st.booleans(),
    plan=plans(),
    form=st.sampled_from(["ndjson", "ndjson", "ascii", "csv", "json"]),
    prune=st.booleans(),
    percent=st.sampled_from([0.0, 10.0, 50.0, 100.0]),
    few=st.sampled_from([0, 1000]),
    block=st.sampled_from([100, 100_000]),
)
def test_a_plan_gives_what_the_model_gives(
    kind: str,
    *,
    users: Model,
    was_applied: bool,
    plan: tuple[dict[str, Any], list[dict[str, Any]]],
    form: str,
    prune: bool,
    percent: float,
    few: int,
    block: int,
) -> None:
    head, entries = plan
    if form == "csv":  # it has no head, and an empty cell says nothing
        head, entries = {}, [{key: value for key, value in entry.items() if value} for entry in entries]
    text = as_plan(head, entries, form)
    if was_applied:  # since then everybody has chosen another password
        with suppress(Wrong):
            users = modelled(users, head, entries, prune=False, percent=0.0)
            users = {key: (name, HASHES[2], fields) for key, (name, _, fields) in users.items()}
    try:
        wanted = modelled(users, head, entries, prune=prune, percent=percent)
    except Wrong:
        wanted = None
    with (
        tempfile.TemporaryDirectory() as place,
        patch.object(work, "FEW_USERS", few),
        patch.object(spool, "RUN_ROWS", 3),
        patch.object(spool, "BLOCK_ROWS", 2),
        patch.object(formats, "BLOCK_BYTES", block),
    ):
        folder = Path(place)
        store = filled(kind, folder, users)
        try:
            assert listed(store) == users
            for again in (False, True):
                before, held = list(in_files(folder)), listed(store)
                applying = read_over(store, text, form if form in ("json", "csv") else "ndjson", "")
                try:
                    is_refused = False
                    try:
                        applying.compare(prune=prune, allow_percent=percent)
                    except Refused:
                        is_refused = True
                    assert (list(in_files(folder)), listed(store)) == (before, held)  # so far it is a dry run
                    assert (is_refused or applying.tally.failed > 0) == (wanted is None)
                    if wanted is None:
                        return
                    assert not (again and applying.tally.differs)
                    if applying.tally.differs:
                        applying.making.apply(one_by_one=False)
                    assert listed(store) == wanted
                    if again:
                        assert list(in_files(folder)) == before
                finally:
                    applying.close()
        finally:
            store.close()


@pytest.mark.parametrize("kind", ["flatfile", "sqlite"])
def test_those_who_are_right_are_changed_where_many_would_have_been_pruned(kind: str, tmp_path: Path) -> None:
    users: Model = {f"user{number:02}@a.com": (f"user{number:02}@a.com", HASHES[0], {}) for number in range(20)}
    new = [{"name": f"{name}@a.com", "password_hash": HASHES[0]} for name in ("ann", "zoe")]
    text = as_plan({"scope": {"match": "*@a.com"}}, [*new, {"name": "bad name:@a.com"}], "ndjson")
    with patch.object(work, "FEW_USERS", 0), patch.object(spool, "RUN_ROWS", 3), patch.object(spool, "BLOCK_ROWS", 2):
        store = filled(kind, tmp_path, users)
        applying = read_over(store, text, "ndjson", "")
        try:
            applying.compare(prune=True, allow_percent=100.0)
            assert (applying.tally.changed, applying.tally.removed, applying.tally.failed) == (2, 0, 1)
            assert [one.user.name for one in applying.changes.first(5)] == ["ann@a.com", "zoe@a.com"]
            applying.making.apply(one_by_one=True)
            assert listed(store).keys() == {*users, "ann@a.com", "zoe@a.com"}
        finally:
            applying.close()
            store.close()


@given(entries=alike(), defaults=st.dictionaries(st.sampled_from(["quota", "Class", "n%s"]), st.sampled_from(DEFAULTS)))
def test_what_is_made_of_many_at_a_time_is_what_is_made_of_each(
    entries: list[dict[str, Any]], defaults: dict[str, str]
) -> None:
    passwords = Passwords()
    reader = reader_of(passwords, is_there=lambda _: False)
    text = as_plan({"defaults": defaults}, entries, "ndjson").encode()
    found = [one for one in reader.entries(read(io.BytesIO(text), "ndjson"), takes_plain=True) if isinstance(one, list)]
    for rows in found:
        keeping = keeping_of("store", passwords)
        for row, held in zip(rows, reader.plain.new_users(rows, reader.defaults, mixed=True), strict=True):
            if held is not None:
                assert keeping.wanted(reader.entry_of(row), None, reader.defaults)[0] == User.of(held, store="store")
