"""An installation to be broken, examined, and mended as the findings say."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nwauth import config
from nwauth.dmail.reading import read
from nwauth.doctor import Place, examine, servers
from nwauth.doctor.dropfolders import folders, walk
from nwauth.errors import ConfigError
from nwauth.passwords import Passwords, Settings
from tests.commands.common import COMMAND, SETTINGS, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.dmail.values import DmailConf
    from nwauth.doctor import Finding
    from nwauth.doctor.dropfolders import Found

SECRET = Passwords(Settings(argon2id_memory_kib=8, argon2id_iterations=1)).hash(b"secret")
DEADLINE_SECONDS = 60
LONG_AGO = 1_577_836_800
LOCK = f"/tmp/nwauth-test-servers.{os.geteuid()}"
OF_DMAIL = re.compile(r"in (?:line (\d+) of )?(\S+) set (\w+) (.*?); then stop and start DSMTP and DPOP")
OF_TOML = re.compile(r'in (\S+nwauth\.toml) set, under \[(\w+)\], (\w+ = "[^"]*")')


@contextmanager
def folder_for_all() -> Iterator[Path]:
    """A folder that every account can look into."""
    path = Path(tempfile.mkdtemp(prefix="nwauth-test-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextmanager
def site_for_all() -> Iterator[Site]:
    """An installation into whose folders every account can look."""
    with folder_for_all() as path:
        site = Site(path)
        site.folder.chmod(0o755)
        yield site


class Site:
    """A folder with bob, a dmail.conf that fits, and a drop folder: nothing is wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = path / "mail"
        self.drops = path / "in"
        self.folder.mkdir()
        self.folder.chmod(0o750)
        self.drops.mkdir()
        self.toml = self.folder / "nwauth.toml"
        self.txt = self.folder / "nwauth.txt"
        self.add = self.folder / "nwauth.add"
        self.dmail_file = path / "dmail.conf"
        self.toml.write_text(SETTINGS)
        self.users("bob")
        self.toml.chmod(0o600)
        os.utime(self.toml, (LONG_AGO, LONG_AGO))
        self.dmail("")

    def users(self, *names: str, field: str = SECRET, info: str = "") -> None:
        """Put these in nwauth.txt."""
        self.txt.write_text("".join(f"{name}:{field}:{info}\n" for name in names))
        self.txt.chmod(0o600)

    def dmail(self, more: str, *, without: str = "nothing") -> None:
        """Write dmail.conf with more settings; those that they name anew are left out, and those `without`."""
        process = " ".join([*COMMAND, "-path", str(self.folder)])
        lines = [
            "authent_method external",
            f"authent_process {process}",
            "authent_cache 0",
            "host_domain test.com",
            f"drop_path {self.drops}",
            "drop_prefix true",
            "lowercase_username true",
        ]
        new = [line.partition(" ")[0] for line in more.splitlines()]
        kept = [line for line in lines if line.partition(" ")[0] not in [*new, without] or line.startswith("host_")]
        self.dmail_file.write_text("\n".join([*kept, more]))
        os.utime(self.dmail_file, (LONG_AGO, LONG_AGO))

    @property
    def conf(self) -> DmailConf:
        return read(str(self.dmail_file))

    def place(self, *, with_dmail: bool = True) -> Place:
        """What the command makes of it."""
        try:
            found, error = config.read(str(self.folder)), ""
        except ConfigError as why:
            found, error = None, str(why)
        conf = self.conf if with_dmail else None
        return Place(
            folder=str(self.folder),
            config=found,
            settings_error=error,
            conf=conf,
            running=self._running(),
            drops=lambda: walk_all(conf),
            command=tuple(COMMAND),
        )

    def _running(self) -> servers.Running:
        """What runs here: servers of other tests do not count."""
        found = servers.look()
        assert found is not None
        here = str(self.path)
        return replace(
            found,
            servers=tuple(one for one in found.servers if one.folder == here),
            modules=tuple(one for one in found.modules if here in " ".join(one.words)),
        )

    def look(self, *, with_dmail: bool = False) -> list[Finding]:
        return list(examine(self.place(with_dmail=with_dmail)))

    def found(self, kind: str, *, with_dmail: bool = False, among: bool = False) -> Finding:
        """The finding of a kind, the only one there is, unless it is `among` others."""
        found = self.look(with_dmail=with_dmail)
        of_kind = [one for one in found if one.id == kind]
        assert [one.id for one in found] == [kind] or among, found
        assert len(of_kind) == 1, found
        return of_kind[0]

    def is_gone(self, kind: str, *, with_dmail: bool = False) -> bool:
        return kind not in [one.id for one in self.look(with_dmail=with_dmail)]

    def mend(self, one: Finding) -> None:
        """Do what a finding says: change the setting, or type the command."""
        setting, key = OF_DMAIL.search(one.mend), OF_TOML.search(one.mend)
        if setting is not None:
            self._set(*setting.groups())
        elif key is not None:
            self._set_key(*key.groups())
        else:
            self.type(one.mend)

    def _set(self, number: str | None, file: str, name: str, value: str) -> None:
        assert file == str(self.dmail_file)
        lines = self.dmail_file.read_text().split("\n")
        if number is None:
            lines.append(f"{name} {value}")
        else:
            assert lines[int(number) - 1].startswith(name)
            lines[int(number) - 1] = f"{name} {value}"
        self.dmail_file.write_text("\n".join(lines))

    def _set_key(self, file: str, table: str, line: str) -> None:
        assert file == str(self.toml)
        text, header = self.toml.read_text(), f"[{table}]\n"
        text = text if header in text else f"{text}\n{header}"
        self.toml.write_text(text.replace(header, f"{header}{line}\n"))

    def type(self, command: str) -> None:
        """Type a command; new passwords are made up, and the hints behind it are not typed."""
        command = command.partition(" (and so on)")[0].partition(" (a date")[0].partition("; or ")[0]
        if " user passwd " in command:
            command += " --generate"
        if " user del " in command:
            command += " --yes"
        path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-c", command],
            capture_output=True,
            text=True,
            env=environment(PATH=path),
            timeout=DEADLINE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"


def walk_all(conf: DmailConf | None) -> Iterator[Found]:
    for folder in folders(conf):
        yield from walk(folder, conf.hash_spool if conf is not None else 0)


@contextmanager
def servers_of_others(*, may_run: bool) -> Iterator[None]:
    """While this lasts, no other test has a mail server run that the command would see; or, `may_run`, this one may.

    The command looks at all that runs on the machine.
    """
    with open(LOCK, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX if may_run else fcntl.LOCK_SH)
        yield
