"""The ``nwauth.toml`` that fits a dmail.conf: the stores that know the users whom the servers will ask for.

A store for each ``vdomain_passwd``; behind them the one for everybody else, by ``authent_method``: flat files, the
module that is served now, or the system's users.  What no store can be made for is told.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nwauth.config.example import flatfile_example
from nwauth.dmail.values import EXTERNAL, NT_USER
from nwauth.dmail.words import command_words, options_beside_path, path_of, program, toml_array, toml_string
from nwauth.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from nwauth.dmail.values import DmailConf, Domain

MODULE_NAMES = ("nwauth", "nwauth.exe")
CANNOT_BE_ASKED = (
    "the users of {domain} are system users called {lead}NAME now, and with authent_domain true the servers will ask"
    " for NAME@{domain}: set authent_domain false, or give the domain a password file (vdomain_passwd)"
)
NT_USERS = (
    "authent_method is nt_user: Windows' users are served by a store of kind ldap, which nwauth.toml shows behind #;"
    " fill it in before the servers are given authent_method external: till then nobody is known"
)
FOLDED = (
    "nwauth finds names without case, and lowercase_username is false: set it to true, or mail to BOB and to bob goes"
    " to two drop files"
)
LOWER_PASSWORDS = (
    "lowercase_password is true: the servers send every password in lower case; add users with --lowercase"
)
ELSEWHERE = "the servers start nwauth with -path {there}, where it reads {there}/nwauth.toml, not this one: give --path"
STARTED_ELSEWHERE = f"{ELSEWHERE} {{there}} here, or change authent_process"
NOT_HERE = (
    "the servers start nwauth with -path {there}, which is no folder here: give authent_process -path {here}, and copy"
    " nwauth.txt and nwauth.add from there, if there are users"
)
OPTIONS = (
    "the servers start nwauth with {options}: keep that behind the -path of the authent_process that is shown here"
)
RESTART = "stop and start DSMTP and DPOP after every change of such a setting: reading the file anew is not enough"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to write: `stores` is the text of the stores, `folder` that of the flat files, None where there are none."""

    file: str
    stores: str
    default_domain: str
    folder: str | None
    passwd_files: tuple[str, ...]
    notes: tuple[str, ...]


def matching(
    conf: DmailConf, *, folder: str, shared: bool = False, is_folder: Callable[[str], bool] = os.path.isdir
) -> Plan:
    """What fits `conf` for an ``nwauth.toml`` in `folder`, an absolute path.

    Raises:
        Refused: a path or a name in it cannot stand in ``nwauth.toml``.
    """
    _must_be_text(conf)
    own = [domain for domain in conf.domains if domain.passwd_file]
    notes: list[str] = []
    texts = [_passwd(conf, domain) for domain in sorted(own, key=lambda domain: domain.is_main)]
    base, base_folder = _base(conf, folder=folder, shared=shared, is_folder=is_folder, notes=notes)
    if conf.lowercase_password:
        notes.append(LOWER_PASSWORDS)
    if not conf.lowercase_username and not conf.unix_case:
        notes.append(FOLDED)
    return Plan(
        file=conf.file,
        stores="".join([*texts, base]),
        default_domain=conf.main_domain if conf.authent_domain else "",
        folder=base_folder,
        passwd_files=tuple(domain.passwd_file for domain in own),
        notes=(*notes, RESTART),
    )


def _must_be_text(conf: DmailConf) -> None:
    for setting in conf.settings:
        if not setting.value.isprintable():
            raise Refused(
                f"{conf.file}: line {setting.line}: {setting.name}: found what does not print or is no UTF-8, wanted"
                " text that can stand in nwauth.toml"
            )


# --- the stores ------------------------------------------------------------------------------------------------------


