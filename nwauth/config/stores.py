"""``[[stores]]``: one function a kind of store, in `KINDS`."""

from __future__ import annotations

import os

from nwauth.config.values import MAX_SECONDS, SHARED_SCHEME, FlatfileConfig, SqlConfig
from nwauth.passwords.values import SCHEMES_KEPT, SCHEMES_MADE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from nwauth.config.values import StoreConfig
    from nwauth.options import Options
    from nwauth.passwords.values import Settings
    from nwauth.stores.sql.columns import Columns

    T = TypeVar("T")

MAX_BYTES = 2**40
WANTED_URL = "a database's URL, as sqlite:///users.db"


def read_stores(options: Options, passwords: Settings) -> tuple[StoreConfig, ...] | None:
    """Every ``[[stores]]`` of the file; None where there is none.

    Raises:
        ConfigError: one cannot be used, or two have the same name.
    """
    tables = options.tables("stores")
    found: list[StoreConfig] = []
    for table in tables:
        one = KINDS[table.choice("kind", "flatfile", tuple(KINDS))](table, passwords)
        if any(one.name == other.name for other in found):
            raise table.error("name", f'found "{one.name}" a second time, wanted a name for each of the [[stores]]')
        found.append(one)
    return tuple(found)


def _flatfile(table: Options, passwords: Settings) -> FlatfileConfig:
    given = FlatfileConfig(path="")
    shared = table.boolean("shared", given.shared)
    read_only = table.boolean("read_only", given.read_only)
    upgrade = table.boolean("upgrade", None)
    scheme = table.choice("scheme", None, SCHEMES_MADE)
    if shared and upgrade:
        raise table.error(
            "upgrade", "found true with shared = true, wanted false: what shares the folder reads only ssha"
        )
    if shared and scheme not in {None, SHARED_SCHEME}:
        raise table.error("scheme", f'found "{scheme}" with shared = true, wanted "{SHARED_SCHEME}" or shared = false')
    if read_only and upgrade:
        raise table.error("upgrade", "found true with read_only = true, wanted false: an upgrade is a write")
    return FlatfileConfig(
        path=table.path("path", "."),
        name=table.text("name", given.name, wanted="a name") or given.name,
        shared=shared,
        settle_seconds=table.number("settle_seconds", given.settle_seconds, minimum=0, maximum=MAX_SECONDS),
        max_journal_bytes=table.integer("max_journal_bytes", None, minimum=1, maximum=MAX_BYTES, or_word="auto"),
        new_scheme=scheme or passwords.scheme,
        upgrade=passwords.upgrade if upgrade is None else upgrade,
        read_only=read_only,
    )


def _sql(table: Options, passwords: Settings) -> SqlConfig:
    url = located_url(table.required("url", secret=True, wanted=WANTED_URL), table.folder)
    read_url = table.text("read_url", None, secret=True)
    columns = _columns(table.table("columns")) if "columns" in table else None
    read_only = table.boolean("read_only", False)
    given = SqlConfig(path="", url="")
    number = table.number
    return SqlConfig(
        path=os.path.dirname(url.partition("///")[2]) if url.startswith("sqlite:") else table.folder,
        url=url,
        name=table.text("name", given.name, wanted="a name") or given.name,
        read_url=None if read_url is None else located_url(read_url, table.folder),
        table=_identifier(table, "table", given.table),
        columns=columns,
        connect_timeout_seconds=number(
            "connect_timeout_seconds", given.connect_timeout_seconds, minimum=0.1, maximum=60
        ),
        statement_timeout_seconds=number(
            "statement_timeout_seconds", given.statement_timeout_seconds, minimum=0.1, maximum=60
        ),
        read_only=read_only,
        **_sql_passwords(table, passwords, foreign=columns is not None, read_only=read_only),
    )


def located_url(url: str, folder: str) -> str:
    """A database's URL; a relative SQLite file is taken from `folder`."""
    head, slashes, path = url.partition(":///")
    if head.lower() == "sqlite" and slashes and path:
        return f"sqlite:///{os.path.abspath(os.path.join(folder, path))}"
    return url


def _sql_passwords(table: Options, passwords: Settings, *, foreign: bool, read_only: bool) -> dict[str, Any]:
    """How the table keeps passwords: in somebody else's, a field keeps its scheme unless a scheme is given."""
    from nwauth.stores.sql.format import FORMATS

    form = table.choice("password_format", "auto", FORMATS)
    scheme = table.choice("scheme", None, SCHEMES_MADE + SCHEMES_KEPT if foreign else SCHEMES_MADE)
    upgrade = table.boolean("upgrade", None)
    if form != "auto" and not foreign:
        raise table.error("password_format", f'found "{form}", wanted "auto" where there are no [stores.columns]')
    if form != "auto" and scheme not in {None, form}:
        raise table.error("scheme", f'found "{scheme}" with password_format = "{form}", wanted the same or none')
    if read_only and upgrade:
        raise table.error("upgrade", "found true with read_only = true, wanted false: an upgrade is a write")
    if foreign and upgrade and scheme is None:
        raise table.error(
            "upgrade", "found true, wanted a scheme beside it: which can the table's other programs read?"
        )
    return {
        "password_format": form,
        "new_scheme": scheme or (passwords.scheme if form == "auto" else form),
        "keep": foreign and scheme is None,
        "upgrade": (not foreign and passwords.upgrade) if upgrade is None else upgrade,
    }


def _identifier(table: Options, key: str, default: T) -> str | T:
    """The name of a table or column; what no statement can hold safely in every database is refused."""
    found = table.text(key, default, wanted="a name")
    if isinstance(found, str):
        _must_be_identifier(table, key, found)
    return found


def _must_be_identifier(table: Options, key: str, found: str) -> None:
    if not found or not found.isprintable() or any(character in '%`"' for character in found):
        raise table.error(key, f"found {found!r}, wanted the name of a table or column, without %, ` and quotes")


def _columns(table: Options) -> Columns:
    from nwauth.stores.sql.columns import Columns

    info = table.mapping("info")
    for key, field in (("forward", "fwd"), ("quota", "quota")):
        column = _identifier(table, key, None)
        if column is not None:
            if field in info:
                raise table.error(key, f"found it beside info.{field}, wanted one column for the field {field}")
            info[field] = column
    for field in info:
        if not field or field.strip() != field or any(character in ' \t="' for character in field):
            raise table.error(f"info.{field}", "wanted the name of an info field: no blanks, quotes or =")
    found = Columns(
        name=table.required("name", wanted="the column of user names"),
        password=table.required("password", wanted="the column of passwords"),
        drop_path=_identifier(table, "drop_path", None),
        uid=_identifier(table, "uid", None),
        ip_mask=_identifier(table, "ip_mask", None),
        info=info,
        info_text=_identifier(table, "info_text", None),
        read_only=table.texts("read_only", ()),
    )
    for column in found.mapped():
        _must_be_identifier(table, "name", column)
    _must_be_mapped_once(table, found)
    return found


def _must_be_mapped_once(table: Options, found: Columns) -> None:
    columns = found.mapped()
    twice = [column for column in columns if columns.count(column) > 1]
    if twice:
        raise table.error("name", f'found the column "{twice[0]}" mapped twice, wanted each column once')
    for column in found.read_only:
        if column not in columns:
            raise table.error("read_only", f'found "{column}", wanted one of the mapped columns: {", ".join(columns)}')


KINDS: dict[str, Callable[[Options, Settings], StoreConfig]] = {"flatfile": _flatfile, "sql": _sql}
