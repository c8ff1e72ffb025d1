"""``nwauth names``: what the mail server will ask for, read from its dmail.conf."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import click

from nwauth.commands.command import command, completed_by
from nwauth.commands.dmail_option import dmail_conf_option
from nwauth.commands.shown import visible
from nwauth.dmail.asking import DPOP, DSMTP, MODULE, PASSWD_FILE, WINDOWS, askings, unix_match
from nwauth.dmail.drops import is_windows_path
from nwauth.errors import NwauthError, Refused, Unavailable
from nwauth.model import Record
from nwauth.names import ENCODING, ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from nwauth.commands.output import Row
    from nwauth.commands.session import Session
    from nwauth.dmail.asking import Asking
    from nwauth.dmail.values import DmailConf
    from nwauth.model import User

COLUMNS = ("domain", "server", "event", "request", "name", "asked", "answer", "user", "store", "drop_file")
SHOWN = ("event", "name", "answer", "user", "drop_file")
SHOWN_OF_ANYBODY = ("event", "name", "drop_file")
ANYBODY = "bob"
YES, NO, CANNOT_TELL, NOT_ASKED = "yes", "no", "cannot tell", "not asked"


@command(
    "names",
    examples=(
        "nwauth names --dmail-conf dmail.conf",
        "nwauth names bob@test.com --dmail-conf dmail.conf",
    ),
)
@click.argument("login", metavar="[LOGIN]", required=False, shell_complete=completed_by("users"))
@dmail_conf_option(needed=True)
def names(session: Session, *, login: str | None, dmail: DmailConf) -> int:
    """Show what the servers DSMTP and DPOP ask for, as their dmail.conf has it.

    For each domain: the name that DSMTP looks up when mail comes in, the name that DPOP checks when somebody logs in,
    the stored user it finds, and the drop file.

    LOGIN is a bare name, tried in every domain; an address; or a login with the suffix of its domain. Without it, bob
    stands for anybody, and no store is asked. Exit status 1: no stored user is found, or dmail.conf does not have the
    domain; 75: a store cannot tell now.
    """
    for problem in dmail.problems:
        session.note(f"note: {visible(str(problem))}")
    found = askings(dmail, ANYBODY if login is None else login)
    if not found:
        assert login is not None  # noqa: S101
        domains = ", ".join(str(domain) for domain in dmail.domains)
        raise Refused(f"{visible(login)}: found no domain or suffix of {dmail.file} in it, wanted one of {domains}")
    meetings = [_not_asked(one) if login is None else _meeting(session, one) for one in found]
    session.results.rows(COLUMNS, map(_row, meetings), shown=SHOWN_OF_ANYBODY if login is None else SHOWN)
    _note_the_whole(session, dmail, login)
    for text in dict.fromkeys(_surprises(dmail, meetings)):
        session.note(f"note: {visible(text)}")
    return _status(meetings)


class Meeting(Record):
    """What comes of asking: the answer, the user's name and store where there is one, and the drop file."""

    __slots__ = ("answer", "asking", "drop_file", "error", "store", "user")

    def __init__(
        self,
        asking: Asking,
        answer: str,
        *,
        user: str | None = None,
        store: str | None = None,
        drop_file: str | None = None,
        error: NwauthError | None = None,
    ) -> None:
        self.asking: Final = asking
        self.answer: Final = answer
        self.user: Final = user
        self.store: Final = store
        self.drop_file: Final = drop_file
        self.error: Final = error


def _row(meeting: Meeting) -> Row:
    """A meeting as it is printed: these keys are a promise."""
    one = meeting.asking
    return {
        "domain": one.domain.name or None,
        "server": one.server,
        "event": one.event,
        "request": one.request,
        "name": one.name or None,
        "asked": one.domain.passwd_file if one.asked == PASSWD_FILE else one.asked,
        "answer": meeting.answer,
        "user": meeting.user,
        "store": meeting.store,
        "drop_file": meeting.drop_file,
    }


def _status(meetings: list[Meeting]) -> int:
    """Raises what kept a store from telling."""
    for meeting in meetings:
        if meeting.error is not None:
            raise meeting.error
    return 1 if all(meeting.answer == NO for meeting in meetings) else 0


