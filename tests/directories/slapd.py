"""OpenLDAP's server, as the operating system installs it, in a temporary folder."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tests.databases import guard
from tests.databases.server import free_port
from tests.directories import ldif
from tests.directories.directory import Directory, run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.directories.authority import Certificate

HOST = "127.0.0.1"
SUFFIX = "dc=test,dc=com"
ADMINISTRATOR = f"cn=admin,{SUFFIX}"
MAIL = f"cn=mail,{SUFFIX}"  # the account that looks users up
PASSWORD = "letterbox"  # of both
FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/local/libexec")
SCHEMAS = ("core", "cosine", "inetorgperson", "nis")
MODULES = ("/usr/lib/ldap", "/usr/lib64/openldap", "/usr/local/libexec/openldap")
EVERYBODY_MAY_BIND = "to attrs=userPassword by dn.exact=cn=mail,dc=test,dc=com read by anonymous auth by * none"
MAIL_MAY_READ = "to * by dn.exact=cn=mail,dc=test,dc=com read by * none"
ACCESS = (EVERYBODY_MAY_BIND, MAIL_MAY_READ)
ACCOUNT = {"objectClass": ["applicationProcess", "simpleSecurityObject"], "userPassword": PASSWORD}
_numbers = itertools.count(1)


def _binary(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join([*FOLDERS, os.environ.get("PATH", "")]))


def missing() -> str | None:
    """Why there can be no server here; None where there can."""
    lacking = [name for name in ("slapd", "slapadd", "ldapmodify") if _binary(name) is None]
    return f"OpenLDAP is missing ({', '.join(lacking)}): apt-get install slapd ldap-utils" if lacking else None


class Slapd(Directory):
    """A server for `SUFFIX`, with an account that may read it, and TLS on both ports where it has a certificate.

    `settings` are lines of slapd.conf for the database; `modules` are loaded besides.
    """

    name: ClassVar = "slapd"

    def __init__(
        self,
        certificate: Certificate | None = None,
        *,
        settings: Iterable[str] = (),
        modules: Iterable[str] = (),
        debug: str = "0",
    ) -> None:
        super().__init__()
        self.port, self.tls_port = free_port(), free_port()
        self._certificate = certificate
        self._debug = debug
        self._data = self.folder / "data"
        self._data.mkdir()
        guard.give(self._data)
        (self.folder / "slapd.conf").write_text(self._configuration([*settings], [*modules]))
        accounts = [(dn, {"cn": dn.partition(",")[0].removeprefix("cn="), **ACCOUNT}) for dn in (ADMINISTRATOR, MAIL)]
        root = ldif.entry(SUFFIX, {"objectClass": ["dcObject", "organization"], "o": "test", "dc": "test"})
        self.load(root + "".join(ldif.entry(*account) for account in accounts))

    @property
    def url(self) -> str:
        return f"ldap://{HOST}:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"ldaps://{HOST}:{self.tls_port}"

    @property
    def socket_url(self) -> str:
        return "ldapi://" + str(self.folder / "ldapi").replace("/", "%2F")

    def _configuration(self, settings: list[str], modules: list[str]) -> str:
        schemas = next(path for path in ("/etc/ldap/schema", "/etc/openldap/schema") if Path(path).is_dir())
        folders = [path for path in MODULES if Path(path).is_dir()]
        lines = [f"include {schemas}/{name}.schema" for name in SCHEMAS]
        lines += [f"modulepath {':'.join(folders)}", *(f"moduleload {name}" for name in ("back_mdb", *modules))]
        lines += [f"pidfile {self.folder}/pid", "allow bind_anon_cred", "sizelimit 2000"]
        if self._certificate is not None:
            lines += [f"TLSCertificateFile {self._certificate.chain}", f"TLSCertificateKeyFile {self._certificate.key}"]
        lines += ["database config", "rootdn cn=config", f"rootpw {PASSWORD}"]
        lines += ["database mdb", f"suffix {SUFFIX}", f"rootdn {ADMINISTRATOR}", f"rootpw {PASSWORD}"]
        lines += [f"directory {self._data}", "maxsize 4294967296", "dbnosync"]
        lines += ["index objectClass eq", "index uid,mail eq", *settings]
        if not any(setting.startswith("access ") for setting in settings):
            lines += [f"access {rule}" for rule in ACCESS]
        return "\n".join(lines) + "\n"

    # --- what it holds ----------------------------------------------------------------------------------------------

    def load(self, text: str) -> None:
        """Put entries into the data of a server that does not run: the fast way for many."""
        binary = _binary("slapadd")
        assert binary
        run(binary, "-q", "-f", self.folder / "slapd.conf", given=text, **guard.unprivileged())

    def modify(self, text: str, *, who: str = ADMINISTRATOR) -> None:
        """Entries, and changes to entries; by the local socket, so that no rule about TLS keeps it out."""
        tool = _binary("ldapmodify")
        assert tool
        run(tool, "-a", "-x", "-H", self.socket_url, "-D", who, "-w", PASSWORD, given=text)

    def new_base(self, entries: str = "") -> str:
        """A branch that no other test uses; `entries` may name it as ``{base}``."""
        base = f"ou=people{next(_numbers)},{SUFFIX}"
        self.modify(ldif.entry(base, {"objectClass": "organizationalUnit"}))
        if entries:
            self.modify(entries)
        return base

    def allow(self, *rules: str) -> None:
        """Other access rules, at once, in the place of those there are."""
        values = {"olcAccess": [f"{{{at}}}{rule}" for at, rule in enumerate(rules)]}
        self.modify(ldif.change("olcDatabase={1}mdb,cn=config", values), who="cn=config")

    def copy_branch(self, base: str, source: Slapd) -> None:
        """What `source` has below a base."""
        tool = _binary("ldapsearch")
        assert tool
        who = ("-x", "-D", ADMINISTRATOR, "-w", PASSWORD)
        self.modify(run(tool, *who, "-LLL", "-H", source.socket_url, "-b", base))

    def drop_branch(self, base: str) -> None:
        """Everything below a base, and the base."""
        tool = _binary("ldapdelete")
        assert tool
        run(tool, "-x", "-D", ADMINISTRATOR, "-w", PASSWORD, "-r", "-H", self.socket_url, base)

    # --- the process ------------------------------------------------------------------------------------------------

    def _command(self) -> list[str | Path]:
        binary = _binary("slapd")
        assert binary
        listening = [f"ldap://{HOST}:{self.port}/", f"{self.socket_url}/"]
        listening += [f"ldaps://{HOST}:{self.tls_port}/"] if self._certificate is not None else []
        return [binary, "-f", self.folder / "slapd.conf", "-h", " ".join(listening), "-d", self._debug]

    def _answers(self) -> bool:
        with closing(socket.socket()) as probe:
            return probe.connect_ex((HOST, self.port)) == 0
