"""A look at the throttle's database that leaves it, and what lies beside it, as it is."""

from __future__ import annotations

import os
import sqlite3

from nwauth.policy.throttle import files
from nwauth.policy.throttle.database import APPLICATION_ID, SCHEMA, located

MOST_STEPS = 1_000_000_000  # some ten seconds


def library_version() -> str:
    """The version of the SQLite that Python has."""
    return sqlite3.sqlite_version


def fault(path: str) -> str:
    """What is wrong with the database at `path`; empty: nothing, or there is none.

    Raises:
        OSError: it cannot be looked at.
    """
    try:
        files.looked_at(path)
    except FileNotFoundError:
        return ""
    files.look_beside(path)
    # Without a log nobody has it open, and a look must not make one; with one, what stands there counts too.
    way = "mode=ro" if os.path.exists(path + files.LOGS[0]) else "mode=ro&immutable=1"
    connection = sqlite3.connect(located(path, way), uri=True, isolation_level=None)
    try:
        connection.set_progress_handler(lambda: 1, MOST_STEPS)
        return _fault_of(connection)
    except sqlite3.Error as error:
        return str(error)
    finally:
        connection.close()


def _fault_of(connection: sqlite3.Connection) -> str:
    """Raises SQLite's errors."""
    connection.execute("PRAGMA trusted_schema = OFF")
    if connection.execute("PRAGMA application_id").fetchall() != [(APPLICATION_ID,)]:
        return "it is no database of nwauth's throttle"
    found = {str(text) for (text,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    strange = sorted(found.symmetric_difference(SCHEMA))
    if strange:
        lacks = strange[0] in SCHEMA
        return f"{'it lacks' if lacks else 'another program has put into it'}: {' '.join(strange[0].split())[:100]}"
    ((told,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
    return "" if told == "ok" else str(told)