# --- asking ----------------------------------------------------------------------------------------------------------


def _not_asked(asking: Asking) -> Meeting:
    return Meeting(asking, NOT_ASKED, drop_file=asking.drop_file())


def _meeting(session: Session, asking: Asking) -> Meeting:
    """Ask whom the server would ask; of Windows' users nothing can be told from here."""
    if not asking.name or asking.asked == WINDOWS:
        return _not_asked(asking)
    try:
        if asking.asked == MODULE:
            return _met_by_module(asking, session.service.lookup(asking.name, command=asking.request))
        return _met_by_dmail(asking)
    except Unavailable as error:
        return Meeting(asking, CANNOT_TELL, drop_file=asking.drop_file(), error=error)


def _met_by_module(asking: Asking, user: User | None) -> Meeting:
    if user is None:
        return Meeting(asking, NO)
    drop_file = asking.drop_file() if user.drop_path == "config" else user.drop_path
    return Meeting(asking, YES, user=user.name, store=user.store, drop_file=drop_file)


def _met_by_dmail(asking: Asking) -> Meeting:
    """DMail's own look-up: DPOP takes the exact name, DSMTP one without case too (see `unix_match`)."""
    in_file = asking.asked == PASSWD_FILE
    known = _names_in(asking.domain.passwd_file) if in_file else _system_users()
    unix_case = asking.server == DPOP or asking.conf.unix_case
    found = unix_match(asking.name, known, unix_case=unix_case, lowered_too=not in_file)
    if found is None:
        return Meeting(asking, NO)
    return Meeting(asking, YES, user=found, drop_file=asking.drop_file(found))


@cache
def _names_in(path: str) -> frozenset[str]:
    """The names in a password file.  Raises Unavailable."""
    try:
        with open(path, "rb") as file:
            return frozenset(
                line.partition(b":")[0].decode(ENCODING, ERRORS) for line in file if b":" in line and line[:1] != b"#"
            )
    except OSError as error:
        raise Unavailable(f"{path}: cannot be read: {error.strerror}") from None


@cache
def _system_users() -> frozenset[str]:
    from pwd import getpwall

    return frozenset(entry.pw_name for entry in getpwall())


# --- notes -----------------------------------------------------------------------------------------------------------


def _note_the_whole(session: Session, conf: DmailConf, login: str | None) -> None:
    """What is to be known of the whole table."""
    if login is None:
        session.note(f"{ANYBODY} stands for anybody: with a LOGIN the stored user is shown too")
    if any(asking.asked != MODULE for asking in askings(conf, ANYBODY)):
        session.note(
            f"note: authent_method is {conf.authent_method}: the servers look users up themselves, and ask nwauth"
            " nothing; for what they will ask it, set authent_method external in a copy, and name that"
        )
    if not conf.line_of("drop_prefix") and any(domain.lead for domain in conf.domains):
        session.note("note: drop_prefix is not set, and taken as true: drop files carry their domain's prefix")


def _surprises(conf: DmailConf, meetings: list[Meeting]) -> Iterator[str]:
    """Where mail is put and where it is looked for are not the same."""
    mended = "lowercase_username true mends it"
    mails = {one.asking.domain: one for one in meetings if one.asking.server == DSMTP}
    for login in (one for one in meetings if one.asking.server == DPOP):
        mail = mails[login.asking.domain]
        if None in (mail.drop_file, login.drop_file) or mail.drop_file == login.drop_file:
            continue
        if not is_windows_path(str(mail.drop_file)):
            yield f"{mail.asking.event} waits in {mail.drop_file}, {login.asking.event} reads {login.drop_file}"
    for one in mails.values():
        is_conf = one.drop_file is not None and one.drop_file == one.asking.drop_file()
        if one.answer != YES or one.asking.asked != MODULE or conf.lowercase_username or not is_conf:
            continue
        if one.asking.local not in str(one.user) and not is_windows_path(str(one.drop_file)):
            yield f"{one.asking.event} meets {one.user}, and its drop file is {one.drop_file} all the same: {mended}"
