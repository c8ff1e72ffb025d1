"""Several children and writers at once, foreign programs beside them: every acknowledged change is there in the end."""

from __future__ import annotations

import json
import os
import random
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import Unavailable
from nwauth.names import NameRules
from nwauth.passwords import Passwords, Settings
from nwauth.service import NoSuchUser, Service, StoreRules
from nwauth.stores.flatfile.notes import LockFile
from tests.faults.folders import Child, start, wait_for
from tests.stores.folders import (
    IN_CI,
    ask,
    base,
    fast_folder,
    foreign_view,
    fresh_view,
    line,
    many,
    opened,
    ssha,
    stat_only,
    until,
    user,
)

if TYPE_CHECKING:
    from collections.abc import Callable

OPERATIONS = 400 if IN_CI else 60
WRITERS = 4


def note(path: Path, facts: object) -> None:
    path.write_text(json.dumps(facts))


def work(folder: Path, number: int, *, shared: bool, out: Path) -> None:  # noqa: C901 - one step of each kind
    """Change users of one's own and a common one; tell what was acknowledged."""
    rng = random.Random(number)
    store = opened(folder, shared=shared, max_journal_bytes=2000)
    if number % 2:
        stat_only(store)
    mine: dict[str, str | None] = {}
    unsure: list[str] = []
    common = 0
    for step in range(OPERATIONS):
        name = f"w{number}-{rng.randrange(12)}"
        action = rng.choice(["set", "set", "set", "del", "lookup", "common", "merge" if step % 20 == 19 else "set"])
        store.tend()
        try:
            if action == "set":
                old = ask(store, name)
                if name not in unsure:
                    assert (None if old is None else old.stored_password) == mine.get(name), name
                field = ssha(f"{number} {step}")
                unsure.append(name)
                done = (
                    store.put(user(name, f"{number} {step}"))
                    if old is None
                    else store.replace(old, old.changed(stored_password=field))
                )
                assert done
                mine[name] = field
                unsure = [other for other in unsure if other != name]
            elif action == "del":
                unsure.append(name)
                known = mine.get(name)
                done = store.delete(name)
                if unsure.count(name) == 1:
                    assert done == (known is not None), name
                mine[name] = None
                unsure = [other for other in unsure if other != name]
            elif action == "lookup":
                found = ask(store, name)
                if name not in unsure:
                    assert (None if found is None else found.stored_password) == mine.get(name), name
                assert ask(store, "always") is not None
            elif action == "common":
                old = ask(store, "common")
                assert old is not None
                count = int(old.info.get("count") or "0")
                common += store.replace(old, old.changed(info=old.info.updated({"count": str(count + 1)})))
            else:
                store.merge()
        except Unavailable:
            continue
    store.close()
    note(out, {"mine": mine, "unsure": unsure, "common": common})


@pytest.mark.parametrize("shared", [True, False])
def test_every_change_acknowledged_to_any_of_four_writers_is_there_in_the_end(shared: bool) -> None:  # noqa: FBT001
    with fast_folder() as path:
        folder = base(Path(path) / "users", line("always") + line("common") + many(1200 if IN_CI else 30))
        out = [Path(path) / f"out{number}" for number in range(WRITERS)]
        pids = [
            start(lambda number=number: work(folder, number, shared=shared, out=out[number]))  # type: ignore[misc]
            for number in range(WRITERS)
        ]
        assert wait_for(pids) == [0] * WRITERS
        facts = [json.loads(path.read_text()) for path in out]
        assert until(lambda: no_helpers(folder))
        seen = fresh_view(folder)
        for fact in facts:
            for name, field in fact["mine"].items():
                if name not in fact["unsure"]:
                    assert (seen[name][1] if name in seen else None) == field, name
        assert seen["common"][2] == (f'count="{sum(fact["common"] for fact in facts)}"')
        assert len(seen) == 2 + (1200 if IN_CI else 30) + len([name for name in seen if name.startswith("w")])
        store = opened(folder, shared=shared, settle_seconds=0)
        store.merge()
        assert fresh_view(folder) == seen
        if shared:
            assert {key.decode() for key in foreign_view(folder)} == set(seen)
        store.close()


