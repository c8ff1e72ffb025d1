"""The floor of a child over SQL: lines in, the statement that nwauth executes, lines out, and nothing else.

usage: sql_raw.py sqlite FILE | psycopg2 DSN | psycopg DSN | pymysql JSON   [plain | load FILE]

It answers `lookup NAME` in the form of nwauth's replies, one write for all that came by one read, and `search PATTERN`
by the rows of a SELECT that is read piece by piece.  No name is judged, no error met, no connection looked at.
`plain` leaves out what tells a replica from its primary.  `load` puts the users of a nwauth.txt into an empty table
instead, in one transaction, as fast as the driver can.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    Row = tuple[Any, ...]
    Lookup = Callable[[str], Row | None]
    Search = Callable[[str], Iterable[list[Row]]]

COLUMNS = "a.name, a.stored_password, a.drop_path, a.uid, a.ip_mask, a.info"
BY_KEY = f"SELECT {COLUMNS} FROM accounts AS a WHERE a.name_key = "
TOLD = f"SELECT s.is_replica, {COLUMNS} FROM (SELECT {{}} AS is_replica) AS s LEFT JOIN accounts AS a ON a.name_key = "
LISTED = f"SELECT {COLUMNS} FROM accounts AS a{{}} ORDER BY a.name_key"
LIKE = " WHERE a.name_key LIKE {} ESCAPE '!'"
ROWS = 2000
FILLED = ("name_key", "name", "stored_password", "info")
LOADED_ROWS = 10_000


def listed(mark: str, pattern: str) -> tuple[str, tuple[str, ...]]:
    if pattern == "*":
        return LISTED.format(""), ()
    return LISTED.format(LIKE.format(mark)), (f"%{pattern.lower()}%",)


def pieces(cursor: Any) -> Iterable[list[Row]]:
    while rows := cursor.fetchmany(ROWS):
        yield rows


def told(row: Row | None) -> Row | None:
    return None if row is None or row[1] is None else row[1:]


def sqlite(place: str, *, plain: bool) -> tuple[Lookup, Search]:  # noqa: ARG001, it has no replicas
    import sqlite3

    connection = sqlite3.connect(place, isolation_level=None)
    cursor = connection.cursor()
    statement = BY_KEY + "?"

    def search(pattern: str) -> Iterable[list[Row]]:
        return pieces(connection.execute(*listed("?", pattern)))

    return lambda key: cursor.execute(statement, (key,)).fetchone(), search


def psycopg2(place: str, *, plain: bool) -> tuple[Lookup, Search]:
    import psycopg2

    connection = psycopg2.connect(place)
    connection.autocommit = True
    cursor = connection.cursor()
    find = BY_KEY if plain else TOLD.format("pg_is_in_recovery()")
    cursor.execute(f"PREPARE find AS {find}$1")

    def lookup(key: str) -> Row | None:
        cursor.execute("EXECUTE find(%s)", (key,))
        return cursor.fetchone() if plain else told(cursor.fetchone())

    def search(pattern: str) -> Iterable[list[Row]]:
        connection.autocommit = False
        with connection, connection.cursor("listing") as listing:
            listing.execute(*listed("%s", pattern))
            yield from pieces(listing)
        connection.autocommit = True

    return lookup, search


def psycopg(place: str, *, plain: bool) -> tuple[Lookup, Search]:
    import psycopg

    connection = psycopg.connect(place, autocommit=True, prepare_threshold=0)
    cursor = connection.cursor()
    statement = (BY_KEY if plain else TOLD.format("pg_is_in_recovery()")) + "%s"

    def lookup(key: str) -> Row | None:
        row = cursor.execute(statement, (key,)).fetchone()
        return row if plain else told(row)

    def search(pattern: str) -> Iterable[list[Row]]:
        with connection.transaction(), connection.cursor("listing") as listing:
            listing.execute(*listed("%s", pattern))
            yield from pieces(listing)

    return lookup, search


def pymysql(place: str, *, plain: bool) -> tuple[Lookup, Search]:
    import json

    import pymysql
    from pymysql.cursors import SSCursor

    connection = pymysql.connect(**json.loads(place), autocommit=True)
    cursor = connection.cursor()
    statement = (BY_KEY if plain else TOLD.format("@@global.read_only")) + "%s"

    def lookup(key: str) -> Row | None:
        cursor.execute(statement, (key,))
        return cursor.fetchone() if plain else told(cursor.fetchone())

    def search(pattern: str) -> Iterable[list[Row]]:
        with connection.cursor(SSCursor) as listing:
            listing.execute(*listed("%s", pattern))
            yield from pieces(listing)

    return lookup, search


def users(path: str) -> Iterator[tuple[str, ...]]:
    with open(path, encoding="utf-8") as f:
        for line in f:
            name, stored_password, info = line.rstrip("\n").split(":", 2)
            yield name.lower(), name, stored_password, info


def insert(mark: str) -> str:
    return f"INSERT INTO accounts ({', '.join(FILLED)}) VALUES ({', '.join([mark] * len(FILLED))})"


def load_sqlite(place: str, path: str) -> None:
    import sqlite3

    connection = sqlite3.connect(place, isolation_level=None)
    connection.execute("BEGIN")
    connection.executemany(insert("?"), users(path))
    connection.execute("COMMIT")
    connection.close()


def load_psycopg2(place: str, path: str) -> None:
    from io import StringIO
    from itertools import islice

    import psycopg2

    connection = psycopg2.connect(place)
    rows = users(path)
    with connection, connection.cursor() as cursor:
        while lines := ["\t".join(row) + "\n" for row in islice(rows, LOADED_ROWS)]:
            cursor.copy_expert(f"COPY accounts ({', '.join(FILLED)}) FROM STDIN", StringIO("".join(lines)))
    connection.close()


def load_pymysql(place: str, path: str) -> None:
    import json
    from itertools import islice

    import pymysql

    connection = pymysql.connect(**json.loads(place))
    rows = users(path)
    with connection.cursor() as cursor:
        while some := list(islice(rows, LOADED_ROWS)):
            cursor.executemany(insert("%s"), some)
    connection.commit()
    connection.close()


LOADERS = {"sqlite": load_sqlite, "psycopg2": load_psycopg2, "pymysql": load_pymysql}
DRIVERS = {"sqlite": sqlite, "psycopg2": psycopg2, "psycopg": psycopg, "pymysql": pymysql}


def told_found(lookup: Lookup, name: str) -> str:
    row = lookup(name.lower())
    return f"+OK {row[0]} {row[2]} {row[3]} {row[5]}\n" if row else f"-ERR {name} does not exist\n"


def tell_all(search: Search, pattern: str) -> str:
    found = 0
    for rows in search(pattern):
        found += len(rows)
        os.write(1, "".join([f"+DATA {row[0]} {row[5]}\n" for row in rows]).encode())
    return f"+OK Search Complete {found} items found\n"


def main() -> None:
    if sys.argv[3:4] == ["load"]:
        LOADERS[sys.argv[1]](sys.argv[2], sys.argv[4])
        return
    lookup, search = DRIVERS[sys.argv[1]](sys.argv[2], plain=sys.argv[3:] == ["plain"])
    rest = b""
    while block := os.read(0, 8192):
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        replies = []
        for line in lines:
            command, _, subject = line.decode().partition(" ")
            replies.append(told_found(lookup, subject) if command == "lookup" else tell_all(search, subject))
        os.write(1, "".join(replies).encode())


if __name__ == "__main__":
    main()
