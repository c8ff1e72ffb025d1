"""``kind = "process"`` in nwauth.toml: what is read, and what is refused in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nwauth.build import build, rules
from nwauth.config import read
from nwauth.config.kinds.process import ProcessConfig
from nwauth.errors import ConfigError
from nwauth.stores.process import ProcessStore

if TYPE_CHECKING:
    from pathlib import Path

    from nwauth.config import Config


def written(folder: Path, lines: str) -> Config:
    (folder / "nwauth.toml").write_text(f'[[stores]]\nkind = "process"\n{lines}\n')
    return read(str(folder), environ={"PASSWORD": "hush"})


def of(folder: Path, lines: str) -> ProcessConfig:
    (one,) = written(folder, lines).stores
    assert isinstance(one, ProcessConfig)
    return one


def fault(folder: Path, lines: str) -> str:
    """The one-line error, without the names of the file and the table."""
    with pytest.raises(ConfigError) as caught:
        written(folder, lines)
    start = f"{folder}/nwauth.toml: stores[0]."
    assert str(caught.value).startswith(start)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(start)


def test_a_command_is_enough(tmp_path: Path) -> None:
    found = of(tmp_path, 'command = ["/usr/local/dmail/odbcauth", "-path", "/usr/local/dmail"]')
    assert found == ProcessConfig(
        path=str(tmp_path),
        command=("/usr/local/dmail/odbcauth", "-path", "/usr/local/dmail"),
        name="process",
        folder=str(tmp_path),
        timeout_seconds=5.0,
        address="auto",
        send_fields="all",
        lists_in_order=False,
        dead_texts=(),
        environment={},
        read_only=False,
    )


def test_every_setting_is_read(tmp_path: Path) -> None:
    found = of(
        tmp_path,
        """
        name = "odbc"
        command = ["bin/odbcauth", "-password", "${PASSWORD}"]
        folder = "run"
        timeout_seconds = 2
        address = "never"
        send_fields = "changed"
        lists_in_order = true
        dead_texts = ["cannot open", "busy"]
        read_only = true
        environment = { ODBCINI = "/etc/odbc.ini", SECRET = "${PASSWORD}" }
        """,
    )
    assert found == ProcessConfig(
        path=str(tmp_path),
        name="odbc",
        command=(f"{tmp_path}/bin/odbcauth", "-password", "hush"),
        folder=f"{tmp_path}/run",
        timeout_seconds=2.0,
        address="never",
        send_fields="changed",
        lists_in_order=True,
        dead_texts=("cannot open", "busy"),
        environment={"ODBCINI": "/etc/odbc.ini", "SECRET": "hush"},
        read_only=True,
    )
    assert "hush" not in repr(found)


def test_a_program_without_a_slash_is_looked_for_where_programs_are(tmp_path: Path) -> None:
    assert of(tmp_path, 'command = ["nwauth"]').command == ("nwauth",)


def test_new_passwords_are_given_in_the_clear_and_nothing_is_upgraded(tmp_path: Path) -> None:
    config = written(tmp_path, 'command = ["nwauth"]')
    found = rules(config, config.stores[0])
    assert (found.scheme, found.upgrade_to, found.keep, found.star_is_clear) == ("clear", None, False, False)


def test_a_command_waits_longer_than_a_mail_server(tmp_path: Path) -> None:
    one = of(tmp_path, 'command = ["nwauth"]')
    assert one.patient(30).timeout_seconds == 10
    assert one.patient(1).timeout_seconds == 5


def test_it_is_built_and_starts_nothing(tmp_path: Path) -> None:
    service = build(written(tmp_path, 'command = ["/nowhere/module"]'))
    assert isinstance(service.store, ProcessStore)
    assert service.store.place() == "the module /nowhere/module"
    service.store.close()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "command: found nothing, wanted an array of the program and its options"),
        ("command = []", "command: found nothing, wanted"),
        ('command = [""]', "command: found nothing, wanted"),
        ('command = "odbcauth -path x"', "command: found"),
        ('command = ["odbcauth -path x"]', "command: found one string with blanks, wanted an array"),
        ('command = ["odbcauth", 1]', "command[1]: found 1 (an integer), wanted a string"),
        ('command = ["odbcauth", "a\\u0000b"]', "command[1]: found a NUL byte"),
        ('command = ["x"]\ntimeout_seconds = 9', "timeout_seconds: found 9, wanted a number from 0.1 to 7.5"),
        ('command = ["x"]\ntimeout_seconds = "5"', 'timeout_seconds: found "5" (a string), wanted a number'),
        ('command = ["x"]\naddress = "sometimes"', 'address: found "sometimes", wanted one of auto, always, never'),
        ('command = ["x"]\nsend_fields = "none"', 'send_fields: found "none", wanted one of all, changed'),
        ('command = ["x"]\ndead_texts = [" "]', "dead_texts: found an empty string"),
        ('command = ["x"]\nenvironment = { "A=B" = "c" }', "environment: found a name or value"),
        ('command = ["x"]\nenvironment = { A = 1 }', "environment.A: found 1 (an integer), wanted a string"),
        ('command = ["x"]\nscheme = "bcrypt"', "scheme: unknown key"),
        ('command = ["x"]\ntime_out_seconds = 5', "time_out_seconds: unknown key, did you mean timeout_seconds?"),
    ],
)
def test_what_cannot_be_used_is_named_with_what_was_wanted(tmp_path: Path, lines: str, said: str) -> None:
    assert fault(tmp_path, lines).startswith(said)
