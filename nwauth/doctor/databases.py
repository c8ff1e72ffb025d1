"""Stores in a database: whether it finds and changes users as nwauth needs, told of each store of the survey."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.config.kinds.sql import SqlConfig
from nwauth.doctor.finding import counted, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.doctor.finding import Finding
    from nwauth.doctor.listed import Listed
    from nwauth.doctor.place import Place


def of_store(place: Place, one: Listed) -> Iterator[Finding]:
    """What was seen of a database while its users went by."""
    if not isinstance(one.one, SqlConfig):
        return
    found = one.folded_otherwise
    if found.number:
        yield finding(
            "database-folds",
            f"store {one.one.name}: the database does not find {found.told} in another case",
            mend=f"give the column of names in {one.store.place()} another collation, or spell the names in lower case",
            users=found.names,
        )
    if one.scanned:
        yield _scanned(one, one.one)
    if one.denied:
        rights = " and ".join(one.denied)
        yield finding(
            "changes-denied",
            f"store {one.one.name}: the account in url lacks the right to {rights}: {next(iter(one.denied.values()))}",
            mend=f"as the administrator of the database GRANT {', '.join(one.denied)} on that table to the account; or,"
            f" if nwauth is not to change the users, in {place.settings} set read_only = true for the store"
            f" {one.one.name}",
            file=place.settings,
        )


def _scanned(one: Listed, settings: SqlConfig) -> Finding:
    table, asked = settings.table, one.scanned
    which = "each look-up" if any(not _is_folded(names) for names in asked) else "to find nobody, or in another case,"
    return finding(
        "slow-lookups",
        f"store {settings.name}: the table {table} has no index by {' and none by '.join(asked)}: {which} reads"
        f" {counted(one.users, 'user')}",
        mend="; and ".join(_index(one, table, names) for names in asked),
    )


def _index(one: Listed, table: str, names: str) -> str:
    """How a table gets the index by the `names` that look-ups ask for."""
    if _is_folded(names) and one.store.place().startswith("MariaDB"):  # which has none of what it works out
        return "give the column of names a collation that ignores case, as utf8mb4_general_ci"
    index = f"{table.replace('.', '_')}_{'folded' if _is_folded(names) else 'name'}"
    return f"in the database type CREATE INDEX {index} ON {table} ({names})"


def _is_folded(names: str) -> bool:
    return names.startswith("lower(")
