from __future__ import annotations

import subprocess
import sys
import tomllib
from datetime import date
from typing import TYPE_CHECKING

import pytest

from nwauth.build import build
from nwauth.config import Config, FlatfileConfig, LogConfig, NamesConfig, ServerConfig, read
from nwauth.config.example import commented_example
from nwauth.config.kinds import KINDS
from nwauth.config.kinds.sql import SqlConfig
from nwauth.errors import ConfigError
from nwauth.passwords import Settings
from nwauth.stores.sql.columns import Columns

if TYPE_CHECKING:
    from pathlib import Path

OURS = '[[stores]]\nkind = "flatfile"\nshared = false\n'
NO_EQUALS = "found no = behind a key, wanted key = value (a key with a blank stands in quotes)"
NOT_CLOSED = "found the end of the file, and a value lacks, or text, an array or a table is not closed"
NO_VALUE = "found no value of TOML, wanted text in quotes, a number, true or false, a date, [array] or {table}"


def written(folder: Path, toml: str | bytes) -> Config:
    (folder / "nwauth.toml").write_bytes(toml.encode() if isinstance(toml, str) else toml)
    return read(str(folder), environ={})


def fault(folder: Path, toml: str | bytes) -> str:
    """The one-line error of a configuration, without the name of the file."""
    with pytest.raises(ConfigError) as caught:
        written(folder, toml)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{folder}/nwauth.toml: ")
    return text.removeprefix(f"{folder}/nwauth.toml: ")


def test_a_folder_without_a_file_is_served_as_shared_flat_files(tmp_path: Path) -> None:
    found = read(str(tmp_path))
    assert found == Config(folder=str(tmp_path))
    assert found.file is None
    (store,) = found.stores
    assert store == FlatfileConfig(path=str(tmp_path), shared=True)
    assert (store.kind, store.name, store.new_scheme, store.upgrade) == ("flatfile", "flatfile", "ssha", False)
    assert found.log == LogConfig(file=f"{tmp_path}/nwauth.log", level="error", format="text")
    assert found.server == ServerConfig(address="auto")
    assert read(str(tmp_path / "absent")) == Config(folder=f"{tmp_path}/absent")


def test_the_current_folder_needs_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read("") == read(".") == Config(folder=".")
    (tmp_path / "nwauth.toml").write_text("x = 1")
    with pytest.raises(ConfigError, match=r"^nwauth.toml: x: unknown key"):
        read(".")


def test_a_file_of_comments_says_the_same_as_none(tmp_path: Path) -> None:
    assert written(tmp_path, "# no settings") == Config(folder=str(tmp_path), file=f"{tmp_path}/nwauth.toml")


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_file_is_no_configuration(tmp_path: Path, content: str) -> None:
    """A full disk or an editor leaves it: whoever is in a database must not be told not to exist."""
    with pytest.raises(ConfigError, match=r"nwauth\.toml: found nothing in it"):
        written(tmp_path, content)


def test_every_setting_is_read(tmp_path: Path) -> None:
    found = written(
        tmp_path,
        """
        [[stores]]
        name = "files"
        kind = "flatfile"
        path = "base"
        shared = false
        settle_seconds = 0
        max_journal_bytes = 4096
        upgrade = false
        scheme = "bcrypt"
        read_only = true
        [server]
        address = "always"
        [names]
        default_domain = "test.com"
        allow_ats = true
        allow_high_ascii = true
        badchar = "&"
        badchar_localpart = "+"
        [passwords]
        scheme = "yescrypt"
        argon2id = { memory_kib = 64, iterations = 3, lanes = 8 }
        bcrypt_cost = 4
        sha512_rounds = 1000
        yescrypt_cost = 1
        upgrade = false
        memo_seconds = 0
        netwin_weak = true
        weak_after = 2027-01-01
        [log]
        file = "log/nwauth.log"
        level = "debug"
        format = "ndjson"
        """,
    )
    assert found == Config(
        folder=str(tmp_path),
        file=f"{tmp_path}/nwauth.toml",
        stores=(
            FlatfileConfig(
                path=f"{tmp_path}/base",
                name="files",
                shared=False,
                settle_seconds=0,
                max_journal_bytes=4096,
                new_scheme="bcrypt",
                upgrade=False,
                read_only=True,
            ),
        ),
        server=ServerConfig(address="always"),
        names=NamesConfig(
            default_domain="test.com", allow_ats=True, allow_high_ascii=True, badchar="&", badchar_localpart="+"
        ),
        passwords=Settings(
            scheme="yescrypt",
            argon2id_memory_kib=64,
            argon2id_iterations=3,
            argon2id_lanes=8,
            bcrypt_cost=4,
            sha512_rounds=1000,
            yescrypt_cost=1,
            upgrade=False,
            memo_seconds=0,
            netwin_weak=True,
            weak_after=date(2027, 1, 1),
        ),
        log=LogConfig(file=f"{tmp_path}/log/nwauth.log", level="debug", format="ndjson"),
    )


