"""authent_process, started and asked as the servers do: whether it is this program, on this folder, and in time."""

from __future__ import annotations

import os
import shlex
from time import monotonic
from typing import TYPE_CHECKING

from nwauth import __version__
from nwauth.dmail.drops import is_windows_path
from nwauth.dmail.words import command_words, path_of, program
from nwauth.doctor.files import account
from nwauth.doctor.finding import WARNING
from nwauth.doctor.servers import started_in
from nwauth.errors import NwauthError, Unavailable
from nwauth.passwords import Passwords
from nwauth.stores.process.chatter import Chatter
from nwauth.stores.process.child import Broken, Child
from nwauth.stores.process.spawn import environment_of
from nwauth.stores.process.wire import read_reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nwauth.dmail.values import DmailConf
    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place
    from nwauth.stores.process.wire import Reply

OURS = "nwauth"
PATIENCE_SECONDS = 10.0  # as long as a server waits, unless it is told otherwise
CHECKS_TIMED = 2  # the first loads what it needs
MARGIN = 2  # a busy machine takes so many times as long as one that is only asked by us
TAG = "authent_process"


class Answers:
    """What a program said: to ``version``, to a look-up of nobody, and how long its slowest check took."""

    def __init__(self, version: Reply, lookup: Reply, check_seconds: float) -> None:
        self.version = version
        self.lookup = lookup
        self.check_seconds = check_seconds


class Silent(Exception):
    """The program is none of the protocol; the text says what it did.  `denied`: the system did not let us start it."""

    def __init__(self, text: str, *, denied: bool = False) -> None:
        super().__init__(text)
        self.denied = denied


def module(place: Place) -> Iterator[Finding]:
    """The servers start this program, on this folder, and it answers in time."""
    conf = place.asking
    words = command_words(conf.authent_process) if conf is not None else []
    if conf is None or not words:  # another finding tells
        return
    if is_windows_path(words[0]):
        raise Unavailable(f"{words[0]} is a program of Windows'")
    yield from _folder(place, words)
    try:
        seconds = max(PATIENCE_SECONDS, conf.authent_timeout_seconds)
        answers = ask(words, folder=started_in(place.running), seconds=seconds)
    except Silent as silent:
        what = f"authent_process {silent}"
        if silent.denied and place.gave_up_root:
            yield _not_ours_to_start(place, words[0], what)
            return
        yield place.of_setting("module-fails", TAG, what, mend=_right_command(place))
        return
    yield from _identity(place, conf, answers)
    yield from _in_time(place, conf, answers.check_seconds)


def _right_command(place: Place) -> str:
    words = [*place.command, "-path", place.folder]
    command = " ".join(f'"{word}"' if " " in word else word for word in words)
    return place.mend_setting(TAG, command)


def _not_ours_to_start(place: Place, command: str, what: str) -> Finding:
    """The servers may have more rights than the owner of the folder, as whom it was tried."""
    who = account(os.geteuid())
    return place.of_setting(
        "cannot-look",
        TAG,
        f"{what}, by {who}, who owns {place.folder}; whoever the servers run as may be able to",
        mend=f"let {who} start it: namei -l {shlex.quote(command)} shows which folder is closed",
    )


def _folder(place: Place, words: Sequence[str]) -> Iterator[Finding]:
    """An nwauth is started with the folder that we look at."""
    if program(words[0]) not in (OURS, "nwauth.exe"):
        return
    path = path_of(list(words))
    if path is None or not os.path.isabs(path):
        what = "names no -path" if path is None else f"has -path {path}, which is no whole path"
        yield place.of_setting("no-fixed-folder", TAG, f"authent_process {what}", mend=_right_command(place))
    elif os.path.realpath(path) != os.path.realpath(place.folder):
        look = shlex.join([OURS, "--path", path, "doctor"])
        yield place.of_setting(
            "another-folder",
            TAG,
            f"authent_process has -path {path}, and this is {place.folder}",
            mend=f"to look at that folder: {look}; to have this one served: {_right_command(place)}",
        )


# --- asking ----------------------------------------------------------------------------------------------------------


