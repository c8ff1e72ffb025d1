"""A copy of one store in a folder of its own, with settings that lead nowhere else.

Flat files, passwd files and SQLite are copied.  Of a database server, a directory or another module there is no copy:
its settings are made to lead to a port of this machine, or to a program that does as it is told.
"""

from __future__ import annotations

import glob
import os
import shutil
import sqlite3
import tomllib
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from nwauth.config import FlatfileConfig
from nwauth.config.kinds.passwd import DOMAIN, PasswdConfig
from nwauth.config.kinds.sql import SqlConfig
from nwauth.conformance.standins import HERE
from nwauth.conformance.tables import written
from nwauth.conformance.transcripts import LONG_AGO
from nwauth.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

    from nwauth.config import Config, StoreConfig

ROUTE = ("match", "match_set", "do_set", "do_del", "strip_suffix", "strip_prefix", "migrate_to")
KEPT = ("server", "names", "passwords")  # the tables that the copy has too; its log and rules are its own
FILES, SQLITE, SERVER, DIRECTORY, PROGRAM, SYSTEM = "files", "sqlite", "server", "directory", "program", "system"


class Copy:
    """One store, copied to `folder`.  `data` are the copied files of users; `sort` says how the store can be broken."""

    def __init__(self, folder: str, config: Config, chosen: StoreConfig) -> None:
        self.folder: Final = folder
        self.chosen: Final = chosen
        self.sort: Final = _sort(chosen)
        self.data: list[str] = []
        self._kept, self._store = _tables(config, chosen)

    @property
    def url(self) -> str:
        """Of a database; it may hold a password."""
        return str(getattr(self.chosen, "url", ""))

    def make(self) -> None:
        """Copy the users, and write the settings.

        Raises:
            Unavailable: something cannot be read or written.
        """
        os.mkdir(self.folder, 0o700)
        try:
            self._copy()
        except (OSError, sqlite3.Error) as error:
            raise Unavailable(f"{self.chosen.path}: cannot be copied to be broken: {error}") from None

    def remove(self) -> None:
        """Take the copy away again."""
        for path in self.data:
            if os.path.exists(path):
                os.chmod(path, 0o600)
        shutil.rmtree(self.folder, ignore_errors=True)

    def lead_to(self, port: int) -> None:
        """Have a database's or directory's settings lead to a port of this machine; no secret is taken along."""
        store = {key: value for key, value in self._store.items() if key not in ("read_url", "ca_file", "start_tls")}
        if self.sort == SERVER:
            scheme = self.url.partition(":")[0]
            store["url"] = f"{scheme}://nwauth:none@{HERE}:{port}/nwauth"
        else:
            store |= {"urls": [f"ldap://{HERE}:{port}"], "check_certificate": False}
            if "bind_dn" in store:
                store["bind_password"] = "none"  # noqa: S105, nobody's
        self._settings(store)

    def start(self, command: list[str]) -> None:
        """Have another module's settings start this program."""
        self._settings(
            {key: value for key, value in self._store.items() if key not in ("environment", "folder")}
            | {"command": command}
        )

    def stand_in(self, user: str) -> None:
        """Have flat files with this one user, for what has nothing to do with the store."""
        self.data = [os.path.join(self.folder, "nwauth.txt")]
        with open(self.data[0], "wb") as file:
            file.write(user.encode("utf-8", "surrogateescape") + b":!:\n")
        os.utime(self.data[0], (LONG_AGO, LONG_AGO))
        self._settings({"kind": "flatfile", "path": "."})

    def _copy(self) -> None:
        match self.chosen:
            case FlatfileConfig():
                self._take(
                    self.chosen.path, [os.path.join(self.chosen.path, f"nwauth.{end}") for end in ("txt", "add")]
                )
                self._settings(self._store | {"path": "."})
            case PasswdConfig():
                self._copy_passwd(self.chosen)
            case SqlConfig() if self.sort == SQLITE:
                self._copy_sqlite(unquote(self.chosen.url.partition("///")[2].partition("?")[0]))

    def _take(self, base: str, paths: list[str]) -> None:
        """Copy files to where they would stand below the copy's folder; they are settled."""
        for path in paths:
            if not os.path.isfile(path):
                continue
            target = os.path.join(self.folder, os.path.relpath(path, base))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(path, target)
            os.chmod(target, 0o600)
            os.utime(target, (LONG_AGO, LONG_AGO))
            self.data.append(target)

    def _copy_passwd(self, chosen: PasswdConfig) -> None:
        table: dict[str, object] = dict(self._store)
        for key, template in (("path", chosen.files), ("shadow", chosen.shadow)):
            if template is not None:
                base = os.path.dirname(template.partition(DOMAIN)[0])
                self._take(base, glob.glob("*".join(map(glob.escape, template.split(DOMAIN)))))
                table[key] = os.path.relpath(template, base)
        self._settings(table)

    def _copy_sqlite(self, path: str) -> None:
        target = os.path.join(self.folder, "users.db")
        before = os.stat(path)
        if os.path.exists(f"{path}-wal") or not _read(path, target, quiet=True) or _changed(before, path):
            _read(path, target, quiet=False)
        os.chmod(target, 0o600)
        self.data.append(target)
        store = {key: value for key, value in self._store.items() if key != "read_url"}
        self._settings(store | {"url": "sqlite:///users.db"})

    def _settings(self, store: Mapping[str, object]) -> None:
        if self.chosen.kind == "flatfile" and not self._store:  # a folder without settings
            return
        with open(os.path.join(self.folder, "nwauth.toml"), "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(written(self._kept, store))
        os.chmod(file.name, 0o600)


def _read(path: str, target: str, *, quiet: bool) -> bool:
    """Copy a database; `quiet`: as one that nobody writes, so that not even a -shm or -wal is left beside it.

    Raises:
        sqlite3.Error: it cannot be copied; if it was to be done quietly, False says so.
    """
    source = f"file:{quote(path)}?mode=ro" + ("&immutable=1" if quiet else "")
    try:
        with closing(sqlite3.connect(source, uri=True)) as theirs, closing(sqlite3.connect(target)) as ours:
            theirs.backup(ours)
            ours.execute("PRAGMA journal_mode=DELETE")  # one file, which a lock closes to readers too
    except sqlite3.Error:
        if quiet:
            return False
        raise
    return True


def _changed(before: os.stat_result, path: str) -> bool:
    after = os.stat(path)
    same = (before.st_ino, before.st_size, before.st_mtime_ns) == (after.st_ino, after.st_size, after.st_mtime_ns)
    return not same or any(os.path.exists(f"{path}-{end}") for end in ("wal", "journal"))


def _sort(chosen: StoreConfig) -> str:
    if isinstance(chosen, SqlConfig):
        return SQLITE if chosen.url.lower().startswith("sqlite") else SERVER
    return {"ldap": DIRECTORY, "process": PROGRAM, "system": SYSTEM}.get(chosen.kind, FILES)


def _tables(config: Config, chosen: StoreConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tables that are kept, and the store's own; as they are written, its route left out."""
    if config.file is None:
        return {}, {}
    with open(config.file, "rb") as file:
        found = tomllib.load(file)
    kept = {key: value for key, value in found.items() if key in KEPT}
    table: dict[str, Any] = next(
        (one for one in found.get("stores", []) if one.get("name", one.get("kind", "flatfile")) == chosen.name), {}
    )
    store = {key: value for key, value in table.items() if key not in ROUTE}
    return kept, {"kind": chosen.kind} | store