@pytest.mark.parametrize(
    ("toml", "scheme", "upgrade"),
    [
        ('[passwords]\nscheme = "bcrypt"\nupgrade = true', "ssha", False),  # no store named: shared
        ('[[stores]]\nkind = "flatfile"', "ssha", False),
        ('[[stores]]\nshared = true\nupgrade = false\nscheme = "ssha"', "ssha", False),
        (OURS, "argon2id", True),
        (OURS + '[passwords]\nscheme = "bcrypt"\nupgrade = false', "bcrypt", False),
        (
            OURS + 'scheme = "yescrypt"\nupgrade = true\n[passwords]\nscheme = "bcrypt"\nupgrade = false',
            "yescrypt",
            True,
        ),
        (OURS + "read_only = true", "argon2id", False),
    ],
)
def test_what_a_store_writes_follows_shared_before_all_else(
    tmp_path: Path,
    toml: str,
    scheme: str,
    upgrade: bool,  # noqa: FBT001
) -> None:
    (store,) = written(tmp_path, toml).stores
    assert (store.new_scheme, store.upgrade) == (scheme, upgrade)


def test_no_constructor_makes_a_shared_store_upgrade() -> None:
    store = FlatfileConfig(path=".", shared=True, new_scheme="argon2id", upgrade=True)
    assert (store.new_scheme, store.upgrade) == ("ssha", False)


