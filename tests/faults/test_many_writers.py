"""Several children and writers at once, foreign programs beside them: every acknowledged change is there in the end."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from nwauth.errors import Unavailable
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
            assert ask(store, "always") is not None, "always told absent"
            assert ask(store, "user0000100@example.com") is not None, "user0000100 told absent"
        except Unavailable:
            pass
        if merging and step % 15 == 14:
            try:
                store.merge()
            except Unavailable:
                continue
    store.close()
    note(out, acknowledged)


@pytest.mark.parametrize("foreign", ["lines", "half lines", "a held journal", "rewrites"])
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
        for path_ in out:
            for name, field in json.loads(path_.read_text()).items():
                assert seen[name][1] == field, name
        assert {"always", "user0000100@example.com"} <= set(seen)
        if foreign in ("lines", "a held journal"):
            prefix = "foreign" if foreign == "lines" else "held"
            missing = [number for number in range(OPERATIONS * 5) if f"{prefix}{number}" not in seen]
            assert not missing
            assert all(seen[f"{prefix}{number}"][1] == ssha(str(number)) for number in range(OPERATIONS * 5))
        assert {name for name in seen if not name.startswith(("always", "user", "ours", "foreign", "held"))} <= set()
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
    while not (folder / "done").exists():
        store.tend()
        for _ in range(20):
            name = f"user{rng.randrange(1300):07d}@example.com"
            try:
                found = ask(store, name)
            except Unavailable:
                continue
            assert found is not None, name
            assert found.name == name
            assert found.stored_password == ssha("secret")
    store.close()
