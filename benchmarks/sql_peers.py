"""What the SQL part is measured against; a peer that is not here is left out, and said."""

from __future__ import annotations

import glob
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sql_dovecot
from bench import say
from peers import HERE, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sql_bases import Engine, SqlBase

RAW = os.path.join(HERE, "sql_raw.py")
DB_AUTH = "/usr/lib/squid/basic_db_auth"
PERL_PACKAGES = ("squid-common", "libdbi-perl", "libdbd-sqlite3-perl", "libdbd-pg-perl", "libdbd-mysql-perl")
PERL_FOLDERS = ("usr/lib/*/perl5/*", "usr/share/perl5")


@dataclass(frozen=True)
class Peers:
    """Commands and interpreters of what was found; `missing` tells the rest in words."""

    python: str
    psycopg: str | None  # an interpreter that has psycopg 3
    db_auth: str | None
    dovecot: list[str] | None
    missing: Sequence[str]

    def raw(self, engine: Engine, base: SqlBase, *words: str) -> list[str]:
        return [self.python, RAW, engine.driver, engine.raw(base), *words]

    def raw_psycopg(self, engine: Engine, base: SqlBase) -> list[str]:
        return [self.psycopg or "", RAW, "psycopg", engine.raw(base)]

    def perl(self, engine: Engine, base: SqlBase) -> list[str]:
        table = ["--table", "accounts", "--usercol", "name_key", "--passwdcol", "stored_password", "--cond", ""]
        return ["perl", self.db_auth or "", *engine.perl(base), *table, "--persist"]


def find(work: str, python: str) -> Peers:
    missing = []
    psycopg = _psycopg(work)
    if psycopg is None:
        missing.append("psycopg 3 (python3 -m venv benchmarks/work/psycopg, then pip install 'psycopg[binary]' in it)")
    db_auth = _db_auth(os.path.join(work, "sql-peers"))
    if db_auth is None:
        missing.append(f"basic_db_auth (apt-get install {' '.join(PERL_PACKAGES)})")
    dovecot = sql_dovecot.find(work)
    if dovecot is None:
        missing.append(f"Dovecot (as root; apt-get install {' '.join(sql_dovecot.PACKAGES)})")
    for what in missing:
        say(f"left out: {what}")
    return Peers(python, psycopg, db_auth, dovecot, missing)


def _psycopg(work: str) -> str | None:
    """The interpreter of an environment of its own, if it can import it."""
    python = os.path.join(work, "psycopg", "bin", "python")
    try:
        ran = subprocess.run([python, "-c", "import psycopg"], capture_output=True, check=False)
    except OSError:
        return None
    return python if ran.returncode == 0 else None


def _db_auth(folder: str) -> str | None:
    """Its path: out of the packages, taken apart in `folder`, or as installed; Perl finds its modules by PERL5LIB."""
    unpacked = folder + DB_AUTH
    if not os.path.exists(unpacked):
        unpack(folder, *PERL_PACKAGES)
    found = [path for pattern in PERL_FOLDERS for path in glob.glob(os.path.join(folder, pattern))]
    os.environ["PERL5LIB"] = ":".join([*found, *filter(None, [os.environ.get("PERL5LIB")])])
    drivers = "use DBI; use DBD::SQLite; use DBD::Pg; use DBD::mysql"
    try:
        ran = subprocess.run(["perl", "-e", drivers], capture_output=True, text=True, check=False)
    except OSError as error:
        print(f"perl: {error}", file=sys.stderr)
        return None
    if ran.returncode != 0:
        print(f"perl: {ran.stderr.strip()}", file=sys.stderr)
        return None
    return next(filter(os.path.exists, (unpacked, DB_AUTH)), None)