@pytest.mark.parametrize(
    ("toml", "error"),
    [
        ("stors = 1", "stors: unknown key, did you mean stores?"),
        ("[log]\nlevle = 'info'", "log.levle: unknown key, did you mean level?"),
        ("[passwords.argon2id]\nmemory = 1", "passwords.argon2id.memory: unknown key, did you mean memory_kib?"),
        (OURS + "pth = '.'", "stores[0].pth: unknown key, did you mean path?"),
        ("[stores]\nkind = 'flatfile'", "stores: found a table, wanted tables, each under its own [[stores]]"),
        (
            "[[stores]]\nkind = 'odbc'",
            'stores[0].kind: found "odbc", wanted one of flatfile, sql, passwd, system, ldap, process',
        ),
        ("[[stores]]\nurl = 'sqlite:///mail.db'", 'stores[0].kind: found none beside url, wanted kind = "sql"'),
        ("[[stores]]\nurls = ['ldap://dc']", 'stores[0].kind: found none beside urls, wanted kind = "ldap"'),
        (
            OURS + OURS,
            'stores[1].name: found "flatfile" a second time, wanted a name for each of the [[stores]]',
        ),
        (
            "[[stores]]\nshared = true\nupgrade = true",
            "stores[0].upgrade: found true with shared = true, wanted false: what shares the folder reads only ssha",
        ),
        (
            "[[stores]]\nscheme = 'bcrypt'",
            'stores[0].scheme: found "bcrypt" with shared = true, wanted "ssha" or shared = false',
        ),
        (
            OURS + "read_only = true\nupgrade = true",
            "stores[0].upgrade: found true with read_only = true, wanted false: an upgrade is a write",
        ),
        (OURS + "settle_seconds = -1", "stores[0].settle_seconds: found -1, wanted a number from 0 to 86400"),
        (
            "[passwords]\nscheme = 'argon3'",
            'passwords.scheme: found "argon3", wanted one of argon2id, bcrypt, sha512-crypt, yescrypt, ssha',
        ),
        (
            "[passwords.argon2id]\nlanes = 4\nmemory_kib = 31",
            "passwords.argon2id.memory_kib: found 31, wanted an integer from 32 to 1048576",
        ),
        ("[passwords]\nbcrypt_cost = 18", "passwords.bcrypt_cost: found 18, wanted an integer from 4 to 16"),
        (
            "[passwords]\nsha512_rounds = 999",
            "passwords.sha512_rounds: found 999, wanted an integer from 1000 to 5000000",
        ),
        ("[passwords]\nyescrypt_cost = 12", "passwords.yescrypt_cost: found 12, wanted an integer from 1 to 11"),
        ("[passwords]\nmemo_seconds = 86401", "passwords.memo_seconds: found 86401, wanted an integer from 0 to 86400"),
        ("[log]\nlevel = 'warn'", 'log.level: found "warn", wanted one of error, info, debug'),
        ("[server]\naddress = true", "server.address: found true (a boolean), wanted one of auto, always, never"),
        ("log = 1", "log: found 1 (an integer), wanted a table, under [log]"),
        (
            "[log]\nlevel = 'info'\nlevel = 'debug'\n",
            "line 3, column 1: found the key level a second time, wanted it once",
        ),
        ("x = 1\nx = 2", "line 2, column 1: found the key x a second time, wanted it once"),
        ("[log]\n[log]\n", "line 2, column 5: found a table a second time, wanted it once"),
        ("[log]\nlevel 'info'", f"line 2, column 7: {NO_EQUALS}"),
        ("\nx = = ", f"line 2, column 5: {NO_VALUE}"),
        ("[log]\nlevel = debug", f"line 2, column 9: {NO_VALUE}"),
        ("\nx = '", f"line 2, at the end of the file: {NOT_CLOSED}"),
        (b"[log]\n# \xe9\n", "line 2, column 3: found bytes that are no UTF-8"),
        ("x = " + "9" * 5000, "found a number of too many digits"),
        ("x = " + "[" * 20000, "found tables or arrays nested beyond all bounds"),
    ],
)
def test_an_error_says_where_what_was_found_and_wanted(tmp_path: Path, toml: str | bytes, error: str) -> None:
    assert fault(tmp_path, toml) == error


def test_a_syntax_error_never_shows_the_text_of_the_file(tmp_path: Path) -> None:
    for line in ('url = "postgresql://mail:s3cret@db" x', "s3cret", 'url = "s3cret', "url = s3cret", '"s3cret\\q" = 1'):
        assert "s3cret" not in fault(tmp_path, f"{line}\n")


def test_a_byte_order_mark_and_crlf_are_no_error(tmp_path: Path) -> None:
    assert written(tmp_path, b'\xef\xbb\xbf[log]\r\nlevel = "info"\r\n').log.level == "info"


