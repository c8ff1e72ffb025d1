"""What is examined: the folder and its settings, the mail server's settings, what runs, what lies in drop folders."""

from __future__ import annotations

import os
import shlex
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from nwauth.config import FlatfileConfig
from nwauth.dmail.values import EXTERNAL
from nwauth.doctor.finding import counted, finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nwauth.config import Config
    from nwauth.dmail.values import DmailConf
    from nwauth.doctor.dropfolders import Found
    from nwauth.doctor.finding import Finding
    from nwauth.doctor.servers import Running
    from nwauth.doctor.survey import Survey
    from nwauth.doctor.versions import Library

RESTART = "stop and start DSMTP and DPOP"


def _nothing() -> Iterator[Found]:
    return iter(())


@dataclass(kw_only=True)
class Place:
    """An installation.  `config` is None where ``nwauth.toml`` cannot be used, `settings_error` then says why.

    `running` is None where it cannot be seen what runs.  `drops` lists the drop folders.  `command` starts ourselves.
    `libraries` are those that root has looked for; None: nobody has yet.
    `changes` is the folder of what undo goes by; `settle_steps` has the stores tell what became of a killed command's.
    `gave_up_root`: it is looked at with the rights of the folder's owner.  Without `native` the system's libcrypt is
    left aside.
    """

    folder: str
    config: Config | None
    settings_error: str = ""
    conf: DmailConf | None = None
    running: Running | None = None
    drops: Callable[[], Iterator[Found]] = _nothing
    command: tuple[str, ...] = ("nwauth",)
    gave_up_root: bool = False
    native: bool = True
    libraries: Sequence[Library] | None = None
    changes: str = ""
    settle_steps: Callable[[], None] | None = None
    now: Callable[[], float] = time.time
    survey: Survey | None = field(default=None)

    @property
    def settings(self) -> str:
        """The file of nwauth's settings."""
        return os.path.join(self.folder, "nwauth.toml")

    @property
    def asking(self) -> DmailConf | None:
        """The settings of mail servers that do ask a module."""
        return self.conf if self.conf is not None and self.conf.authent_method == EXTERNAL else None

    @cached_property
    def flat(self) -> list[FlatfileConfig]:
        """The stores that are flat files; those of a folder without settings too."""
        stores = (FlatfileConfig(path=self.folder),) if self.config is None else self.config.stores
        flat = [one for one in stores if isinstance(one, FlatfileConfig)]
        return [one.changed(path=os.path.abspath(one.path)) for one in flat]

    def has_users(self, one: FlatfileConfig) -> bool:
        """Whether there is a user base of flat files."""
        return any(os.path.lexists(os.path.join(one.path, name)) for name in ("nwauth.txt", "nwauth.add"))

    @property
    def is_bare(self) -> bool:
        """Whether nothing of nwauth is there: it may be another folder that was meant."""
        return not os.path.lexists(self.settings) and not any(map(self.has_users, self.flat))

    def nwauth(self, *words: str) -> str:
        """A command to type."""
        return shlex.join(["nwauth", "--path", self.folder, *words])

    def of_setting(
        self,
        kind: str,
        setting: str,
        what: str,
        *,
        mend: str,
        users: Sequence[str] = (),
        severity: str | None = None,
    ) -> Finding:
        """A finding about a setting of dmail.conf."""
        assert self.conf is not None  # noqa: S101
        line = self.conf.line_of(setting)
        where = f"{self.conf.file}: line {line}: " if line else f"{self.conf.file}: "
        return finding(kind, where + what, mend=mend, file=self.conf.file, line=line, users=users, severity=severity)

    def mend_setting(self, name: str, value: str) -> str:
        """How to mend a setting of dmail.conf."""
        assert self.conf is not None  # noqa: S101
        line = self.conf.line_of(name)
        where = f"in line {line} of" if line else "in"
        return f"{where} {self.conf.file} set {name} {value}; then {RESTART}"


def age(seconds: float) -> str:
    """How long ago something was."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            return f"{counted(int(seconds // size), unit)} ago"
    return f"{counted(int(max(0, seconds)), 'second')} ago"