def ask(words: Sequence[str], *, folder: str, seconds: float) -> Answers:
    """Start a program, ask it a few things, and end it.

    A nwauth is started with ``-readonly``: it would look after the folder otherwise.

    Raises:
        Silent: it cannot be started, or does not answer.
    """
    command = [*words, "-readonly"] if program(words[0]) == OURS else list(words)
    said: list[str] = []

    def heard(facts: Mapping[str, object]) -> None:
        said.extend(str(value) for key, value in facts.items() if key not in ("store", "result"))

    chatter = Chatter(TAG, heard)
    try:
        child = Child(
            command, folder=folder, environment=environment_of({}), until=monotonic() + seconds, chatter=chatter
        )
    except OSError as error:
        denied = isinstance(error, PermissionError)
        raise Silent(f"cannot be started: {error.strerror}: {error.filename}", denied=denied) from None
    try:
        return _conversation(child, seconds)
    except Broken as broken:
        child.kill()
        tail = f"; it says: {said[-1]}" if said else ""
        raise Silent(f"starts {words[0]}, which {broken}{tail}".replace("in time", f"within {seconds:.0f} s")) from None
    finally:
        if child.pid > 0:
            child.leave()


def _conversation(child: Child, seconds: float) -> Answers:
    nobody = f"nwauth-doctor-{os.urandom(6).hex()}"
    version = _asked(child, "version", seconds)
    lookup = _asked(child, f"lookup {nobody}", seconds)
    slowest = 0.0
    for _ in range(CHECKS_TIMED):
        before = monotonic()
        _asked(child, f"check {nobody} {nobody}", seconds)
        slowest = max(slowest, monotonic() - before)
    return Answers(version, lookup, slowest)


def _asked(child: Child, request: str, seconds: float) -> Reply:
    """The final reply.  Raises Broken, Silent."""
    until = monotonic() + seconds
    child.send(request.encode() + b"\n", until)
    while True:
        line = child.line(until)
        reply = read_reply(line)
        if reply is None:
            child.kill()
            raise Silent(f"starts a program that says {child.shown(line)}, which is none of the protocol's answers")
        if reply.kind != "+DATA":
            child.final()
            return reply


# --- what it said ----------------------------------------------------------------------------------------------------


def _identity(place: Place, conf: DmailConf, answers: Answers) -> Iterator[Finding]:
    said = answers.version.text
    if not said.startswith(f"{OURS} "):
        what = (
            f"authent_process {conf.authent_process} is no nwauth: to version it says {answers.version.kind} {said!a}"
        )
        yield place.of_setting("another-program", TAG, what, mend=_right_command(place))
    elif said != f"{OURS} {__version__}":
        what = f"authent_process starts {said}, and this is {OURS} {__version__}"
        yield place.of_setting("another-program", TAG, what, mend=_right_command(place), severity=WARNING)
    if answers.lookup.kind == "-DEAD" and not _is_told(place):
        log = os.path.join(place.folder, "nwauth.log")
        what = f"authent_process answers every look-up -DEAD {answers.lookup.text}"
        yield place.of_setting("module-fails", TAG, what, mend=f"{log} tells the whole reason: tail {shlex.quote(log)}")


def _is_told(place: Place) -> bool:
    """Whether other findings say why nothing can be answered."""
    return bool(place.settings_error) or place.survey is None or any(one.error for one in place.survey.stores)


# --- in time ---------------------------------------------------------------------------------------------------------


def _in_time(place: Place, conf: DmailConf, check_seconds: float) -> Iterator[Finding]:
    """A check ends well before the server gives up: one of nobody, and one of each kind of stored password."""
    slowest, of = check_seconds, "somebody unknown"
    for name, seconds in _stored(place):
        if seconds > slowest:
            slowest, of = seconds, name
    timeout = conf.authent_timeout_seconds
    if slowest * MARGIN > timeout:
        wanted = max(PATIENCE_SECONDS, 5 * round(slowest * MARGIN * 1.5 / 5 + 0.5))
        yield place.of_setting(
            "short-timeout",
            "authent_timeout",
            f"authent_timeout is {timeout} s, and a check of {of} takes {slowest:.1f} s here",
            mend=place.mend_setting("authent_timeout", f"{wanted:.0f}")
            + f"; or have cheaper hashes: [passwords] in {place.settings}",
        )


def _stored(place: Place) -> Iterator[tuple[str, float]]:
    """Of each kind and cost of stored passwords a user, and how long a wrong password takes."""
    if place.survey is None or place.config is None:
        return
    passwords = Passwords(place.config.passwords, native=place.native)
    for name, field in place.survey.people.by_cost.values():
        before = monotonic()
        try:
            passwords.verify(field, b"nwauth-doctor")
        except NwauthError:  # another finding tells
            continue
        yield name, monotonic() - before
