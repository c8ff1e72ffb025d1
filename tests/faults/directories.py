"""A folder that is served from a directory, and what its log says: for the tests of directories that fail."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from nwauth.audit import parse_line
from tests.directories.slapd import MAIL, PASSWORD
from tests.faults.databases import Timed
from tests.serving import Child

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

QUESTIONS = (b"lookup bob", b"check bob secret", b"lookup nobody", b"check bob wrong", b"search *")
SHORT_SECONDS = 1.0  # the time-outs of most tests
IN_TIME_SECONDS = 5.0  # with them, whatever happens, on a loaded machine too


class Folder:
    """A folder whose users are in the directory of these servers, below that base."""

    def __init__(self, path: Path, urls: Sequence[str], base: str, **settings: object) -> None:
        self.path = path
        path.mkdir(exist_ok=True)
        secret = path / "ldap.secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o600)
        short = {"connect_timeout_seconds": SHORT_SECONDS, "request_timeout_seconds": SHORT_SECONDS}
        lines = [f"{key} = {_toml(value)}" for key, value in (short | settings).items()]
        (path / "nwauth.toml").write_text(
            f'[[stores]]\nkind = "ldap"\nurls = {list(urls)!r}\nbase = "{base}"\nbind_dn = "{MAIL}"\n'
            'bind_password = { file = "ldap.secret" }\n' + "\n".join(lines) + "\n"
        )

    def child(self, *options: str, command: tuple[str, ...] | None = None) -> Child:
        return Child(self.path, *options) if command is None else Child(self.path, *options, command=command)

    def log(self) -> list[dict[str, str]]:
        file = self.path / "nwauth.log"
        return [parse_line(line) for line in file.read_text().splitlines()] if file.exists() else []

    def outages(self) -> list[str]:
        return [line["reason"] for line in self.log() if line["command"] == "store" and line["state"] == "down"]

    def assert_told_once(self, *words: str) -> None:
        """Each reason stands in the log once, the words in one of them; no request has a line of its own."""
        outages = self.outages()
        assert outages
        assert max(Counter(outages).values()) == 1, outages
        assert [line for line in self.log() if line["command"] != "store"] == []
        for word in words:
            assert any(word in reason for reason in outages), outages


def _toml(value: object) -> str:
    return (
        str(value).lower()
        if isinstance(value, bool)
        else str(value)
        if isinstance(value, int | float)
        else f'"{value}"'
    )


def assert_dead(child: Child, *requests: bytes, within: float = IN_TIME_SECONDS) -> None:
    """Each request is answered "cannot tell", within its time."""
    for request in requests:
        timed = Timed(child, request)
        assert timed.is_dead, timed
        assert timed.seconds < within, timed


def assert_serves(child: Child) -> None:
    assert child.ask(b"lookup bob").startswith(b"+OK bob ")
    assert child.ask(b"lookup nobody") == b"-ERR nobody does not exist\n"
    assert child.ask(b"check bob secret").startswith(b"+OK bob ")
    assert child.ask(b"check bob wrong").startswith(b"-ERR ")
    assert b"+DATA bob\n" in child.ask(b"search *")
