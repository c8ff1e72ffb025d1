"""``nwauth policy import``: the access rules of other programs, as a policy file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nwauth.commands.command import FILES, command
from nwauth.commands.given import STDIN, given
from nwauth.commands.shown import visible
from nwauth.commands.terminal import complain
from nwauth.errors import Refused
from nwauth.names import ENCODING, ERRORS
from nwauth.policy.imports.written import Whom, written
from nwauth.policy.patterns import WILDCARDS

if TYPE_CHECKING:
    from nwauth.commands.session import Session
    from nwauth.policy.imports.written import Imported

MAX_BYTES = 1 << 20


@command(
    "import",
    examples=(
        "nwauth policy import --pam-time /etc/security/time.conf > policy.toml",
        "nwauth policy import --login-time Wk0830-1700,Sa-Su0900-1200 --class student",
        "nwauth policy import --allow-nets '10.0.0.0/8 2001:db8::/32' --user bob@test.com",
    ),
)
@click.option("--pam-time", "pam_time", metavar="FILE", shell_complete=FILES, help="A pam_time time.conf; - is stdin.")
@click.option("--login-time", "login_time", metavar="STRING", help="A Login-Time, as of FreeRADIUS; - is stdin.")
@click.option("--allow-nets", "allow_nets", metavar="LIST", help="An allow_nets, as of Dovecot; - is stdin.")
@click.option(
    "--user", "users", metavar="NAME", multiple=True, help="Whom the rules are for: a name or wildcard; several."
)
@click.option("--class", "classes", metavar="CLASS", multiple=True, help="Which class the rules are for; several.")
@click.option("--name", "name", metavar="TEXT", default="", help="How the names of the rules begin.")
def import_(
    session: Session,
    *,
    pam_time: str | None,
    login_time: str | None,
    allow_nets: str | None,
    users: tuple[str, ...],
    classes: tuple[str, ...],
    name: str,
) -> int:
    """Print the policy.toml that does what another program's access rules did; nothing is changed.

    A remark beside a rule says where its old meaning was not what it seems. What has no counterpart becomes a comment,
    and is named on stderr; the exit status is then 1.
    """
    given = [value for value in (pam_time, login_time, allow_nets) if value is not None]
    if len(given) != 1:
        raise click.UsageError("wanted one of --pam-time, --login-time and --allow-nets")
    if pam_time is not None and users:
        raise click.UsageError("--user does not go with --pam-time: its lines name the users")
    _check_words((*users, *classes, name))
    _check_classes(classes)
    imported = _imported(pam_time, login_time, allow_nets, name, is_for_all=not users and not classes)
    text = written(imported, Whom(users=users, classes=classes, name=name))
    if session.choices.form is None:
        session.results.text(text.removesuffix("\n"))
    else:
        faults = [str(fault) for fault in imported.faults]
        record = {"policy": text, "remarks": imported.all_remarks, "not_translated": faults}
        session.results.record(record, text.removesuffix("\n"))
    return _told(session, imported)


def _imported(
    pam_time: str | None, login_time: str | None, allow_nets: str | None, name: str, *, is_for_all: bool
) -> Imported:
    if pam_time is not None:
        from nwauth.policy.imports.pamtime import read_pam_time

        file = "stdin" if pam_time == STDIN else visible(pam_time)
        return read_pam_time(_content(pam_time), file=file, prefix=name)
    if login_time is not None:
        from nwauth.policy.imports.logintime import read_login_time

        return read_login_time(_one_line(login_time, "--login-time"), prefix=name, is_for_all=is_for_all)
    from nwauth.policy.imports.allownets import read_allow_nets

    return read_allow_nets(_one_line(allow_nets or "", "--allow-nets"), prefix=name, is_for_all=is_for_all)


def _told(session: Session, imported: Imported) -> int:
    """Say what could not be translated, and how many remarks there are; the exit status."""
    for fault in imported.faults:
        complain(f"not translated: {fault}", color=session.choices.color)
    remarks = len(imported.all_remarks)
    if remarks:
        session.note(f"note: {remarks} remark{'s' if remarks > 1 else ''}, beside the rules: what differs from before")
    return 1 if imported.faults else 0


def _check_words(words: tuple[str, ...]) -> None:
    for word in words:
        if not word.isprintable() or (word and not word.strip()):
            raise click.UsageError(f"found {visible(repr(word))}, wanted printable text for --user, --class and --name")
        if word.startswith("@"):
            raise click.UsageError(f"found {word}, wanted a name: lists stand in the policy file, put it in there")


def _check_classes(classes: tuple[str, ...]) -> None:
    for word in classes:
        if WILDCARDS.intersection(word):
            raise click.UsageError(f"found {word}, wanted a whole name for --class: no wildcards there")


def _one_line(word: str, option: str) -> str:
    text = _content(STDIN).removesuffix("\n").removesuffix("\r") if word == STDIN else word
    if "\n" in text or "\r" in text:
        raise Refused(f"{option}: found more than one line, wanted one")
    return text


def _content(word: str) -> str:
    """The text of a file, or of stdin; a byte that is no UTF-8 stays one.

    Raises:
        Refused: it cannot be opened, is too big, or is no text.
        Unavailable: it cannot be read.
    """
    file = given(word, what="the list")
    content = file.content(most=MAX_BYTES, wanted="a list of access rules")
    if b"\0" in content:
        raise Refused(f"{file.name}: found a NUL byte (UTF-16?), wanted text in UTF-8 or ASCII")
    return content.decode(ENCODING, ERRORS)
