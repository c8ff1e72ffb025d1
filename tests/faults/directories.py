"""A folder that is served from a directory: for the tests of directories that fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.directories.slapd import MAIL, PASSWORD
from tests.faults.databases import Logged
from tests.serving import Child

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SHORT_SECONDS = 1.0  # the time-outs of most tests
IN_TIME_SECONDS = 5.0  # with them, whatever happens, on a loaded machine too


class Folder(Logged):
    """A folder whose users are in the directory of these servers, below that base."""

    def __init__(self, path: Path, urls: Sequence[str], base: str, **settings: object) -> None:
        super().__init__(path)
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


def _toml(value: object) -> str:
    return (
        str(value).lower()
        if isinstance(value, bool)
        else str(value)
        if isinstance(value, int | float)
        else f'"{value}"'
    )


def assert_serves(child: Child) -> None:
    assert child.ask(b"lookup bob").startswith(b"+OK bob ")
    assert child.ask(b"lookup nobody") == b"-ERR nobody does not exist\n"
    assert child.ask(b"check bob secret").startswith(b"+OK bob ")
    assert child.ask(b"check bob wrong").startswith(b"-ERR ")
    assert b"+DATA bob\n" in child.ask(b"search *")
