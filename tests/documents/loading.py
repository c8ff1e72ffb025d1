"""Reads what a page shows as the program that it is for would: settings, rules, plans, logs, a dmail.conf."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nwauth import config
from nwauth.dmail.reading import parse
from nwauth.logs.lines import read_line
from nwauth.policy.reading import read_policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRETS = {"ldap.secret": "letterbox", "sql.url": "sqlite:///users.db"}


def load_toml(text: str, folder: Path) -> None:
    """Settings, rules or a plan: by the tables in it."""
    tables = tomllib.loads(text).keys()
    if tables & {"rule", "throttle", "test", "lists"} or "default" in tomllib.loads(text).get("policy", {}):
        read_policy(text.encode(), file="policy.toml")
        return
    if tables & {"user", "scope", "defaults"}:
        from tests.commands.common import base, run

        assert run(base(str(folder)), "apply", "-", "--input", "toml", "--dry-run", stdin=text.encode()).status in (
            0,
            3,
        )
        return
    for name, content in SECRETS.items():
        (folder / name).write_text(content)
        (folder / name).chmod(0o600)
    (folder / "nwauth.toml").write_text(text)
    environ = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "letterbox")
    config.read(str(folder), environ=environ)


def load_json(text: str, _folder: Path) -> None:
    for line in text.splitlines():
        assert isinstance(json.loads(line), dict)


def load_log(text: str, _folder: Path) -> None:
    """Lines as nwauth writes them."""
    for line in text.splitlines():
        found = read_line(line.encode(), written_before=datetime(2027, 1, 1, tzinfo=UTC))
        assert found is not None, line


def load_dmail(text: str, _folder: Path) -> None:
    """A part of a dmail.conf: no line of it is complained of; what it lacks may stand in the rest."""
    found = parse(text.encode(), file="dmail.conf")
    assert found.settings
    assert found.unknown == ()
    assert [problem for problem in found.problems if problem.line] == []


LOADERS: dict[str, Callable[[str, Path], None]] = {
    "toml": load_toml,
    "ndjson": load_json,
    "log": load_log,
    "conf": load_dmail,
}
