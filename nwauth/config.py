"""The configuration: frozen values, and the reader of ``nwauth.toml`` (spec: every key typed, unknown keys refused).

A folder without that file is served as NWAuth left it; then nothing is parsed and no parser imported.
A further kind of store is one function in `KINDS` and one class in `StoreConfig`.
"""

from __future__ import annotations

import errno
import os
from stat import S_ISREG

from nwauth.errors import ConfigError
from nwauth.model import Record
from nwauth.names import BAD_CHARACTERS
from nwauth.passwords.values import SCHEMES_MADE, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Final, Self

    from nwauth.options import Options

FILE_NAME = "nwauth.toml"
LOG_NAME = "nwauth.log"
SHARED_SCHEME = "ssha"  # the one that NWAuth and SurgeMail read: spec/stores.md section 1
LEVELS = ("error", "info", "debug")
FORMATS = ("text", "ndjson")
ADDRESSES = ("auto", "always", "never")
LOG_WORDS = ("syslog", "null")  # destinations of the log that are no file
_MAX_BYTES = 2**40
_MAX_SECONDS = 86_400


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


StoreConfig = FlatfileConfig  # a union, once there are more kinds: build matches over it exhaustively


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


def read(folder: str, *, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration of `folder`; without ``nwauth.toml`` its flat files, shared (so does a folder that is absent).

    Raises:
        ConfigError: the file is there and cannot be used.
    """
    folder = os.path.normpath(folder or ".")
    file = os.path.normpath(os.path.join(folder, FILE_NAME))
    try:
        with open(file, "rb", opener=_without_waiting) as opened:
            content = opened.read()
    except FileNotFoundError:
        if os.path.islink(file):  # its target is gone: not the same as "never configured"
            raise ConfigError(f"{file}: found a link to {os.readlink(file)}, which is not there") from None
        return Config(folder=folder)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    from nwauth.options import Options

    options = Options(_parsed(content, file), file=file, environ=environ)
    config = _config(options, folder)
    options.finish()
    return config


def _without_waiting(path: str, flags: int) -> int:
    """Opens a file, and nothing that a read could hang on, as a FIFO."""
    fd = os.open(path, flags | os.O_NONBLOCK)
    if not S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is no regular file")
    return fd


def _parsed(content: bytes, file: str) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        ConfigError: it is none; with line and column, never with the text found there.
    """
    import tomllib

    try:
        text = content.removeprefix(b"\xef\xbb\xbf").decode()  # some editors begin a file with a byte order mark
    except UnicodeDecodeError as error:
        before = content[: error.start].rpartition(b"\n")[2]
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}: line {line}, column {len(before) + 1}: found bytes that are no UTF-8") from None
    try:
        return tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError is one, and so is a number of too many digits
        raise ConfigError(f"{file}: {_located(str(error), text)}") from None
    except RecursionError:
        raise ConfigError(f"{file}: found tables or arrays nested beyond all bounds") from None


def _located(message: str, text: str) -> str:
    """A message of tomllib with its position in front, and the word for what most people meet."""
    what, _, where = message.removesuffix(")").rpartition(" (at ")
    if not what:
        return "found a number of too many digits"
    if where == "end of document":
        where = f"line {len(text.splitlines()) or 1}, at the end of the file"
    if what == "Cannot overwrite a value":
        key = text.splitlines()[int(where.split()[1].rstrip(",")) - 1].partition("=")[0].strip()
        # A line that is no key may be a part of somebody's secret.
        what = f"found the key{' ' + key if key.isidentifier() else ''} a second time, wanted it once"
    elif what.startswith("Cannot declare"):
        what = "found a table a second time, wanted it once"
    return f"{where}: {what}"


def _config(options: Options, folder: str) -> Config:
    if "policy" in options:
        raise options.error("policy", "access rules are not built yet: take this table out")
    passwords = _passwords(options.table("passwords"))
    return Config(
        folder=folder,
        file=options.file,
        stores=_stores(options, passwords),
        server=ServerConfig(address=options.table("server").choice("address", "auto", ADDRESSES)),
        names=_names(options.table("names")),
        passwords=passwords,
        log=_log(options.table("log")),
    )


def _stores(options: Options, passwords: Settings) -> tuple[StoreConfig, ...] | None:
    tables = options.tables("stores")
    if len(tables) > 1:
        raise options.error(
            "stores", f"found {len(tables)} [[stores]], wanted one: routes over several are not built yet"
        )
    return tuple(KINDS[table.choice("kind", "flatfile", tuple(KINDS))](table, passwords) for table in tables)


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
        settle_seconds=table.number("settle_seconds", given.settle_seconds, minimum=0, maximum=_MAX_SECONDS),
        max_journal_bytes=table.integer("max_journal_bytes", None, minimum=1, maximum=_MAX_BYTES, or_word="auto"),
        new_scheme=scheme or passwords.scheme,
        upgrade=passwords.upgrade if upgrade is None else upgrade,
        read_only=read_only,
    )


KINDS: dict[str, Callable[[Options, Settings], StoreConfig]] = {"flatfile": _flatfile}


