"""``nwauth selftest``: the module started as a server does it, talked to, and its store broken, on a copy."""

from __future__ import annotations

import os
import tomllib
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import click

from nwauth import config
from nwauth.commands.command import command
from nwauth.commands.diagnose import own_command
from nwauth.commands.dmail_option import OPTION, dmail_conf_option
from nwauth.commands.output import colored
from nwauth.commands.session import Session
from nwauth.commands.shown import as_text, shown_path, visible
from nwauth.config.routes import Route
from nwauth.conformance.answers import BEFORE, DEAD, NOT_SHOWN, OK, WRONG
from nwauth.conformance.faults import Trial, broken
from nwauth.conformance.selftest import conversation
from nwauth.conformance.talking import LIMIT_SECONDS, is_ours
from nwauth.dmail.drops import is_windows_path
from nwauth.dmail.values import EXTERNAL
from nwauth.dmail.words import command_words, path_of
from nwauth.doctor import servers
from nwauth.doctor.files import account
from nwauth.doctor.servers import started_in
from nwauth.errors import NwauthError
from nwauth.names import ENCODING, ERRORS
from nwauth.owner import was_root
from nwauth.stores.combined import StrippedStore

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from typing import Final

    from nwauth.commands.output import Row
    from nwauth.conformance.answers import Step
    from nwauth.dmail.values import DmailConf
    from nwauth.stores.base import Store

COLUMNS = ("fault", "child", "request", "expected", "answer", "seconds", "result", "why", "log")
COLORS = {OK: "32", WRONG: "31", NOT_SHOWN: "35"}
HEADS = {BEFORE: "before the next fault"}
EXIT_WRONG = 1


@command(
    "selftest",
    examples=("nwauth selftest", "nwauth selftest --faults --format table", "nwauth selftest --dmail-conf dmail.conf"),
)
@click.option("--faults", is_flag=True, help="Then break a copy of the store in up to ten ways, and show each answer.")
@click.option("--user", metavar="NAME", help="A user who is there. Default: the first that the store lists.")
@dmail_conf_option(looked_for=False, text="Start what authent_process names in this file, and wait as long as it says.")
def selftest(session: Session, *, faults: bool, user: str | None, dmail: DmailConf | None) -> int:
    """Start the module as a server does, and talk to it; with --faults break its store.

    It is asked for its version, for a user who exists and one who does not, to check a wrong password, and for
    nonsense. Your users are never changed: what is broken is a copy, with settings that lead nowhere else. Every answer
    must come within the server's time limit; what cannot be told must be -DEAD, never -ERR.

    Exit status: 0 every answer is as it should be, 1 one is not, 75 the module cannot be started.
    """
    start = _started(session, dmail)
    words = start.words
    if faults and not is_ours(words):
        raise click.UsageError(f"--faults: found {words[0]}, wanted a nwauth: nobody else's settings can be copied")
    session = _at_its_folder(session, start)
    try:
        ours = is_ours(words)
        if ours and session.config.folder and was_root():  # the settings are read as that account
            session.note(f"the module is started by {account(os.geteuid())}, who owns {shown_path(session.folder)}")
        users = _Users(session, user) if ours else None
        with closing(_steps(session, start, users, user=user, faults=faults)) as steps:
            return _printed(session, steps)
    finally:
        session.close()


class _Start(NamedTuple):
    """How the module is started, and how long its answers may take."""

    words: list[str]
    limit_seconds: float
    folder: str


class _Users:
    """Who is asked for: `known` by the name that the servers use, `stored` by that of the store which is broken.

    `also` is the name that the answer may have instead, as a directory has one for each of somebody's addresses.
    """

    def __init__(self, session: Session, user: str | None) -> None:
        chosen = session.store_config
        route = config.read(session.folder).routes.get(chosen.name) or Route()  # which --store has left out
        named = StrippedStore(session.store, prefix=route.strip_prefix, suffix=route.strip_suffix)
        asked = session.service.store if session.choices.store is None else named
        self.known: Final = user or _first_user(session, asked)
        self.also: Final = _other_names(asked, user)
        if user is not None:
            self.stored: str | None = named.bare(user)
        else:
            self.stored = self.known if asked is session.store else _first_user(session, session.store)


def _steps(session: Session, start: _Start, users: _Users | None, *, user: str | None, faults: bool) -> Generator[Step]:
    """Each answer, of the conversation and then of the faults; to be closed, since copies of users are to go."""
    known = user if users is None else users.known
    checked = known if users is not None and _may_fail(session) else None
    limit = start.limit_seconds
    also = () if users is None else users.also
    yield from conversation(
        start.words, folder=start.folder, user=known, also=also, checked=checked, limit_seconds=limit
    )
    if faults and users is not None:
        trial = Trial(start.words, session.config, session.store_config, user=users.stored, limit_seconds=limit)
        yield from broken(trial, session.note, lambda fault: session.progress(f"showing {fault!r}"))


