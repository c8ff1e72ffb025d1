"""For a user, what DSMTP asks for when mail comes in and DPOP when somebody logs in, and the drop file that follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nwauth.dmail.drops import hashed_path
from nwauth.dmail.values import EXTERNAL, NT_USER, lowered

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from nwauth.dmail.values import DmailConf, Domain

DSMTP, DPOP = "DSMTP", "DPOP"
REQUESTS = {DSMTP: "lookup", DPOP: "check"}
MODULE, SYSTEM, PASSWD_FILE, WINDOWS = "module", "system", "passwd file", "windows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One event at one server: what it looks up, and where.

    `local` is the user's name in its domain, as it was typed; `name` what is asked for, empty where dmail.conf does not
    tell it; `asked` one of `MODULE`, `SYSTEM`, `PASSWD_FILE`, `WINDOWS`.
    """

    conf: DmailConf
    domain: Domain
    server: str
    event: str
    local: str
    name: str
    asked: str

    @property
    def request(self) -> str:
        """The command that the module gets."""
        return REQUESTS[self.server]

    def drop_file(self, found: str | None = None) -> str | None:
        """The drop file, if no store names another: `found` is the name in the password file that was met.

        Only DSMTP, and only where it reads a password file without case, takes the spelling found there (since 2.4j).
        None: dmail.conf does not tell the folder, or the name would lead out of it.
        """
        local = self.local
        if self.asked in (SYSTEM, PASSWD_FILE) and self.server == DSMTP and found is not None:
            lead = _lead_of(self.conf, self.domain)
            local = found[len(lead) :] if lowered(found).startswith(lowered(lead)) else found
        return drop_file(self.conf, self.domain, local)


def askings(conf: DmailConf, login: str) -> list[Asking]:
    """What is asked for `login`: a bare name in every domain, an address or a login with a suffix in its own.

    Empty: the login names a domain that dmail.conf does not.
    """
    found: list[Asking] = []
    is_bare = "@" not in login and not any(_suffixes(domain, login) for domain in conf.domains)
    for domain in conf.domains:
        local = _local(domain, login, is_bare=is_bare)
        if local:
            found += _at(conf, domain, local)
    return found


def sent_name(conf: DmailConf, domain: Domain, local: str, server: str) -> str:
    """The name that a server asks for; empty where dmail.conf does not tell it.

    ``authent_domain`` is for external modules alone (dm_set.htm).  A domain's own password file is taken to hold plain
    names: its users need no prefix to be told apart.
    """
    if conf.authent_method == EXTERNAL and conf.authent_domain:
        name = f"{local}@{domain.name}" if domain.name else ""
    else:
        name = _lead_of(conf, domain) + local
    return lowered(name) if server == DPOP and conf.lowercase_username else name


def drop_file(conf: DmailConf, domain: Domain, local: str) -> str | None:
    r"""The drop file of the user `local` of `domain`.

    The prefix is in the case of dmail.conf; hash letters are lower case, and skip the prefix; with lowercase_username
    the whole name is lower case.  None: dmail.conf does not tell the folder, or the name would lead out of it.
    """
    if not domain.drop_path:
        return None
    file = domain.lead + local if conf.drop_prefix else local
    if conf.lowercase_username:
        file = lowered(file)
    return hashed_path(domain.drop_path, local, file, levels=conf.hash_spool)


def unix_match(wanted: str, names: Collection[str], *, unix_case: bool, lowered_too: bool = False) -> str | None:
    """The name that DSMTP's look-up of `wanted` meets among those of a password file.

    The exact one; else, unless `unix_case`, the one that differs only in case, if there is one alone; else, for the
    system's users (`lowered_too`, DSMTP 2.5c), the lower-case form.
    """
    if wanted in names:
        return wanted
    if unix_case:
        return None
    alike = {name for name in names if lowered(name) == lowered(wanted)}
    if len(alike) == 1:
        return alike.pop()
    return lowered(wanted) if lowered_too and lowered(wanted) in names else None


def addressees(conf: DmailConf, name: str) -> list[tuple[Domain, str]]:
    """Every domain and local name by which `name` is asked for: more than one, and two people share a user.

    So the user ``dom2_bob`` is met by mail for bob of domain 2, and by mail for dom2_bob of the main domain.
    """
    found: list[tuple[Domain, str]] = []
    for domain in conf.domains:
        if _asked(conf, domain) == PASSWD_FILE:  # another base
            continue
        if conf.authent_method == EXTERNAL and conf.authent_domain:
            local, at, of = name.rpartition("@")
            if at and domain.is_called(of):
                found.append((domain, local))
            continue
        lead = _lead_of(conf, domain)
        if lowered(name).startswith(lowered(lead)) and len(name) > len(lead):
            found.append((domain, name[len(lead) :]))
    return found


def _lead_of(conf: DmailConf, domain: Domain) -> str:
    """What stands before the local name where names are looked up without their domain."""
    return "" if _asked(conf, domain) == PASSWD_FILE else domain.lead


def _asked(conf: DmailConf, domain: Domain) -> str:
    if conf.authent_method == EXTERNAL:
        return MODULE
    if conf.authent_method == NT_USER:
        return WINDOWS
    return PASSWD_FILE if domain.passwd_file else SYSTEM


def _local(domain: Domain, login: str, *, is_bare: bool) -> str:
    """The local name that `login` means in a domain: of an address there, or a login with its suffix; else nothing."""
    if is_bare:
        return login
    local, _, of = login.rpartition("@")
    if local and domain.is_called(of):
        return local
    suffixes = _suffixes(domain, login)
    return login[: -len(suffixes[0])] if suffixes else ""


def _suffixes(domain: Domain, login: str) -> list[str]:
    """The suffixes of a domain that end `login`."""
    return [one for one in domain.suffixes if len(login) > len(one) and lowered(login).endswith(lowered(one))]


def _at(conf: DmailConf, domain: Domain, local: str) -> Iterator[Asking]:
    """One event of mail, and one for each way to log in."""
    if domain.is_main:
        logins = [f"login {local}"]
    else:
        logins = [f"login {local}{suffix}" for suffix in domain.suffixes]
        logins += [f"login {local} at {address}" for address in domain.addresses]
    events = [(DSMTP, f"mail to {local}@{domain.name or '?'}"), *((DPOP, login) for login in logins)]
    for server, event in events:
        yield Asking(
            conf=conf,
            domain=domain,
            server=server,
            event=event,
            local=local,
            name=sent_name(conf, domain, local, server),
            asked=_asked(conf, domain),
        )
