"""``kind = "sql"``: a table in a database, our own or another program's."""

from __future__ import annotations

import os

from nwauth.config.part import StoreConfig, time_outs
from nwauth.options import Options
from nwauth.passwords.values import SCHEMES_KEPT, SCHEMES_MADE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, Self

    from nwauth.passwords.values import Settings
    from nwauth.stores.sql.columns import Columns

WANTED_URL = "a database's URL, as sqlite:///users.db"


class SqlConfig(StoreConfig):
    """A table in a database (spec/stores.md section 2); without `columns` it is our own schema's.

    `path` is the folder whose owner root becomes.  `keep`: a changed password keeps the scheme of the field that it
    replaces.  `url` and `read_url` may hold passwords.
    """

    __slots__ = (
        "columns",
        "connect_timeout_seconds",
        "keep",
        "name",
        "new_scheme",
        "password_format",
        "path",
        "read_only",
        "read_url",
        "statement_timeout_seconds",
        "table",
        "upgrade",
        "url",
    )
    SECRET = ("url", "read_url")
    kind: Final = "sql"

    def __init__(
        self,
        *,
        path: str,
        url: str,
        name: str = "sql",
        read_url: str | None = None,
        table: str = "accounts",
        columns: Columns | None = None,
        password_format: str = "auto",  # noqa: S107, a form
        connect_timeout_seconds: float = 2.0,
        statement_timeout_seconds: float = 4.0,
        new_scheme: str = "argon2id",
        keep: bool = False,
        upgrade: bool = True,
        read_only: bool = False,
    ) -> None:
        self.path: Final = path
        self.url: Final = url
        self.name: Final = name
        self.read_url: Final = read_url
        self.table: Final = table
        self.columns: Final = columns
        self.password_format: Final = password_format
        self.connect_timeout_seconds: Final = connect_timeout_seconds
        self.statement_timeout_seconds: Final = statement_timeout_seconds
        self.new_scheme: Final = new_scheme
        self.keep: Final = keep
        self.upgrade: Final = upgrade and not read_only
        self.read_only: Final = read_only

    def patient(self, seconds: float) -> Self:
        return self.changed(statement_timeout_seconds=max(self.statement_timeout_seconds, seconds))


def read(table: Options, passwords: Settings) -> SqlConfig:
    """The settings of one ``[[stores]]`` of this kind.  Raises ConfigError."""
    url = _url(table, "url", table.required("url", secret=True, wanted=WANTED_URL))
    read_url = table.text("read_url", None, secret=True)
    columns = _columns(table.table("columns")) if "columns" in table else None
    read_only = table.boolean("read_only", False)
    given = SqlConfig(path="", url="")
    connect, statement = time_outs(
        table,
        "statement_timeout_seconds",
        connect=given.connect_timeout_seconds,
        default=given.statement_timeout_seconds,
    )
    return SqlConfig(
        path=folder_of(url, table.folder),
        url=url,
        name=table.text("name", given.name, wanted="a name") or given.name,
        read_url=None if read_url is None else _url(table, "read_url", read_url),
        table=_table_name(table, given.table),
        columns=columns,
        connect_timeout_seconds=connect,
        statement_timeout_seconds=statement,
        read_only=read_only,
        **_sql_passwords(table, passwords, foreign=columns is not None, read_only=read_only),
    )


def _url(table: Options, key: str, url: str) -> str:
    scheme, colon, rest = url.partition(":")
    if not colon or not rest.startswith("//") or not scheme.replace("+", "").replace("_", "").isalnum():
        raise table.error(key, f"found a string that is no URL, wanted {WANTED_URL}")
    return located_url(url, table.folder)


def located_url(url: str, folder: str) -> str:
    """A database's URL; a relative SQLite file is taken from `folder`."""
    head, slashes, path = url.partition(":///")
    if head.lower() in ("sqlite", "sqlite+pysqlite") and slashes and path:
        return f"sqlite:///{os.path.abspath(os.path.join(folder, path))}"
    return url


def url_of_word(word: str, *, file: str, folder: str) -> str:
    """The URL that a word of the command line is, as ``nwauth.toml`` in `folder` would mean it; errors name `file`.

    Raises:
        ConfigError: it names an environment variable that is not set.
    """
    return located_url(Options({"url": word}, file=file).required("url", secret=True), folder)


def folder_of(url: str, folder: str) -> str:
    """The folder whose owner root becomes for a located URL: that of SQLite's file, else that of the settings."""
    return os.path.dirname(url.partition("///")[2]) if url.startswith("sqlite:") else folder


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


def _table_name(table: Options, default: str) -> str:
    found = table.text("table", default, wanted="a name")
    _must_be_identifier(table, "table", found)
    return found


def _must_be_identifier(table: Options, key: str, found: str) -> None:
    """Raises ConfigError for a name that not every database's statements can hold safely."""
    if not found or not found.isprintable() or any(character in '%`"' for character in found):
        raise table.error(key, f"found {found!a}, wanted the name of a table or column, without %, ` and quotes")


class _Mapping:
    """``[stores.columns]`` as it is read: each column once, each info field once; neither has case here."""

    def __init__(self, table: Options) -> None:
        self._table = table
        self._taken: dict[str, str] = {}
        self.fields: dict[str, str] = {}

    def column(self, key: str) -> str | None:
        """The column of an optional key."""
        found = self._table.text(key, None, wanted="a name")
        return None if found is None else self.checked(key, found)

    def checked(self, key: str, column: str) -> str:
        """A column that no other key has."""
        _must_be_identifier(self._table, key, column)
        other = self._taken.setdefault(column.lower(), key)
        if other != key:
            raise self._table.error(key, f'found "{column}", which {other} has, wanted each column once')
        return column

    def field(self, key: str, field: str, column: str | None) -> None:
        """An info field, where it has a column."""
        if column is None:
            return
        if field.lower() in map(str.lower, self.fields):
            raise self._table.error(key, f"found it beside info.{field}, wanted one column for the field {field}")
        self.fields[field] = self.checked(key, column)


def _columns(table: Options) -> Columns:
    from nwauth.stores.sql.columns import Columns

    mapping = _Mapping(table)
    name = mapping.checked("name", table.required("name", wanted="the column of user names"))
    password = mapping.checked("password", table.required("password", wanted="the column of passwords"))
    for field, column in table.mapping("info").items():
        if not field or not field.isprintable() or any(character in ' "=' for character in field):
            raise table.error(f"info.{ascii(field)[1:-1]}", "wanted the name of an info field: no blanks, quotes or =")
        mapping.field(f"info.{field}", field, column)
    mapping.field("forward", "fwd", table.text("forward", None, wanted="a name"))
    mapping.field("quota", "quota", table.text("quota", None, wanted="a name"))
    found = Columns(
        name=name,
        password=password,
        drop_path=mapping.column("drop_path"),
        uid=mapping.column("uid"),
        ip_mask=mapping.column("ip_mask"),
        info=mapping.fields,
        info_text=mapping.column("info_text"),
        read_only=table.texts("read_only", ()),
    )
    for column in found.read_only:
        if column not in found.mapped():
            raise table.error(
                "read_only", f'found "{column}", wanted one of the mapped columns: {", ".join(found.mapped())}'
            )
    return found
