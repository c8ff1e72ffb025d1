"""The settings of a dmail.conf that bear on names and passwords, with DMail's defaults, and the domains they make."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from nwauth.dmail.drops import is_windows_path
from nwauth.names import ENCODING, ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

METHODS = ("external", "nt_user", "unix_user")
EXTERNAL, NT_USER, UNIX_USER = METHODS


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One ``name value`` line: the name in lower case, the value without the blanks and quotes around it."""

    name: str
    value: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with the file, in words; `line` is 0 where it is about no line."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}: line {self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualDomain:
    """One ``vdomain PREFIX WAY DOMAIN PATH`` line: the way in is an IP address or a suffix of the login.

    `way` and `domain` are empty in the manual's short form ``vdomain PREFIX PATH``.
    """

    prefix: str
    way: str
    domain: str
    path: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswdFile:
    """One ``vdomain_passwd DOMAIN FILE`` line."""

    domain: str
    path: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A domain that the servers take mail for; `name` is empty where dmail.conf does not tell it.

    Mail to an alias is mail to the domain.  `lead` is what its prefix and the separator make: ``dom2_``, or nothing.
    """

    name: str
    is_main: bool = False
    aliases: tuple[str, ...] = ()
    lead: str = ""
    suffixes: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    drop_path: str = ""
    passwd_file: str = ""

    def is_called(self, name: str) -> bool:
        """Whether mail to ``@name`` is mail to this domain."""
        return name.lower() in (alias.lower() for alias in (self.name, *self.aliases) if alias)

    def __str__(self) -> str:
        return self.name or ("the main domain" if self.is_main else f"the domain of {self.lead}")


@dataclass(frozen=True, kw_only=True)
class DmailConf:
    """What a dmail.conf says: `settings` are the lines understood, in order; `unknown` those that are not ours to read.

    ``drop_prefix`` counts as true where it is not set: the manual's drop files carry the prefix.
    """

    file: str
    settings: tuple[Setting, ...] = ()
    unknown: tuple[Setting, ...] = ()
    problems: tuple[Problem, ...] = ()
    method: str = ""
    authent_process: str = ""
    authent_number: int = 2
    authent_timeout_seconds: int = 10
    authent_cache: int = 1000
    auth_nocache: bool = False
    authent_domain: bool = False
    host_domains: tuple[str, ...] = ()
    dpop_host: str = ""
    virtual_domains: tuple[VirtualDomain, ...] = ()
    vdomain_separator: str = "_"
    passwd_files: tuple[PasswdFile, ...] = ()
    lowercase_username: bool = False
    lowercase_password: bool = False
    unix_case: bool = False
    hash_spool: int = 0
    drop_path: str = ""
    drop_prefix: bool = True

    @property
    def authent_method(self) -> str:
        """How users are looked up; without the setting as the platform has it, which the file's paths tell."""
        if self.method:
            return self.method
        paths = (self.drop_path, self.authent_process, *(one.path for one in self.virtual_domains))
        return NT_USER if any(map(is_windows_path, paths)) else UNIX_USER

    @property
    def main_domain(self) -> str:
        """The first ``host_domain``; before DMail 2.7 it was ``dpop_host`` (authtabl.htm).  Empty: not told."""
        return self.host_domains[0] if self.host_domains else self.dpop_host

    @cached_property
    def domains(self) -> tuple[Domain, ...]:
        """Every domain, the main one first; several ``vdomain`` lines of one domain are several ways in."""
        return (self._main(), *self._virtual())

    def line_of(self, name: str) -> int:
        """The line that sets `name`, the one that counts; 0: none does."""
        lines = [setting.line for setting in self.settings if setting.name == name]
        return lines[-1] if lines else 0

    def _main(self) -> Domain:
        return Domain(
            name=self.main_domain,
            is_main=True,
            aliases=self.host_domains[1:],
            drop_path=self.drop_path,
            passwd_file=self._passwd_file(self.main_domain, *self.host_domains),
        )

    def _virtual(self) -> Iterator[Domain]:
        for lines in _grouped(self.virtual_domains).values():
            first = lines[0]
            ways = tuple(dict.fromkeys(line.way for line in lines if line.way))
            yield Domain(
                name=first.domain,
                lead=first.prefix + self.vdomain_separator if first.prefix else "",
                suffixes=tuple(way for way in ways if not is_address_like(way)),
                addresses=tuple(way for way in ways if is_address_like(way)),
                drop_path=first.path,
                passwd_file=self._passwd_file(first.domain),
            )

    def _passwd_file(self, *names: str) -> str:
        """The password file of the domain with these names; of two the last counts."""
        keys = [name.lower() for name in names]
        found = [one.path for one in self.passwd_files if one.domain.lower() in keys]
        return found[-1] if found else ""


def _grouped(lines: Iterable[VirtualDomain]) -> dict[str, list[VirtualDomain]]:
    """The lines of each domain; one without a name is known by its prefix."""
    found: dict[str, list[VirtualDomain]] = {}
    for line in lines:
        found.setdefault(line.domain.lower() or f" {line.prefix}", []).append(line)
    return found


def is_address_like(way: str) -> bool:
    """Whether a way in is an IP address, or meant to be one."""
    if way.startswith("@"):
        return False
    return ":" in way or (way[:1].isdigit() and not way.strip("0123456789."))


def lowered(text: str) -> str:
    """`text` as the servers lower it: letters of ASCII alone."""
    return text.encode(ENCODING, ERRORS).lower().decode(ENCODING, ERRORS)