def _names(table: Options) -> NamesConfig:
    given = NamesConfig()
    return NamesConfig(
        default_domain=table.text("default_domain", given.default_domain),
        allow_ats=table.boolean("allow_ats", given.allow_ats),
        allow_high_ascii=table.boolean("allow_high_ascii", given.allow_high_ascii),
        badchar=table.text("badchar", given.badchar),
        badchar_localpart=table.text("badchar_localpart", given.badchar_localpart),
    )


def _passwords(table: Options) -> Settings:
    given = Settings()
    argon2id = table.table("argon2id")
    lanes = argon2id.integer("lanes", given.argon2id_lanes, minimum=1, maximum=64)
    try:
        return Settings(
            scheme=table.choice("scheme", given.scheme, SCHEMES_MADE),
            argon2id_memory_kib=argon2id.integer(
                "memory_kib", given.argon2id_memory_kib, minimum=8 * lanes, maximum=1 << 20
            ),
            argon2id_iterations=argon2id.integer("iterations", given.argon2id_iterations, minimum=1, maximum=100),
            argon2id_lanes=lanes,
            bcrypt_cost=table.integer("bcrypt_cost", given.bcrypt_cost, minimum=4, maximum=16),
            sha512_rounds=table.integer("sha512_rounds", given.sha512_rounds, minimum=1_000, maximum=5_000_000),
            yescrypt_cost=table.integer("yescrypt_cost", given.yescrypt_cost, minimum=1, maximum=11),
            upgrade=table.boolean("upgrade", given.upgrade),
            memo_seconds=table.integer("memo_seconds", int(given.memo_seconds), minimum=0, maximum=_MAX_SECONDS),
            netwin_weak=table.boolean("netwin_weak", given.netwin_weak),
            weak_after=table.date("weak_after", given.weak_after, or_word="never"),
        )
    except ValueError as error:  # values that do not go together
        raise ConfigError(f"{table.file}: passwords.{error}") from None


def _log(table: Options) -> LogConfig:
    given = LogConfig(file=LOG_NAME)
    return LogConfig(
        file=table.path("file", given.file, words=LOG_WORDS),
        level=table.choice("level", given.level, LEVELS),
        format=table.choice("format", given.format, FORMATS),
    )


def commented_example(*, shared: bool = False) -> str:
    """What ``nwauth init`` writes: every setting with its default, behind a ``#``; prose stands behind ``# ``."""
    return _EXAMPLE.format(
        shared="true " if shared else "false",
        scheme=SHARED_SCHEME if shared else "argon2id",
        upgrade="false" if shared else "true",
    )


_EXAMPLE = """\
# nwauth.toml: settings of nwauth. Take the # from a line to change its setting; each shows its default.
# Relative paths start at this file's folder. In a string, ${{NAME}} takes an environment variable ($${{ is ${{ itself),
# and {{ file = "..." }} in place of a string reads it from a file that only its owner and group can read.

[[stores]]
kind = "flatfile"
path = "."                        # folder of nwauth.txt and nwauth.add
# true: NWAuth, SurgeMail or others still read this folder; new passwords are {{ssha}} and none is upgraded.
# false: ours alone. This is one-way: they cannot read the passwords that are written from then on.
shared = {shared}
# Shown in the log.
#name = "flatfile"
# A nwauth.txt that a foreign program wrote less than this long ago may be unfinished.
#settle_seconds = 2.0
# Size of nwauth.add that starts a merge, in bytes; "auto": a tenth of nwauth.txt, from 1 to 2 MiB.
#max_journal_bytes = "auto"
# Scheme of new passwords, and whether old ones are stored again in it at login; here for this store alone.
#scheme = "{scheme}"
#upgrade = {upgrade}
#read_only = false

[server]
# Does the mail server send the client's address behind the password of a check? auto, always, never.
#address = "auto"

[names]
# Added to a name that has no domain.
#default_domain = ""
# May a name that is added hold more than one @, bytes above 126, these characters, these before the @?
#allow_ats = false
#allow_high_ascii = false
#badchar = ':"/\\*?,;<>|%'
#badchar_localpart = ""

[passwords]
# argon2id, bcrypt, sha512-crypt, yescrypt, ssha; a shared folder always gets ssha.
#scheme = "argon2id"
#argon2id = {{ memory_kib = 19456, iterations = 2, lanes = 1 }}
#bcrypt_cost = 12
#sha512_rounds = 100000
#yescrypt_cost = 5
# Store an old password again in the scheme above when its user logs in.
#upgrade = true
# How long a right password need not be computed again; 0: always computed.
#memo_seconds = 600
# Accept the hash of NWAuth 2.0 and 3.0b. Many passwords fit one such hash.
#netwin_weak = false
# From this date on passwords in weak schemes are refused: 2027-01-01, without quotes; "never".
#weak_after = "never"

[log]
# A file, "syslog", or "null" for none.
#file = "nwauth.log"
# error, info (a line for each request), debug; the option -log means info, -debug debug.
#level = "error"
# text, or ndjson: one JSON object a line.
#format = "text"
"""