def _passwd(conf: DmailConf, domain: Domain) -> str:
    """The store of a domain's own password file, which holds plain names."""
    lines = [
        f"# The users of {domain}, from its own password file.",
        "[[stores]]",
        'kind = "passwd"',
        f"name = {toml_string(str(domain))}",
        f"path = {toml_string(domain.passwd_file)}",
    ]
    if conf.authent_domain and domain.name:
        lines.append(f"domain = {toml_string(domain.name)}")
    elif domain.lead:
        lines += [f"match = {toml_array([domain.lead + '*'])}", f"strip_prefix = {toml_string(domain.lead)}"]
    return _store(lines, unix_case=conf.unix_case)


def _base(
    conf: DmailConf, *, folder: str, shared: bool, is_folder: Callable[[str], bool], notes: list[str]
) -> tuple[str, str | None]:
    """The store for all whom no password file of a domain's own holds, and the folder of it if it is flat files."""
    if conf.authent_method == EXTERNAL:
        return _module(conf, folder=folder, shared=shared, is_folder=is_folder, notes=notes)
    if conf.authent_method == NT_USER:
        notes.append(NT_USERS)
        base = ",".join(f"dc={part}" for part in (conf.main_domain or "test.com").split("."))
        return _LDAP.format(base=toml_string(base), account=toml_string(f"cn=mail,{base}")) + flatfile_example(
            shared=shared
        ), folder
    return _system(conf, notes), None


def _module(
    conf: DmailConf, *, folder: str, shared: bool, is_folder: Callable[[str], bool], notes: list[str]
) -> tuple[str, str | None]:
    """What ``authent_process`` starts: nwauth's flat files, or another module, which is kept behind this one."""
    words = command_words(conf.authent_process)
    if words and not _is_nwauth(words):
        lines = [
            "# The module that the servers start now, kept behind this one.",
            "[[stores]]",
            'kind = "process"',
            f"command = {toml_array(words)}",
        ]
        return _store(lines), None
    there = path_of(words)
    options = options_beside_path(words)
    if options:
        notes.append(OPTIONS.format(options=" ".join(options)))
    if there is None or os.path.realpath(there) == os.path.realpath(folder):
        return flatfile_example(shared=shared), folder
    if not is_folder(there):
        notes.append(NOT_HERE.format(there=there, here=folder))
        return flatfile_example(shared=shared), folder
    notes.append(STARTED_ELSEWHERE.format(there=there))
    return flatfile_example(shared=shared, path=there.replace("${", "$${")), there


def _is_nwauth(words: list[str]) -> bool:
    """Whether a command line starts NetWin's program or this one."""
    return program(words[0]) in MODULE_NAMES or words[1:3] == ["-m", "nwauth"]


def _system(conf: DmailConf, notes: list[str]) -> str:
    """The system's users, asked for the domains that have no password file."""
    without = [domain for domain in conf.domains if not domain.passwd_file]
    if conf.authent_domain:
        notes += [CANNOT_BE_ASKED.format(domain=domain, lead=domain.lead) for domain in without if not domain.is_main]
        without = [domain for domain in without if domain.is_main]
    if not without:
        return ""
    lines = ["# The users of this system.", "[[stores]]", 'kind = "system"']
    if conf.authent_domain and conf.main_domain:
        suffix = f"@{conf.main_domain}"
        lines += [f"match = {toml_array(['*' + suffix])}", f"strip_suffix = {toml_string(suffix)}"]
    elif not any(domain.is_main for domain in without):  # plain names are the main domain's, which has a file
        lines.append(f"match = {toml_array(domain.lead + '*' for domain in without)}")
    return _store(lines, unix_case=conf.unix_case)


def _store(lines: list[str], *, unix_case: bool | None = None) -> str:
    """The text of a store; DMail's own look-ups have a setting for case."""
    if unix_case is not None:
        setting = "unix_case = true" if unix_case else "#unix_case = false"
        lines = [*lines, "# true: names are found in their exact spelling alone.", setting]
    return "\n".join(lines) + "\n\n"


_LDAP = """\
# Windows' users, from Active Directory: take the # from these lines, and the flat files below away.
#[[stores]]
#kind = "ldap"
#preset = "active-directory"
#urls = ["ldaps://dc1.test.com"]
#base = {base}
#bind_dn = {account}
#bind_password = {{ file = "ldap.secret" }}

"""