def _printed(session: Session, steps: Iterator[Step]) -> int:
    """Each answer as it comes; in the end how many there were."""
    count = {OK: 0, WRONG: 0, NOT_SHOWN: 0}
    slowest = 0.0

    def rows() -> Iterator[Row]:
        nonlocal slowest
        for step in steps:
            count[step.result] += 1
            slowest = max(slowest, step.seconds)
            yield {key: getattr(step, key) for key in COLUMNS}

    session.results.records(COLUMNS, rows(), _teller(color=session.results.color))
    hidden = f", {count[NOT_SHOWN]} faults not shown" if count[NOT_SHOWN] else ""
    session.note(
        f"{count[OK]} answers as they should be, {count[WRONG]} wrong{hidden}; the slowest took {slowest:.3f} s"
    )
    return EXIT_WRONG if count[WRONG] else 0


def _teller(*, color: bool) -> Callable[[Row], str]:
    """What says an answer to people: under a heading for each fault, the request and below it the answer."""
    before = ""

    def told(row: Row) -> str:
        nonlocal before
        fault, result = str(row["fault"]), str(row["result"])
        head = f"{HEADS.get(fault, fault)}:\n" if fault != before else ""
        before = fault
        mark = colored(f"{result:9}", COLORS[result], on=color)
        if result == NOT_SHOWN:
            return f"{head}  {mark}  {visible(str(row['why']))}"
        asked = f"{row['child']}: {row['request']}" if row["child"] else str(row["request"])
        lines = [f"{head}  {mark}  {visible(asked)}", f"{'':13}{visible(str(row['answer']))}  ({row['seconds']:.3f} s)"]
        says_more = row["log"] and row["answer"] != f"{DEAD} {row['log']}"
        more = (str(row["why"]), f"log: {row['log']}" if says_more else "")
        return "\n".join([*lines, *(f"{'':13}{visible(text)}" for text in more if text)])

    return told


def _started(session: Session, dmail: DmailConf | None) -> _Start:
    """The command of dmail.conf, or of this program on its folder; how long a server waits, and where it started."""
    if dmail is None:
        return _Start([*own_command(), "-path", os.path.abspath(session.folder)], LIMIT_SECONDS, "/")
    words = [os.fsdecode(word.encode(ENCODING, ERRORS)) for word in command_words(dmail.authent_process)]
    if dmail.authent_method != EXTERNAL or not words:
        raise click.UsageError(f"{OPTION}: {dmail.file} names no authent_process that the servers start")
    if is_windows_path(words[0]):
        raise click.UsageError(f"{OPTION}: {dmail.file}: {words[0]} is a program of Windows'")
    start = _Start(words, float(dmail.authent_timeout_seconds), started_in(servers.look()))
    if is_ours(words) and not os.path.isabs(path_of(words) or ""):
        session.note(f"authent_process names no whole -path: it is started in {shown_path(start.folder)}")
    return start


def _at_its_folder(session: Session, start: _Start) -> Session:
    """The session, at the folder of the command."""
    if not is_ours(start.words):
        return session
    path = os.path.join(start.folder, path_of(start.words) or ".")
    if os.path.realpath(path) == os.path.realpath(session.folder):
        return session
    if session.choices.path is not None:
        raise click.UsageError(f"authent_process serves {as_text(path)}, wanted that of --path, or no --path")
    session.choices.path = as_text(path)
    return Session(session.choices)


def _first_user(session: Session, store: Store) -> str | None:
    """Somebody who is there; None: nobody is, or it cannot be told who."""
    try:
        found = next((one.name for one in store.search("")), None)
        why = "the store has no users"
    except NwauthError as error:
        found, why = None, str(error)
    if found is None:
        session.note(f"nobody is known to be there, so nobody who is was looked up (--user NAME names one): {why}")
    return found


def _other_names(store: Store, user: str | None) -> list[str]:
    """What the store calls the user who was named; of one whom it listed that is known."""
    try:
        found = None if user is None else store.lookup(user)
    except NwauthError:
        return []
    return [] if found is None else [found.name]


def _may_fail(session: Session) -> bool:
    """Whether a wrong password of somebody who is there is counted nowhere: by no throttle, directory or system."""
    if any(store.verifies for store in session.config.stores):
        return False
    try:
        with open(session.config.policy.file, "rb") as file:
            return "throttle" not in tomllib.load(file)
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False
