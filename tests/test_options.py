from __future__ import annotations

import os
import tomllib
from datetime import date
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwauth.errors import ConfigError
from nwauth.options import MAX_SECRET_BYTES, Options

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENVIRON = {"HOST": "db1", "EMPTY": "", "PASS": "s3cret", "DOLLAR": "$"}


def options(toml: str, folder: str = "") -> Options:
    return Options(tomllib.loads(toml), file=os.path.join(folder, "nwauth.toml"), environ=ENVIRON)


def fault(call: Callable[[], object]) -> str:
    """The text of the one-line error that `call` raises."""
    with pytest.raises(ConfigError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    assert caught.value.temporary
    return text


def test_values_come_back_with_their_type() -> None:
    table = options('s = "x"\ni = 5\nf = 1.5\nb = true\nd = 2027-01-01\nl = ["a", "b"]\n[t]\nx = 1\n[[a]]\ny = 2')
    assert table.text("s", None) == "x"
    assert table.required("s") == "x"
    assert table.choice("s", None, ("x", "y")) == "x"
    assert table.integer("i", None, minimum=5, maximum=5) == 5
    assert table.number("i", 0, minimum=0, maximum=9) == 5.0
    assert isinstance(table.number("i", 0, minimum=0, maximum=9), float)
    assert table.number("f", 0, minimum=0, maximum=9) == 1.5
    assert table.boolean("b", None) is True
    assert table.date("d", None) == date(2027, 1, 1)
    assert table.texts("l", ()) == ("a", "b")
    assert table.table("t").integer("x", 0, minimum=0, maximum=9) == 1
    assert [item.integer("y", 0, minimum=0, maximum=9) for item in table.tables("a")] == [2]
    assert "s" in table
    assert "z" not in table
    table.finish()


def test_an_absent_key_gives_the_default() -> None:
    table = options("", folder="/etc/mail")
    assert table.text("k", None) is None
    assert table.integer("k", 7, minimum=0, maximum=1) == 7
    assert table.number("k", 0.5, minimum=1, maximum=2) == 0.5
    assert table.boolean("k", None) is None
    assert table.choice("k", "z", ("a",)) == "z"
    assert table.date("k", None) is None
    assert table.texts("k", ("x",)) == ("x",)
    assert table.path("k", "sub/f") == "/etc/mail/sub/f"
    assert table.tables("k") == []
    table.table("k").finish()


@pytest.mark.parametrize(
    ("toml", "get", "error"),
    [
        ("k = 5", lambda o: o.text("k", None), "k: found 5 (an integer), wanted a string"),
        ("k = true", lambda o: o.required("k"), "k: found true (a boolean), wanted a string"),
        ("", lambda o: o.required("k", wanted="a URL"), "k: found nothing, wanted a URL"),
        (
            'k = "5"',
            lambda o: o.integer("k", 0, minimum=1, maximum=9),
            'k: found "5" (a string), wanted an integer from 1 to 9',
        ),
        (
            "k = true",
            lambda o: o.integer("k", 0, minimum=0, maximum=9),
            "k: found true (a boolean), wanted an integer from 0 to 9",
        ),
        (
            "k = 1.0",
            lambda o: o.integer("k", 0, minimum=0, maximum=9),
            "k: found 1.0 (a float), wanted an integer from 0 to 9",
        ),
        ("k = 10", lambda o: o.integer("k", 0, minimum=0, maximum=9), "k: found 10, wanted an integer from 0 to 9"),
        (
            'k = "all"',
            lambda o: o.integer("k", 0, minimum=0, maximum=9, or_word="auto"),
            'k: found "all" (a string), wanted an integer from 0 to 9, or "auto"',
        ),
        (
            "k = 0x" + "f" * 9000,
            lambda o: o.integer("k", 0, minimum=0, maximum=9),
            "k: found a number beyond all bounds, wanted an integer from 0 to 9",
        ),
        ("k = nan", lambda o: o.number("k", 0, minimum=0, maximum=9), "k: found nan, wanted a number from 0 to 9"),
        ("k = inf", lambda o: o.number("k", 0, minimum=0, maximum=9), "k: found inf, wanted a number from 0 to 9"),
        (
            "k = false",
            lambda o: o.number("k", 0, minimum=0, maximum=9),
            "k: found false (a boolean), wanted a number from 0 to 9",
        ),
        ('k = "true"', lambda o: o.boolean("k", None), 'k: found "true" (a string), wanted true or false'),
        ('k = "c"', lambda o: o.choice("k", None, ("a", "b")), 'k: found "c", wanted one of a, b'),
        ("k = 1", lambda o: o.choice("k", None, ("a", "b")), "k: found 1 (an integer), wanted one of a, b"),
        (
            "k = 2027-01-01T00:00:00",
            lambda o: o.date("k", None),
            "k: found 2027-01-01 00:00:00 (a date-time), wanted a date without quotes, as 2027-01-01",
        ),
        (
            'k = "2027-01-01"',
            lambda o: o.date("k", None, or_word="never"),
            'k: found "2027-01-01" (a string), wanted a date without quotes, as 2027-01-01, or "never"',
        ),
        ("k = 08:30:00", lambda o: o.text("k", None), "k: found 08:30:00 (a time), wanted a string"),
        ('k = "a"', lambda o: o.texts("k", ()), 'k: found "a" (a string), wanted an array of strings'),
        ('k = ["a", 5]', lambda o: o.texts("k", ()), "k[1]: found 5 (an integer), wanted a string"),
        ("k = 1", lambda o: o.table("k"), "k: found 1 (an integer), wanted a table, under [k]"),
        ("[k]", lambda o: o.tables("k"), "k: found a table, wanted tables, each under its own [[k]]"),
        ("k = [1]", lambda o: o.tables("k"), "k: found an array, wanted tables, each under its own [[k]]"),
        ('k = ""', lambda o: o.path("k", "."), 'k: found "", wanted a path'),
        ('k = "a\\u0000b"', lambda o: o.path("k", ".", words=("w",)), 'k: found "a\\u0000b", wanted a path, w'),
        ("k = 1", lambda o: o.path("k", "."), "k: found 1 (an integer), wanted a path"),
        ("[t]\nk = 1", lambda o: o.table("t").text("k", None), "t.k: found 1 (an integer), wanted a string"),
        ("[t]\nk = 1", lambda o: o.table("t").table("k"), "t.k: found 1 (an integer), wanted a table"),
        (
            "[[t]]\n[[t]]\nk = 1",
            lambda o: o.tables("t")[1].path("k", ""),
            "t[1].k: found 1 (an integer), wanted a path",
        ),
    ],
)
def test_an_error_says_file_key_found_and_wanted(toml: str, get: Callable[[Options], object], error: str) -> None:
    assert fault(lambda: get(options(toml))) == f"nwauth.toml: {error}"


def test_the_file_stands_in_the_error_as_it_was_named() -> None:
    assert fault(lambda: options("k = 1", folder="/etc/mail").required("k")).startswith(
        "/etc/mail/nwauth.toml: k: found 1"
    )


def test_a_word_stands_for_the_default_or_for_itself() -> None:
    table = options('i = "auto"\nd = "never"\np = "syslog"')
    assert table.integer("i", None, minimum=0, maximum=1, or_word="auto") is None
    assert table.date("d", None, or_word="never") is None
    assert table.path("p", "x", words=("syslog",)) == "syslog"


@pytest.mark.parametrize(
    ("toml", "error"),
    [
        ("pth = 1", "pth: unknown key, did you mean path?"),
        ("PATH = 1", "PATH: unknown key, did you mean path?"),
        ("zzzz = 1", "zzzz: unknown key, wanted one of path, scheme, table"),
        ('"a b\\n" = 1', '"a b\\u000a": unknown key, wanted one of path, scheme, table'),
        ("[table]\nx = 1", "table.x: unknown key, wanted none here"),
    ],
)
def test_an_unknown_key_is_refused_and_the_nearest_one_named(toml: str, error: str) -> None:
    table = options(toml)
    table.path("path", ".")
    table.text("scheme", None)
    table.table("table")
    assert fault(table.finish) == f"nwauth.toml: {error}"


def test_an_unknown_key_in_an_array_of_tables_is_named_with_its_index() -> None:
    table = options("[[stores]]\nkind = 'x'\n[[stores]]\nkin = 'y'")
    for store in table.tables("stores"):
        store.text("kind", None)
    assert fault(table.finish) == "nwauth.toml: stores[1].kin: unknown key, did you mean kind?"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("postgresql://${HOST}/mail", "postgresql://db1/mail"),
        ("${HOST}${HOST}", "db1db1"),
        ("a${EMPTY}b", "ab"),
        ("$${HOST}", "${HOST}"),
        ("${DOLLAR}${HOST}", "$db1"),
        ("$HOST $ 5$", "$HOST $ 5$"),
        ("$${", "${"),
    ],
)
def test_a_string_takes_environment_variables(written: str, read: str) -> None:
    assert options(f"k = '{written}'").text("k", None) == read
    assert options(f"k = ['{written}']").texts("k", None) == (read,)


