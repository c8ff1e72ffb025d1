"""An Active Directory domain controller: Samba, as the operating system installs it, with its LDAP server alone.

Its ports are fixed, so it listens on a loopback address of its own; that, and the data it makes, take root.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tests.directories import ldif
from tests.directories.authority import authority
from tests.directories.directory import Directory, run

if TYPE_CHECKING:
    from collections.abc import Mapping

SUFFIX = "DC=test,DC=com"
PEOPLE = f"CN=Users,{SUFFIX}"
ADMINISTRATOR = f"CN=Administrator,{PEOPLE}"
PASSWORD = "Letter.box7"  # of the administrator
SECRET = "Secr3t.word"  # of users
NEEDED = ("/usr/share/samba/setup/provision.ldif", "/usr/lib/python3/dist-packages/samba/provision/__init__.py")
# What a script of Samba's own Python does: users are made, and their attributes changed, in the data itself.
SCRIPT = """\
import json, sys
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB
conf, data, tasks = sys.argv[1], sys.argv[2], json.load(sys.stdin)
lp = LoadParm()
lp.load(conf)
samdb = SamDB(url=data, session_info=system_session(), lp=lp)
for task in tasks:
    if "ldif" in task:
        samdb.modify_ldif(task["ldif"])
    elif "to" in task:
        samdb.rename(task["dn"], task["to"])
    elif "dn" in task:
        samdb.delete(task["dn"])
    elif "expires_in" in task:
        samdb.setexpiry(f"(sAMAccountName={task['name']})", task["expires_in"])
    elif "disable" in task:
        samdb.disable_account(f"(sAMAccountName={task['name']})")
    else:
        samdb.newuser(task["name"], task["password"], setpassword=True, **task["more"])
"""


def missing() -> str | None:
    """Why there can be no domain controller here; None where there can."""
    if os.geteuid():
        return "a domain controller takes root: its ports are fixed"
    lacking = [path for path in NEEDED if not Path(path).exists()]
    if lacking or shutil.which("samba", path="/usr/sbin:/usr/bin") is None or not _has_acl_module():
        packages = "samba samba-ad-provision samba-dsdb-modules samba-vfs-modules python3-samba"
        return f"Samba is missing: apt-get install {packages}"
    return None


def _has_acl_module() -> bool:
    return any(Path("/usr/lib").glob("*/samba/vfs/acl_xattr.so"))


def _free_address() -> str:
    """An address of this machine's own on which nobody listens for LDAP."""
    for _ in range(50):
        numbers = [random.SystemRandom().randrange(2, 250) for _ in range(3)]
        address = "127." + ".".join(map(str, numbers))
        with closing(socket.socket()) as probe:
            try:
                probe.bind((address, 389))
            except OSError:
                continue
        return address
    raise AssertionError("port 389 is taken on every address of this machine: end the slapd that runs as a service")


class Samba(Directory):
    """A domain controller of ``test.com`` without any users but its own."""

    name: ClassVar = "samba"

    def __init__(self) -> None:
        super().__init__()
        self.address = _free_address()
        self._conf = self.folder / "dc" / "etc" / "smb.conf"
        self._sam = self.folder / "dc" / "private" / "sam.ldb"
        self._provision()

    @property
    def url(self) -> str:
        return f"ldap://{self.address}"

    @property
    def tls_url(self) -> str:
        return f"ldaps://{self.address}"

    def _provision(self) -> None:
        own = ("--realm=TEST.COM", "--domain=TEST", "--server-role=dc", "--dns-backend=NONE", "--host-name=dc1")
        where = (f"--host-ip={self.address}", f"--targetdir={self.folder / 'dc'}")
        run("samba-tool", "domain", "provision", *own, *where, f"--adminpass={PASSWORD}")
        certificate = authority().right(self.address)
        os.chown(certificate.key, 0, 0)  # Samba refuses a key of somebody else's, and one that others may read
        certificate.key.chmod(0o600)
        settings = {
            "interfaces": f"{self.address}/8",
            "bind interfaces only": "yes",
            "server services": "ldap",
            "pid directory": self.folder,
            "ncalrpc dir": self.folder / "ncalrpc",
            "log file": self.folder / "samba.log",
            "ldap server require strong auth": "no",
            "tls certfile": certificate.chain,
            "tls keyfile": certificate.key,
            "tls cafile": authority().ca_file,
        }
        kept = [
            line
            for line in self._conf.read_text().splitlines()
            if line.partition("=")[0].strip() not in {*settings, "dns forwarder"}
        ]
        at = kept.index("[global]") + 1
        kept[at:at] = [f"\t{name} = {value}" for name, value in settings.items()]
        self._conf.write_text("\n".join(kept) + "\n")

    # --- what it holds ----------------------------------------------------------------------------------------------

    def add(self, name: str, *, password: str = SECRET, **more: Any) -> str:
        """A user, with the arguments of Samba's `newuser`; the name of the entry."""
        self._do({"name": name, "password": password, "more": more})
        return f"CN={name},{PEOPLE}"

    def disable(self, name: str) -> None:
        self._do({"name": name, "disable": True})

    def expire(self, name: str) -> None:
        """The account has expired a day ago."""
        self._do({"name": name, "expires_in": -86_400})

    def change(self, dn: str, **values: str | bytes) -> None:
        self._do({"ldif": ldif.change(dn, values)})

    def change_domain(self, **values: str) -> None:
        self.change(SUFFIX, **values)

    def rename(self, dn: str, to: str) -> None:
        self._do({"dn": dn, "to": to})

    def remove(self, dn: str) -> None:
        self._do({"dn": dn})

    def _do(self, *tasks: Mapping[str, object]) -> None:
        run("/usr/bin/python3", "-c", SCRIPT, self._conf, self._sam, given=json.dumps(tasks))

    # --- the process ------------------------------------------------------------------------------------------------

    def _account(self) -> dict[str, Any]:
        return {}

    def _command(self) -> list[str | Path]:
        return ["samba", "--interactive", "--model=single", f"--configfile={self._conf}"]

    def _answers(self) -> bool:
        with closing(socket.socket()) as probe:
            return probe.connect_ex((self.address, 636)) == 0
