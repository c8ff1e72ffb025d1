"""The configuration as frozen values: what an administrator can say, with its defaults."""

from __future__ import annotations

import os

from nwauth.model import Record
from nwauth.names import BAD_CHARACTERS
from nwauth.passwords.values import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, Self

    from nwauth.stores.sql.columns import Columns

FILE_NAME = "nwauth.toml"
LOG_NAME = "nwauth.log"
SHARED_SCHEME = "ssha"  # the one that NWAuth and SurgeMail read: spec/stores.md section 1
LEVELS = ("error", "info", "debug")
FORMATS = ("text", "ndjson")
ADDRESSES = ("auto", "always", "never")
MAX_SECONDS = 86_400
LOG_WORDS = ("syslog", "null")  # destinations of the log that are no file


class Part(Record):
    """A part of the configuration: its ``__slots__`` are the arguments of its constructor."""

    __slots__ = ()

    def changed(self, **changes: Any) -> Self:
        """A copy with what is given in place of what is: how options of the command line take precedence."""
        fields: tuple[str, ...] = self.__slots__
        return type(self)(**{field: getattr(self, field) for field in fields} | changes)


class FlatfileConfig(Part):
    """A folder of flat files (spec/stores.md section 1).

    `new_scheme` and `upgrade` are what holds, not what was asked: a shared folder gets `SHARED_SCHEME` and no
    upgrade whatever is given here, a read-only one no upgrade.  `max_journal_bytes` None: a tenth of ``nwauth.txt``,
    from 1 to 2 MiB.
    """

    __slots__ = ("max_journal_bytes", "name", "new_scheme", "path", "read_only", "settle_seconds", "shared", "upgrade")
    kind: Final = "flatfile"

    def __init__(
        self,
        *,
        path: str,
        name: str = "flatfile",
        shared: bool = True,
        settle_seconds: float = 2.0,
        max_journal_bytes: int | None = None,
        new_scheme: str = "argon2id",
        upgrade: bool = True,
        read_only: bool = False,
    ) -> None:
        self.path: Final = path
        self.name: Final = name
        self.shared: Final = shared
        self.settle_seconds: Final = settle_seconds
        self.max_journal_bytes: Final = max_journal_bytes
        self.new_scheme: Final = SHARED_SCHEME if shared else new_scheme
        self.upgrade: Final = upgrade and not shared and not read_only
        self.read_only: Final = read_only


class SqlConfig(Part):
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


StoreConfig = FlatfileConfig | SqlConfig


class ServerConfig(Part):
    """How a request is read; `address` is one of `ADDRESSES` (spec/protocol.md, check)."""

    __slots__ = ("address",)

    def __init__(self, *, address: str = "auto") -> None:
        self.address: Final = address


class NamesConfig(Part):
    """Which names may be added, and the domain of those that have none (spec/protocol.md section 4)."""

    __slots__ = ("allow_ats", "allow_high_ascii", "badchar", "badchar_localpart", "default_domain")

    def __init__(
        self,
        *,
        default_domain: str = "",
        allow_ats: bool = False,
        allow_high_ascii: bool = False,
        badchar: str = BAD_CHARACTERS,
        badchar_localpart: str = "",
    ) -> None:
        self.default_domain: Final = default_domain
        self.allow_ats: Final = allow_ats
        self.allow_high_ascii: Final = allow_high_ascii
        self.badchar: Final = badchar
        self.badchar_localpart: Final = badchar_localpart


class LogConfig(Part):
    """Where the log goes (a path, or one of `LOG_WORDS`), how much of it, and its form."""

    __slots__ = ("file", "format", "level")

    def __init__(self, *, file: str, level: str = "error", format: str = "text") -> None:  # noqa: A002, the key's name
        self.file: Final = file
        self.level: Final = level
        self.format: Final = format


class Config(Part):
    """Everything an administrator can say.  `file` is None where there is no ``nwauth.toml`` in `folder`."""

    __slots__ = ("file", "folder", "log", "names", "passwords", "server", "stores")

    def __init__(
        self,
        *,
        folder: str,
        file: str | None = None,
        stores: tuple[StoreConfig, ...] | None = None,
        server: ServerConfig | None = None,
        names: NamesConfig | None = None,
        passwords: Settings | None = None,
        log: LogConfig | None = None,
    ) -> None:
        self.folder: Final = folder
        self.file: Final = file
        self.stores: Final = stores or (FlatfileConfig(path=folder),)
        self.server: Final = server or ServerConfig()
        self.names: Final = names or NamesConfig()
        self.passwords: Final = passwords or Settings()
        self.log: Final = log or LogConfig(file=os.path.join(folder, LOG_NAME))