def test_an_environment_variable_that_is_unset_is_an_error() -> None:
    assert fault(lambda: options("k = '${NOPE}'").text("k", None)) == (
        "nwauth.toml: k: found ${NOPE}, wanted an environment variable that is set"
    )
    for bad in ("${", "${}", "${A", "${A-B}", "${1A}", "${a b}"):
        assert "without a name" in fault(lambda bad=bad: options(f"k = '{bad}'").text("k", None))  # type: ignore[misc]


def test_the_process_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NWAUTH_TEST_HOST", "db9")
    assert Options({"k": "${NWAUTH_TEST_HOST}"}, file="f").text("k", None) == "db9"


def secret(folder: Path, content: bytes, *, mode: int = 0o600) -> Options:
    path = folder / "db.secret"
    path.write_bytes(content)
    path.chmod(mode)
    return options('k = { file = "db.secret" }', folder=str(folder))


@pytest.mark.parametrize(
    ("content", "read"),
    [
        (b"s3cret", "s3cret"),
        (b"s3cret\n", "s3cret"),
        (b"s3cret\r\n", "s3cret"),
        (b"a\n\n", "a\n"),
        (b"a\xff ", "a\udcff "),
    ],
)
def test_a_secret_is_read_from_its_file_without_its_last_line_end(tmp_path: Path, content: bytes, read: str) -> None:
    assert secret(tmp_path, content).text("k", None, secret=True) == read
    assert secret(tmp_path, content, mode=0o640).required("k") == read


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644])
def test_a_secret_that_others_can_use_is_an_error_that_says_chmod(tmp_path: Path, mode: int) -> None:
    text = fault(lambda: secret(tmp_path, b"s3cret", mode=mode).text("k", None))
    path = tmp_path / "db.secret"
    assert text.startswith(
        f"{tmp_path}/nwauth.toml: k: found {path} with mode {mode:04o}, wanted a file closed to others"
    )
    assert text.endswith(f": chmod 600 {path}")