def test_a_file_that_cannot_be_read_is_not_an_absent_one(tmp_path: Path) -> None:
    (tmp_path / "nwauth.toml").symlink_to("gone.toml")
    with pytest.raises(ConfigError, match=r"found a link to gone\.toml, which is not there"):
        read(str(tmp_path))
    (tmp_path / "nwauth.toml").unlink()
    (tmp_path / "nwauth.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read: it is a folder"):
        read(str(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be read: Not a directory"):
        read(str(tmp_path / "file"))


@pytest.mark.parametrize("word", ["syslog", "null"])
def test_the_log_may_go_elsewhere_than_to_a_file(tmp_path: Path, word: str) -> None:
    assert written(tmp_path, f'[log]\nfile = "{word}"').log.file == word
    assert written(tmp_path, f'[log]\nfile = "./{word}"').log.file == f"{tmp_path}/{word}"


def test_options_of_the_command_line_take_precedence(tmp_path: Path) -> None:
    before = read(str(tmp_path))
    after = before.changed(log=before.log.changed(level="debug"), stores=(before.stores[0].changed(read_only=True),))
    assert (after.log.level, after.stores[0].read_only, before.log.level) == ("debug", True, "error")
    assert after.log.file == before.log.file


def uncommented(text: str) -> str:
    """Every setting taken out of its comment: a ``#`` before a blank is prose."""
    lines = (line[1:] if line[:1] == "#" and line[1:2] not in {"", " "} else line for line in text.splitlines())
    return "\n".join(lines)


@pytest.mark.parametrize("shared", [False, True])
def test_the_example_shows_every_setting_with_its_default(tmp_path: Path, shared: bool) -> None:  # noqa: FBT001
    text = commented_example(shared=shared)
    as_written = written(tmp_path, text)
    assert as_written == Config(
        folder=str(tmp_path),
        file=f"{tmp_path}/nwauth.toml",
        stores=(FlatfileConfig(path=str(tmp_path), shared=shared),),
    )
    assert written(tmp_path, uncommented(text)) == as_written
    assert max(map(len, text.splitlines())) <= 120


def test_the_example_leaves_no_setting_out() -> None:
    shown = tomllib.loads(uncommented(commented_example()))
    (store,) = shown.pop("stores")
    assert set(store) == {"kind", "scheme", *FlatfileConfig.__slots__} - {"new_scheme", "patience_seconds"}
    argon2id = {f"argon2id_{key}" for key in shown["passwords"].pop("argon2id")}
    assert set(shown["passwords"]) | argon2id == set(Settings.__slots__)
    for table, part in {"server": ServerConfig(), "names": NamesConfig(), "log": LogConfig(file="")}.items():
        assert set(shown[table]) == set(part.__slots__)
    assert set(shown["policy"]) == {"class_field"}  # a file that is named must be there: it is told in words
    assert set(shown) == {"server", "names", "passwords", "log", "policy"}


def test_the_example_has_one_active_block() -> None:
    assert tomllib.loads(commented_example()) == {
        "stores": [{"kind": "flatfile", "path": ".", "shared": False}],
        "server": {},
        "names": {},
        "passwords": {},
        "log": {},
        "policy": {},
    }


def test_the_kinds_known_are_the_ones_that_can_be_read() -> None:
    assert KINDS == ("flatfile", "sql", "passwd", "system", "ldap", "process")


def test_a_start_without_a_file_loads_no_parser(tmp_path: Path) -> None:
    program = (
        "import sys; import nwauth.config, nwauth.audit, nwauth.options, nwauth.policy.account\n"
        "nwauth.config.read(sys.argv[1])\n"
        "heavy = 'tomllib json datetime re typing dataclasses logging enum syslog difflib collections'\n"
        "print(set(heavy.split()) & set(sys.modules))"
    )
    command = [sys.executable, "-S", "-c", program, str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "set()\n"


# --- kind = "sql" -----------------------------------------------------------------------------------------------------

SQL = '[[stores]]\nkind = "sql"\nurl = "postgresql://mail:sesame@db/mail"\n'
MAPPED = '[stores.columns]\nname = "u"\npassword = "p"\n'


def sql_of(folder: Path, toml: str, **environ: str) -> SqlConfig:
    """The one store of a configuration."""
    (folder / "nwauth.toml").write_text(toml)
    (store,) = read(str(folder), environ=environ).stores
    assert isinstance(store, SqlConfig)
    return store


def test_a_database_needs_no_more_than_its_url(tmp_path: Path) -> None:
    store = sql_of(tmp_path, SQL)
    assert store == SqlConfig(path=str(tmp_path), url="postgresql://mail:sesame@db/mail")
    assert (store.kind, store.name, store.table, store.columns) == ("sql", "sql", "accounts", None)
    assert (store.connect_timeout_seconds, store.statement_timeout_seconds) == (2.0, 4.0)
    assert (store.new_scheme, store.upgrade, store.keep, store.password_format) == ("argon2id", True, False, "auto")


def test_every_setting_of_a_database_is_read(tmp_path: Path) -> None:
    store = sql_of(
        tmp_path,
        SQL
        + """
        name = "base"
        read_url = "postgresql://mail@replica/mail"
        table = "other.maildb"
        connect_timeout_seconds = 1
        statement_timeout_seconds = 2.5
        password_format = "md5"
        scheme = "md5"
        upgrade = true
        [stores.columns]
        name = "username"
        password = "passwd"
        drop_path = "maildrop"
        uid = "uid"
        ip_mask = "mailmask"
        forward = "forward"
        quota = "Quota"
        info = { full_name = "name of user", created = "created" }
        info_text = "notes"
        read_only = ["created", "uid"]
        """,
    )
    assert store == SqlConfig(
        path=str(tmp_path),
        url="postgresql://mail:sesame@db/mail",
        name="base",
        read_url="postgresql://mail@replica/mail",
        table="other.maildb",
        columns=Columns(
            name="username",
            password="passwd",
            drop_path="maildrop",
            uid="uid",
            ip_mask="mailmask",
            info={"full_name": "name of user", "created": "created", "fwd": "forward", "quota": "Quota"},
            info_text="notes",
            read_only=("created", "uid"),
        ),
        password_format="md5",
        connect_timeout_seconds=1.0,
        statement_timeout_seconds=2.5,
        new_scheme="md5",
        keep=False,
        upgrade=True,
    )


@pytest.mark.parametrize(
    ("toml", "scheme", "keep", "upgrade"),
    [
        (SQL, "argon2id", False, True),
        (SQL + 'scheme = "bcrypt"', "bcrypt", False, True),
        (SQL + "upgrade = false", "argon2id", False, False),
        (SQL + "read_only = true", "argon2id", False, False),
        (SQL + '[passwords]\nscheme = "yescrypt"\nupgrade = false', "yescrypt", False, False),
        (SQL + MAPPED, "argon2id", True, False),
        (SQL + MAPPED + "[passwords]\nupgrade = true", "argon2id", True, False),
        (SQL + 'password_format = "clear"\n' + MAPPED, "clear", True, False),
        (SQL + 'password_format = "md5-crypt"\n' + MAPPED, "md5-crypt", True, False),
        (SQL + 'scheme = "bcrypt"\n' + MAPPED, "bcrypt", False, False),
        (SQL + 'scheme = "ssha256"\nupgrade = true\n' + MAPPED, "ssha256", False, True),
        (SQL + "upgrade = false\n" + MAPPED, "argon2id", True, False),
    ],
)
def test_somebody_elses_table_keeps_schemes_unless_it_is_told_another(
    tmp_path: Path,
    toml: str,
    scheme: str,
    keep: bool,  # noqa: FBT001
    upgrade: bool,  # noqa: FBT001
) -> None:
    store = sql_of(tmp_path, toml)
    assert (store.new_scheme, store.keep, store.upgrade) == (scheme, keep, upgrade)


WANTED_URL = "wanted a database's URL, as sqlite:///users.db"
WANTED_FORMAT = (
    "wanted one of auto, clear, md5, smd5, sha, ssha, sha256, ssha256, sha512, ssha512, md5-crypt, sha256-crypt,"
    " sha512-crypt, bcrypt, des-crypt, argon2id, yescrypt"
)
UNKNOWN = (
    "unknown key, wanted one of connect_timeout_seconds, do_check, do_del, do_lookup, do_search, do_set,"
    " fall_through_when_down, kind, match, match_check, match_del, match_lookup, match_search, match_set, migrate_to,"
    " name, password_format, read_only, read_url, scheme, statement_timeout_seconds, strip_prefix, strip_suffix, table,"
    " upgrade, url"
)


@pytest.mark.parametrize(
    ("key", "toml", "error"),
    [
        ("url", '[[stores]]\nkind = "sql"', f"found nothing, {WANTED_URL}"),
        ("url", '[[stores]]\nkind = "sql"\nurl = 5', f"found an integer, {WANTED_URL}"),
        ("url", '[[stores]]\nkind = "sql"\nurl = ["postgresql://mail:sesame@db"]', f"found an array, {WANTED_URL}"),
        (
            "url",
            '[[stores]]\nkind = "sql"\nurl = "postgresql://mail:${NOPE}@db/mail"',
            "found ${NOPE}, wanted an environment variable that is set",
        ),
        ("read_url", SQL + "read_url = 7", "found an integer, wanted a string"),
        ("name", SQL + "name = 1", "found 1 (an integer), wanted a name"),
        ("table", SQL + "table = 1", "found 1 (an integer), wanted a name"),
        (
            "connect_timeout_seconds",
            SQL + 'connect_timeout_seconds = "2"',
            'found "2" (a string), wanted a number from 0.1 to 7.5',
        ),
        ("connect_timeout_seconds", SQL + "connect_timeout_seconds = 61", "found 61, wanted a number from 0.1 to 7.5"),
        (
            "statement_timeout_seconds",
            SQL + "statement_timeout_seconds = 0",
            "found 0, wanted a number from 0.1 to 7.5",
        ),
        (
            "statement_timeout_seconds",
            SQL + "statement_timeout_seconds = nan",
            "found nan, wanted a number from 0.1 to 7.5",
        ),
        (
            "password_format",
            SQL + 'password_format = "clear"',
            'found "clear", wanted "auto" where there are no [stores.columns]',
        ),
        ("password_format", SQL + 'password_format = "sha3"\n' + MAPPED, f'found "sha3", {WANTED_FORMAT}'),
        ("scheme", SQL + 'scheme = "md5"', 'found "md5", wanted one of argon2id, bcrypt, sha512-crypt, yescrypt, ssha'),
        (
            "scheme",
            SQL + 'password_format = "md5"\nscheme = "bcrypt"\n' + MAPPED,
            'found "bcrypt" with password_format = "md5", wanted the same or none',
        ),
        (
            "upgrade",
            SQL + "read_only = true\nupgrade = true",
            "found true with read_only = true, wanted false: an upgrade is a write",
        ),
        (
            "upgrade",
            SQL + "upgrade = true\n" + MAPPED,
            "found true, wanted a scheme beside it: which can the table's other programs read?",
        ),
        ("read_only", SQL + 'read_only = "yes"', 'found "yes" (a string), wanted true or false'),
        ("path", SQL + 'path = "."', UNKNOWN),
        ("shared", SQL + "shared = true", UNKNOWN),
        ("columns", SQL + "columns = 1", "found 1 (an integer), wanted a table"),
        ("columns.name", SQL + "[stores.columns]", "found nothing, wanted the column of user names"),
        ("columns.password", SQL + '[stores.columns]\nname = "u"', "found nothing, wanted the column of passwords"),
        ("columns.passwd", SQL + MAPPED + 'passwd = "x"', "unknown key, did you mean password?"),
        ("columns.drop_path", SQL + MAPPED + "drop_path = 1", "found 1 (an integer), wanted a name"),
        (
            "columns.quota",
            SQL + MAPPED + 'quota = "q"\ninfo = { quota = "z" }',
            "found it beside info.quota, wanted one column for the field quota",
        ),
        (
            "columns.forward",
            SQL + MAPPED + 'forward = "q"\ninfo = { fwd = "z" }',
            "found it beside info.fwd, wanted one column for the field fwd",
        ),
        ("columns.info", SQL + MAPPED + "info = 1", "found 1 (an integer), wanted a table of strings"),
        ("columns.info.a", SQL + MAPPED + "info = { a = 1 }", "found 1 (an integer), wanted a string"),
        (
            "columns.info.a=b",
            SQL + MAPPED + 'info = { "a=b" = "c" }',
            "wanted the name of an info field: no blanks, quotes or =",
        ),
        ("columns.read_only", SQL + MAPPED + 'read_only = "u"', 'found "u" (a string), wanted an array of strings'),
        (
            "columns.read_only",
            SQL + MAPPED + 'read_only = ["z"]',
            'found "z", wanted one of the mapped columns: u, p',
        ),
    ],
)
def test_an_error_of_a_database_says_where_what_was_found_and_wanted(
    tmp_path: Path, key: str, toml: str, error: str
) -> None:
    assert fault(tmp_path, toml) == f"stores[0].{key}: {error}"


@pytest.mark.parametrize(
    ("key", "toml"),
    [
        *((key, SQL + MAPPED + f'{key.partition(".")[2]} = "a%b"') for key in ("columns.drop_path", "columns.uid")),
        ("table", SQL + 'table = "a%b"'),
        ("table", SQL + 'table = "a`b"'),
        ("table", SQL + 'table = ""'),
        ("table", SQL + "table = 'a\"b'"),
        ("columns.name", SQL + '[stores.columns]\nname = "a`b"\npassword = "p"'),
        ("columns.password", SQL + '[stores.columns]\nname = "u"\npassword = "a`b"'),
        ("columns.info.full_name", SQL + MAPPED + 'info = { full_name = "a%b" }'),
        ("columns.info.full_name", SQL + MAPPED + 'info = { full_name = "" }'),
        ("columns.info_text", SQL + MAPPED + 'info_text = "a\\u0000b"'),
    ],
)
def test_a_name_that_not_every_database_can_quote_is_refused_under_its_key(tmp_path: Path, key: str, toml: str) -> None:
    assert fault(tmp_path, toml).startswith(f"stores[0].{key}: found ")


@pytest.mark.parametrize(
    ("key", "toml"),
    [
        ("columns.uid", SQL + MAPPED + 'uid = "u"'),
        ("columns.info_text", SQL + MAPPED + 'info_text = "p"'),
        ("columns.info.b", SQL + MAPPED + 'info = { a = "x", b = "x" }'),
        ("columns.info.a", SQL + MAPPED + 'info = { a = "U" }'),
        ("columns.info.a", SQL + MAPPED + 'info = { A = "x", a = "y" }'),
        ("columns.quota", SQL + MAPPED + 'quota = "x"\ninfo = { Quota = "y" }'),
    ],
)
def test_a_column_or_a_field_is_mapped_once_whatever_its_case(tmp_path: Path, key: str, toml: str) -> None:
    assert fault(tmp_path, toml).startswith(f"stores[0].{key}: found ")


@pytest.mark.parametrize("field", ["a b", "", "a\u0001", "a\u2028b", 'a"b', "a\tb", " a"])
def test_a_field_of_a_mapping_is_one_that_a_server_can_name(tmp_path: Path, field: str) -> None:
    spelled = "".join(c if c.isalpha() else f"\\u{ord(c):04x}" for c in field)
    error = fault(tmp_path, SQL + MAPPED + f'info = {{ "{spelled}" = "c" }}')
    assert error.startswith("stores[0].columns.info.")
    assert error.isprintable()


UNUSABLE = [
    *("", "swordfish", "users.db", "sqlite://", "sqlite:///", "sqlite://mail:swordfish@/users.db"),
    *("postgrsql://mail:swordfish@db/mail", "mysql://mail:swordfish@db/", "mysql://mail:sword/fish@db/mail"),
    *("mysql://swordfish", "mysql://mail:swordfish@db/mail?no_such=1", "mysql://mail:swordfish@[db/mail"),
    *("mysql://mail:swordfish@db:x/mail", "postgresql://mail:swordfish%zz@db/mail"),
    *("postgresql://mail:swordfish@db/mail?no_such=1", "postgresql://mail:sword/fish@db/mail"),
    *(
        "postgresql://mail:sword@fish@db/mail",
        "postgresql://mail:swordfish@[db/mail",
        "oracle://mail:swordfish@db/mail",
    ),
]


@pytest.mark.parametrize("url", UNUSABLE)
@pytest.mark.parametrize("key", ["url", "read_url"])
def test_a_url_that_cannot_be_used_is_told_under_its_key_and_never_shown(tmp_path: Path, key: str, url: str) -> None:
    toml = f'[[stores]]\nkind = "sql"\nurl = "{url}"' if key == "url" else f'{SQL}read_url = "{url}"'
    (tmp_path / "nwauth.toml").write_text(toml)
    with pytest.raises(ConfigError) as caught:
        build(read(str(tmp_path), environ={}))
    text = str(caught.value)
    assert text.startswith(f"{tmp_path}/nwauth.toml: ")
    assert f"{key}: found " in text.removeprefix(f"{tmp_path}/nwauth.toml: ") or " needs " in text
    assert "sword" not in text
    assert "fish" not in text
    assert text.isprintable()


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("sqlite:///users.db", "sqlite:///{folder}/users.db"),
        ("sqlite:///sub/../users.db", "sqlite:///{folder}/users.db"),
        ("SQLite:///users.db", "sqlite:///{folder}/users.db"),
        ("sqlite:////var/lib/mail/users.db", "sqlite:////var/lib/mail/users.db"),
        ("sqlite:///odd name%20?.db", "sqlite:///{folder}/odd name%20?.db"),
        ("postgresql:///mail", "postgresql:///mail"),
    ],
)
def test_a_file_of_sqlite_is_taken_from_the_folder_of_the_settings(tmp_path: Path, url: str, wanted: str) -> None:
    assert sql_of(tmp_path, f'[[stores]]\nkind = "sql"\nurl = "{url}"').url == wanted.format(folder=tmp_path)
    assert sql_of(tmp_path, f'{SQL}read_url = "{url}"').read_url == wanted.format(folder=tmp_path)


def test_a_url_comes_from_the_environment_or_a_file_of_its_own(tmp_path: Path) -> None:
    toml = '[[stores]]\nkind = "sql"\nurl = "postgresql://mail:${PGPASS}@db/mail"\nread_url = "${REPLICA}"'
    store = sql_of(tmp_path, toml, PGPASS="sesame", REPLICA="sqlite:///copy.db")
    assert (store.url, store.read_url) == ("postgresql://mail:sesame@db/mail", f"sqlite:///{tmp_path}/copy.db")
    (tmp_path / "sql.url").write_text("sqlite:///users.db\n")
    (tmp_path / "sql.url").chmod(0o600)
    store = sql_of(tmp_path, '[[stores]]\nkind = "sql"\nurl = { file = "sql.url" }\nread_url = { file = "sql.url" }')
    assert store.url == store.read_url == f"sqlite:///{tmp_path}/users.db"


def test_the_file_of_a_url_must_be_closed_to_others(tmp_path: Path) -> None:
    toml = '[[stores]]\nkind = "sql"\nurl = { file = "sql.url" }'
    assert fault(tmp_path, toml).startswith(f"stores[0].url: {tmp_path}/sql.url cannot be read: No such file")
    (tmp_path / "sql.url").write_text("postgresql://mail:sesame@db/mail\n")
    (tmp_path / "sql.url").chmod(0o644)
    error = fault(tmp_path, toml)
    assert error.startswith(f"stores[0].url: found {tmp_path}/sql.url with mode 0644, wanted a file closed to others")
    assert "sesame" not in error
    assert fault(tmp_path, '[[stores]]\nkind = "sql"\nurl = { fil = "sesame" }') == (
        f"stores[0].url: found a table, {WANTED_URL}"
    )


def test_the_password_of_a_database_is_not_shown_by_repr(tmp_path: Path) -> None:
    text = SQL + 'read_url = "postgresql://mail:sesame@replica/mail"\n'
    found = written(tmp_path, text)
    service = build(found)
    for value in (
        found,
        found.stores,
        found.stores[0],
        found.stores[0].changed(read_only=True),
        service,
        service.store,
    ):
        assert "sesame" not in repr(value)
        assert "sesame" not in str(value)
    assert "sesame" not in service.store.place()
    assert service.store.place() == "PostgreSQL at db:5432/mail, table accounts"


@pytest.mark.parametrize(
    "url",
    ["sqlite:///users.db", "postgresql://mail:${PGPASS}@db/mail", 'mysql://mail:"\\\u00e9\u2028@db/mail?ssl_ca=/x'],
)
def test_the_example_of_a_database_shows_every_setting_with_its_default(tmp_path: Path, url: str) -> None:
    text = commented_example(url=url)
    assert tomllib.loads(text)["stores"] == [{"kind": "sql", "url": url}]
    store = sql_of(tmp_path, text, PGPASS="x")
    assert store.changed(url="") == SqlConfig(path=str(tmp_path), url="")
    assert sql_of(tmp_path, uncommented(text), PGPASS="x") == store
    (shown,) = tomllib.loads(uncommented(text))["stores"]
    about_others = {"columns", "password_format", "keep", "read_url"}
    assert set(shown) == {"kind", "scheme", *SqlConfig.__slots__} - {"new_scheme", "path"} - about_others
    for word in ("read_url", "[stores.columns]"):
        assert word in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("url")) <= 120
