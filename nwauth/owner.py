"""Root works as the owner of the folder: its commands for good, its serving children where a library opens files.

So commands can never lock the server's children out of it, and whoever owns it leads root nowhere.
"""

from __future__ import annotations

import os
import sys

from nwauth.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Final

# What speaks to databases and directories, and what it imports on use where it is there.
DATABASES = ("nwauth.stores.ldap", "nwauth.stores.sql.drivers.", "nwauth.stores.sql.schema")
DATABASES_ON_USE = (
    "psycopg2.extras",
    "sansldap",
    "socket",
    "sqlalchemy.dialects.mysql",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.dialects.sqlite",
    "ssl",
    "threading",
)

# What our modules import on use, and what those import on use; tests/test_owner.py compares it with their sources.
ON_USE = (
    "_argon2_cffi_bindings",
    "_blake2",
    "argon2._utils",
    "argon2.low_level",
    "array",
    "base64",
    "bcrypt",
    "binascii",
    "ctypes",
    "datetime",
    "encodings.idna",
    "encodings.utf_8_sig",
    "errno",
    "hashlib",
    "heapq",
    "hmac",
    "io",
    "ipaddress",
    "itertools",
    "json",
    "linecache",
    "marshal",
    "operator",
    "passlib.exc",
    "passlib.hash",
    "pwd",
    "re",
    "secrets",
    "select",
    "signal",
    "struct",
    "syslog",
    "tempfile",
    "time",
    "tomllib",
    "traceback",
    "unicodedata",
    "urllib.parse",
    "warnings",
    "zoneinfo",
)

HARMLESS = ("LANG", "LANGUAGE", "PATH", "TERM", "TZ")
_TAKEN: list[int] = []  # the ids of whom this process has become, by `become_owner`


def become_owner(folder: str) -> None:
    """If this is root and `folder` belongs to another, take the ids of its owner, for good.

    All that may be needed is imported first: the interpreter may lie where that owner cannot read.  Raises OSError.
    """
    if os.geteuid() != 0:
        return
    try:
        status = os.stat(folder)
    except OSError:
        return  # no folder: the store says so
    if status.st_uid == 0:
        return
    _import_all(databases=_names_database(folder))
    gid, groups = _groups_of(status.st_uid, status.st_gid)
    os.setgroups(groups)
    os.setgid(gid)
    os.setuid(status.st_uid)
    _TAKEN.append(status.st_uid)


class AsOwner:
    """Within it a serving child that is root has the ids of the owner of a folder; to any other it is nothing.

    For a library that opens, makes and removes files by name, as SQLite does, and by what stands in a file beside the
    database too: it can do no more than the folder's owner could do alone.  `folders`: the first that is not root's.
    Raises OSError, as entering it does.
    """

    def __init__(self, *folders: str) -> None:
        self._ids: tuple[int, int, list[int]] | None = None
        self._own: Final = (os.getegid(), os.getgroups())
        for folder in folders if os.geteuid() == 0 else ():
            status = os.stat(folder or ".")
            if status.st_uid != 0:
                self._ids = (status.st_uid, *_groups_of(status.st_uid, status.st_gid))
                break

    @property
    def is_another(self) -> bool:
        """Whether it is another account than that of this process."""
        return self._ids is not None

    def __enter__(self) -> None:
        if self._ids is None:
            return
        uid, gid, groups = self._ids
        try:
            os.setgroups(groups)
            os.setegid(gid)
            os.seteuid(uid)
        except BaseException:
            self._end()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ids is not None:
            self._end()

    def _end(self) -> None:
        gid, groups = self._own
        os.seteuid(0)
        os.setegid(gid)
        os.setgroups(groups)


def was_root() -> bool:
    """Whether this process was started by root, and has become another."""
    return bool(_TAKEN)


def environment() -> dict[str, str]:
    """The environment for a program that somebody's settings name: root's own is not for whom root became."""
    if not _TAKEN:
        return dict(os.environ)
    from pwd import getpwuid

    harmless = (*HARMLESS, *(name for name in os.environ if name.startswith(("LC_", "NWAUTH_"))))
    kept = {name: os.environ[name] for name in harmless if name in os.environ}
    try:
        account = getpwuid(_TAKEN[-1])
    except KeyError:  # an id without a name
        return kept
    return kept | {"HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name}


def _groups_of(uid: int, gid: int) -> tuple[int, list[int]]:
    """The group to take, and all groups: of a folder's group 0 only who is in it, as `chown mail DIR` leaves it."""
    from pwd import getpwuid

    try:
        account = getpwuid(uid)
    except KeyError:  # an id without a name
        return gid, [gid]
    own = os.getgrouplist(account.pw_name, account.pw_gid)
    if gid == 0 and 0 not in own:
        return account.pw_gid, own
    return gid, os.getgrouplist(account.pw_name, gid)


def _names_database(folder: str) -> bool:
    """Whether the command line or the folder's settings hold a URL: a database's libraries take long to import."""
    if any("://" in word for word in sys.argv):
        return True
    try:
        fd = os.open(os.path.join(folder, "nwauth.toml"), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return False
    with open(fd, "rb") as file:
        try:
            return b"://" in file.read(1 << 20)
        except OSError:
            return False


def _import_all(*, databases: bool) -> None:
    """Import every module of ours and what they import on use; a library that lacks is told of by who needs it."""
    from importlib import import_module
    from pkgutil import walk_packages

    import nwauth

    for module in walk_packages(nwauth.__path__, "nwauth."):
        if module.name.endswith("__main__") or (module.name.startswith(DATABASES) and not databases):
            continue
        try:
            import_module(module.name)
        except ConfigError:
            continue
    for name in ON_USE:
        import_module(name)
    for name in DATABASES_ON_USE if databases else ():
        try:
            import_module(name)
        except ImportError:
            continue