def test_a_secret_file_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    assert "empty" in fault(lambda: secret(tmp_path, b"\n").text("k", None))
    assert "over 65536 bytes" in fault(lambda: secret(tmp_path, b"s" * (MAX_SECRET_BYTES + 1)).text("k", None))
    (tmp_path / "db.secret").unlink()
    missing = options('k = { file = "db.secret" }', folder=str(tmp_path))
    assert fault(lambda: missing.text("k", None)).endswith("db.secret cannot be read: No such file or directory")
    os.mkfifo(tmp_path / "db.secret", 0o600)
    assert "wanted a plain file" in fault(lambda: missing.text("k", None))
    folder = options('k = { file = "." }', folder=str(tmp_path))
    assert "cannot be read: Is a directory" in fault(lambda: folder.text("k", None))
    for toml in ("k = { file = 5 }", 'k = { file = "" }', 'k = { file = "a", fil = "b" }', 'k = { path = "a" }'):
        assert "wanted" in fault(lambda toml=toml: options(toml).text("k", None))  # type: ignore[misc]


@pytest.mark.parametrize("toml", ["k = 5318008", "k = ['5318008']", "k = { x = '5318008' }", "k = 5318008.5"])
def test_an_error_never_shows_a_secret(toml: str) -> None:
    assert "5318008" not in fault(lambda: options(toml).text("k", None, secret=True))


def test_an_error_never_shows_the_value_of_a_variable() -> None:
    text = fault(lambda: options("k = '${PASS}'").choice("k", None, ("a", "b")))
    assert text == 'nwauth.toml: k: found "${PASS}", wanted one of a, b'


@settings(deadline=None)  # other work may share the machine
@given(
    st.dictionaries(st.text(max_size=8), st.text(max_size=200) | st.integers() | st.floats() | st.binary(max_size=3))
)
def test_any_mapping_is_refused_in_one_printable_line(mapping: dict[str, object]) -> None:
    for key in mapping:
        table = Options(mapping, file="f", environ={})
        for call in (table.finish, lambda key=key, table=table: table.boolean(key, None)):
            with pytest.raises(ConfigError) as caught:
                call()
            assert "\n" not in str(caught.value) or "\n" in key