def no_helpers(folder: Path) -> bool:
    return not [name for name in os.listdir(folder) if name == "nwauth.tmp.rewrite"]


def test_four_real_children_on_one_folder_serve_what_each_was_told() -> None:
    with fast_folder() as path:
        folder = base(Path(path) / "users", many(40))
        children = [Child(folder, "-size", "1500") for _ in range(WRITERS)]
        for step in range(OPERATIONS // 4):
            for number, child in enumerate(children):
                name = f"c{number}-{step % 7}"
                assert child.ask(f'set {name} pw{step} n="{step}"') == f"+OK {name} added to database"
                other = children[(number + 1) % WRITERS]
                assert other.ask(f"lookup {name.upper()}") == f'+OK {name} config 0 n="{step}"'
                assert other.ask(f"check {name} pw{step}").startswith("+OK")
                if step % 5 == 4:
                    assert child.ask(f"del {name}") == f"+OK {name} deleted"
                    assert other.ask(f"lookup {name}") == f"-ERR {name} does not exist"
                assert other.ask("lookup user0000007@example.com").startswith("+OK")
        for child in children:
            child.close()


# --- foreign programs ------------------------------------------------------------------------------------------------


def append_lines(folder: Path, count: int, *, halves: bool) -> None:
    """Append without any lock: one write a line, or half a line at a time."""
    for number in range(count):
        row = line(f"foreign{number}", str(number))
        fd = os.open(folder / "nwauth.add", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        if halves and number % 3 == 0:
            os.write(fd, row[: len(row) // 2])
            os.write(fd, row[len(row) // 2 :])
        else:
            os.write(fd, row)
        os.close(fd)


def rewrite_file(folder: Path, count: int) -> None:
    """Rewrite nwauth.txt in place, again and again: truncated, then written in pieces; always with the same users."""
    rows = line("always") + many(200)
    for _ in range(count):
        with (folder / "nwauth.txt").open("r+b") as file:
            file.truncate(0)
            for at in range(0, len(rows), 5000):
                file.write(rows[at : at + 5000])
                file.flush()


def hold_and_append(folder: Path, count: int) -> None:
    """Hold the journal open across merges, with one write a line."""
    fd = os.open(folder / "nwauth.add", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for number in range(count):
        os.write(fd, line(f"held{number}", str(number)))
    os.close(fd)


def change_and_look(folder: Path, number: int, out: Path, *, merging: bool) -> None:
    store = opened(folder, shared=False)
    acknowledged: dict[str, str] = {}
    answers = 0
    for step in range(OPERATIONS):
        store.tend()
        name = f"ours{number}-{step % 9}"
        try:
            old = ask(store, name)
            assert old is not None or name not in acknowledged, f"{name} told absent"
            field = ssha(f"{number} {step}")
            if (
                store.put(user(name, f"{number} {step}"))
                if old is None
                else store.replace(old, old.changed(stored_password=field))
            ):
                acknowledged[name] = field
        except Unavailable:
            pass
        try:
            for always in ("always", "user0000100@example.com"):
                found = ask(store, always)
                assert found is not None, f"{always} told absent"
                assert found.stored_password == ssha("secret")
                answers += 1
        except Unavailable:
            pass
        if merging and step % 15 == 14:
            try:
                store.merge()
            except Unavailable:
                continue
    store.close()
    note(out, {"acknowledged": acknowledged, "answers": answers})


def fields_of(name: str) -> set[str]:
    """Every password field that anybody ever gave the user."""
    if name.startswith(("foreign", "held")):
        return {ssha(name.removeprefix("foreign").removeprefix("held"))}
    if name.startswith("ours"):
        number, _, nth = name.removeprefix("ours").partition("-")
        return {ssha(f"{number} {step}") for step in range(int(nth), OPERATIONS, 9)}
    return {ssha("secret")}


# Of the questions for users that are there, so many must be answered: "cannot tell" for ever is no service.
ANSWERED = {"lines": 0.9, "half lines": 0.9, "a held journal": 0.9, "rewrites": 0.02}


@pytest.mark.parametrize("foreign", ANSWERED)
def test_beside_a_foreign_program_nothing_acknowledged_is_lost_and_no_name_is_wrongly_absent(foreign: str) -> None:
    with fast_folder() as path:
        folder = base(Path(path) / "users", line("always") + many(200))
        out = [Path(path) / f"out{number}" for number in range(2)]
        programs = {
            "lines": lambda: append_lines(folder, OPERATIONS * 5, halves=False),
            "half lines": lambda: append_lines(folder, OPERATIONS * 5, halves=True),
            "a held journal": lambda: hold_and_append(folder, OPERATIONS * 5),
            "rewrites": lambda: rewrite_file(folder, OPERATIONS),
        }
        pids = [
            start(lambda number=number: change_and_look(folder, number, out[number], merging=foreign != "rewrites"))  # type: ignore[misc]
            for number in range(2)
        ]
        pids.append(start(programs[foreign]))
        assert wait_for(pids) == [0, 0, 0]
        store = opened(folder, shared=False, settle_seconds=0)
        ask(store, "nobody")
        ask(store, "nobody")
        seen = fresh_view(folder)
        told = [json.loads(path.read_text()) for path in out]
        for one in told:
            assert one["answers"] >= ANSWERED[foreign] * 2 * OPERATIONS
            for name, field in one["acknowledged"].items():
                assert seen[name][1] == field, name
        if foreign != "rewrites":  # while a file is being rewritten, all may be "cannot tell"
            assert sum(len(one["acknowledged"]) for one in told)
        assert {"always", "user0000100@example.com"} <= set(seen)
        if foreign in ("lines", "a held journal"):
            prefix = "foreign" if foreign == "lines" else "held"
            missing = [number for number in range(OPERATIONS * 5) if f"{prefix}{number}" not in seen]
            assert not missing
        for name, (_, field, info) in seen.items():
            assert name.startswith(("always", "user", "ours", "foreign", "held")), name
            assert field in fields_of(name), f"{name} has the field {field}"
            assert info == ('quota="10"' if name.startswith("user") else ""), f"{name} has the info {info}"
        store.close()


def test_a_reader_beside_merges_and_deletions_never_misses_a_user() -> None:
    with fast_folder() as path:
        folder = base(Path(path) / "users", many(1300))
        writer = start(lambda: churn(folder))
        readers = [start(lambda which=which: read_all(folder, writer, which)) for which in (True, False)]  # type: ignore[misc]
        assert wait_for([writer, *readers]) == [0, 0, 0]


def churn(folder: Path) -> None:
    store = opened(folder)
    for step in range(OPERATIONS // 3):
        assert store.put(user(f"x{step}"))
        if step % 3 == 0:
            store.merge()
        assert store.delete(f"x{step}")
    (folder / "done").write_bytes(b"")


def read_all(folder: Path, _writer: int, stat: bool) -> None:  # noqa: FBT001
    store = opened(folder)
    if stat:
        stat_only(store)
    rng = random.Random(3)
    answered = refused = 0
    while not (folder / "done").exists():
        store.tend()
        for _ in range(20):
            name = f"user{rng.randrange(1300):07d}@example.com"
            try:
                found = ask(store, name)
            except Unavailable:
                refused += 1
                continue
            answered += 1
            assert found is not None, name
            assert found.name == name
            assert found.stored_password == ssha("secret")
    assert answered > 20 * refused, f"{answered} answered, {refused} refused"
    store.close()


# --- one who is overtaken --------------------------------------------------------------------------------------------


def service_of(folder: Path) -> Service:
    store = opened(folder, shared=False)
    rules = {store.name: StoreRules(scheme="ssha", upgrade_to=None, star_is_clear=True)}
    return Service(store, Passwords(Settings()), rules=rules, names=NameRules(), now=lambda: datetime.now(UTC))


MEANWHILE: dict[str, Callable[[Service], object]] = {
    "a new password": lambda other: other.set("bob", b"newer", {}),
    "new info": lambda other: other.set("bob", None, {"quota": "7"}),
    "a deletion": lambda other: other.delete("bob"),
    "deleted and added again": lambda other: (other.delete("bob"), other.set("bob", b"newer", {})),
}


@pytest.mark.parametrize("change", MEANWHILE.values(), ids=MEANWHILE.keys())
@pytest.mark.parametrize("after", ["lookup", "put"])
def test_a_rename_keeps_what_was_changed_or_deleted_under_the_old_name_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Service], object], after: str
) -> None:
    folder = base(tmp_path / "users", line("bob", info='a="1"'))
    service, other = service_of(folder), service_of(folder)
    real, done = getattr(service.store, after), list[bool]()

    def overtaken(*given: object) -> object:
        found = real(*given)
        if not done:
            done.append(True)
            change(other)
        return found

    monkeypatch.setattr(service.store, after, overtaken)
    try:
        assert service.rename("bob", "carol")
    except NoSuchUser:
        assert change is MEANWHILE["a deletion"]
    other.store._view.look_again(force=True)  # type: ignore[attr-defined]
    wanted = other.lookup("carol")
    assert other.lookup("bob") is None
    if change is MEANWHILE["a deletion"]:
        assert wanted is None
    else:
        assert wanted is not None
        assert (wanted.info.get("quota") == "7") == (change is MEANWHILE["new info"])
        password = b"secret" if change is MEANWHILE["new info"] else b"newer"
        assert other.check("carol", password) is not None
    assert len(fresh_view(folder)) == (wanted is not None)


def test_a_login_that_upgrades_a_password_does_not_wait_for_the_lock() -> None:
    with fast_folder() as path:
        folder = base(Path(path) / "users", b"bob:*secret:\n")
        (folder / "nwauth.toml").write_text('[[stores]]\nkind = "flatfile"\nshared = false\nscheme = "ssha"\n')
        lock = LockFile(str(folder / "nwauth.lock"), model=str(folder / "nwauth.txt"))
        lock.take()
        with Child(folder) as child:
            assert child.ask("lookup bob") == "+OK bob config 0"
            started = time.monotonic()
            assert child.ask("check bob secret") == "+OK bob config 0"
            assert child.ask("check bob wrong").startswith("-ERR")
            assert time.monotonic() - started < 3
            assert not (folder / "nwauth.add").exists()
            lock.release()
            assert child.ask("check bob secret") == "+OK bob config 0"
            assert b"bob:{ssha}" in (folder / "nwauth.add").read_bytes()
            assert child.ask("check bob secret") == "+OK bob config 0"
        lock.close()


def test_four_children_who_find_the_journal_too_long_make_one_merge_within_a_minute() -> None:
    with fast_folder() as path:
        folder = base(Path(path) / "users", many(30_000), line("eve") * 40)
        first = (folder / "nwauth.txt").stat().st_ino
        children = [Child(folder, "-size", "1000") for _ in range(WRITERS)]
        for step in range(40):
            for number, child in enumerate(children):
                assert child.ask(f'set c{number}-{step % 5} (NULL) n="{step}"').startswith(("+OK", "-ERR"))
                assert child.ask(f'set c{number}-{step % 5} pw{step} n="{step}"').startswith("+OK")
        assert until(lambda: (folder / "nwauth.txt").stat().st_ino != first and no_helpers(folder))
        second = (folder / "nwauth.txt").stat().st_ino
        for step in range(30):
            for number, child in enumerate(children):
                assert child.ask(f'set c{number}-{step % 5} pw{step} n="{step}"').startswith("+OK")
        for child in children:
            child.close()
        assert until(lambda: no_helpers(folder))
        assert (folder / "nwauth.add").stat().st_size > 1000
        assert (folder / "nwauth.txt").stat().st_ino == second
        assert len(fresh_view(folder)) == 30_000 + 1 + 5 * WRITERS
