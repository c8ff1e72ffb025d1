from __future__ import annotations

import subprocess
import sys
import tomllib
from datetime import date
from typing import TYPE_CHECKING

import pytest

from nwauth import config
from nwauth.config import (
    Config,
    FlatfileConfig,
    LogConfig,
    NamesConfig,
    ServerConfig,
    commented_example,
    read,
)
from nwauth.errors import ConfigError
from nwauth.passwords import Settings

if TYPE_CHECKING:
    from pathlib import Path

OURS = '[[stores]]\nkind = "flatfile"\nshared = false\n'


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


def test_an_empty_file_says_the_same_as_none(tmp_path: Path) -> None:
    assert written(tmp_path, "") == Config(folder=str(tmp_path), file=f"{tmp_path}/nwauth.toml")


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
        ("[[stores]]\nkind = 'sql'", 'stores[0].kind: found "sql", wanted one of flatfile'),
        (OURS + OURS, "stores: found 2 [[stores]], wanted one: routes over several are not built yet"),
        ("[policy]\nfile = 'p'", "policy: access rules are not built yet: take this table out"),
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
            "line 3, column 16: found the key level a second time, wanted it once",
        ),
        ("x = 1\nx = 2", "line 2, at the end of the file: found the key x a second time, wanted it once"),
        ("[log]\n[log]\n", "line 2, column 5: found a table a second time, wanted it once"),
        ("[log]\nlevel 'info'", "line 2, column 7: Expected '=' after a key in a key/value pair"),
        ("\nx = '", 'line 2, at the end of the file: Expected "\'"'),
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
    with pytest.raises(ConfigError, match="cannot be read: it is no regular file"):
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
    assert set(store) == {"kind", "scheme", *FlatfileConfig.__slots__} - {"new_scheme"}
    argon2id = {f"argon2id_{key}" for key in shown["passwords"].pop("argon2id")}
    assert set(shown["passwords"]) | argon2id == set(Settings.__slots__)
    for table, part in {"server": ServerConfig(), "names": NamesConfig(), "log": LogConfig(file="")}.items():
        assert set(shown[table]) == set(part.__slots__)
    assert set(shown) == {"server", "names", "passwords", "log"}


def test_the_example_has_one_active_block() -> None:
    assert tomllib.loads(commented_example()) == {
        "stores": [{"kind": "flatfile", "path": ".", "shared": False}],
        "server": {},
        "names": {},
        "passwords": {},
        "log": {},
    }


def test_the_kinds_known_are_the_ones_that_can_be_read() -> None:
    assert list(config.KINDS) == ["flatfile"]


def test_a_start_without_a_file_loads_no_parser(tmp_path: Path) -> None:
    program = (
        "import sys; import nwauth.config, nwauth.audit, nwauth.options, nwauth.policy.account\n"
        "nwauth.config.read(sys.argv[1])\n"
        "heavy = 'tomllib json datetime re typing dataclasses logging enum syslog difflib collections'\n"
        "print(set(heavy.split()) & set(sys.modules))"
    )
    command = [sys.executable, "-S", "-c", program, str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "set()\n"
