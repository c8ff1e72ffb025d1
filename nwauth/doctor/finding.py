"""What is found: every kind of finding there is, how much it matters, and why."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from errno import EINVAL
from typing import TYPE_CHECKING

from nwauth.owner import was_root

if TYPE_CHECKING:
    from collections.abc import Sequence

ERROR, WARNING, CANNOT_TELL = "error", "warning", "cannot tell"
MOST_USERS = 5  # so many are named as examples

# id: severity, and why it matters.  The ids are a promise: docs/doctor.md lists them, programs read them.
KINDS = {
    # what could not be examined
    "cannot-look": (CANNOT_TELL, "This was not examined: something may be wrong there."),
    "store-down": (CANNOT_TELL, "Its users were not examined, and the servers are answered -DEAD for them."),
    "cannot-list": (CANNOT_TELL, "Its users were not examined; the servers are answered for those whom it can tell."),
    # the settings of nwauth, and the stores that they name
    "settings": (ERROR, "Until it is mended every request is answered -DEAD: no logins, and mail waits."),
    "no-users": (ERROR, "Every request is answered -DEAD: no logins, and mail waits."),
    "emptied": (ERROR, "For all who are not found the servers are answered -DEAD: no logins, and mail waits."),
    "default-domain": (WARNING, "A name without a domain becomes another than the servers ask for."),
    "address-auto": (WARNING, "Where the server sends no address, someone may type one behind the password."),
    "nobody-takes-new-users": (WARNING, "nwauth user add, and a web form that adds users, are refused."),
    "route-covers-nobody": (ERROR, "The store is never asked for any of its users: they do not exist to the servers."),
    "out-of-reach": (WARNING, "They are never asked for where they are: they do not exist to the servers."),
    "store-shadowed": (WARNING, "Nobody is ever found in it: an earlier store answers for all of its users."),
    "in-two-stores": (WARNING, "The earlier store answers: a password changed in the later one has no effect."),
    "store-unasked": (WARNING, "Its users do not exist to the servers."),
    "idle-setting": (WARNING, "Whoever wrote it may count on it."),
    "directory-in-clear": (ERROR, "Whoever listens on the way reads the passwords of all who log in."),
    "slow-lookups": (WARNING, "A look-up takes as long as it takes to read the whole table, which servers wait for."),
    "changes-denied": (WARNING, "Nobody is added, changed or deleted there, and no hash gets stronger at a login."),
    "database-folds": (WARNING, "Mail to the name in another case is answered: no such user."),
    # what it runs on
    "old-library": (ERROR, "What nwauth needs of it may lack: requests may be answered -DEAD."),
    "old-server": (ERROR, "Every request for its users is answered -DEAD."),
    "old-python": (WARNING, "Its faults, of safety too, are mended no more."),
    "zone-unknown": (WARNING, "It is UTC then: dates of users, and hours of rules, begin and end at another time."),
    "old-zones": (WARNING, "Zones change their clocks by law: hours may begin or end at another time than is meant."),
    "from-the-future": (WARNING, "Dates and hours, the log and the throttle go by the clock: it is wrong now, or was."),
    # the mail server
    "dmail-setting": (WARNING, "DMail ignores what it cannot use, and goes on with something else."),
    "not-external": (ERROR, "The servers do not ask nwauth for any user: what is set here has no effect on them."),
    "case-blind": (WARNING, "To nwauth BOB is bob; the servers put mail to BOB where a login as bob does not look."),
    "cache-and-time": (WARNING, "A server that remembers a yes may let somebody in after the time is over."),
    "short-timeout": (ERROR, "The server gives up before the answer comes: right passwords are refused."),
    "module-fails": (ERROR, "The servers have nobody to ask: no logins, and mail waits or bounces."),
    "another-program": (ERROR, "The servers ask another program: what is set here has no effect on them."),
    "another-folder": (ERROR, "The servers serve the users of that folder, not of this one."),
    "no-fixed-folder": (WARNING, "Which users are served depends on the folder that a server was started in."),
    "restart": (WARNING, "What runs goes on with what it read when it was started."),
    "server-shut-out": (ERROR, "What the servers start cannot use it: requests are answered -DEAD, or not at all."),
    "never-asked": (WARNING, "No mail reaches them, and they cannot log in."),
    # users and their drop files
    "case-twins": (WARNING, "To nwauth they are one user: one of the two is never found, or neither is."),
    "unsayable": (ERROR, "Every look-up and login of them is answered -DEAD: no login, and mail waits, then bounces."),
    "prefix-clash": (ERROR, "Two people have one user: each can read the other's mail."),
    "one-drop-folder": (ERROR, "Two people have one drop file: each gets the other's mail."),
    "no-drop-folder": (ERROR, "No mail can be delivered there, and none is found at login."),
    "drop-file-case": (ERROR, "The mail in it is not found at login: to its owner it is lost."),
    # passwords and accounts
    "unknown-passwords": (ERROR, "They let nobody in: these users cannot log in, whatever they type."),
    "damaged-passwords": (ERROR, "They let nobody in: these users cannot log in, whatever they type."),
    "uncheckable-passwords": (ERROR, "A login of these users is answered -DEAD."),
    "passwords-unseen": (ERROR, "Nobody of them can log in: each check is answered -DEAD."),
    "cannot-check-passwords": (ERROR, "Nobody of them can log in: each check is answered -DEAD."),
    "clear-text": (WARNING, "Whoever sees the file, or a backup of it, has these passwords."),
    "old-clear-text": (
        WARNING,
        "Whoever sees the file, or a backup of it, has them: they may be in use elsewhere.",
    ),
    "unread-by-nwauth": (WARNING, "Where NWAuth or another program reads the same files, these users cannot log in."),
    "weak-passwords": (WARNING, "Whoever gets a copy finds most of these passwords within hours."),
    "bad-date": (ERROR, "A date that cannot be read keeps its user out."),
    "unreadable-app-passwords": (ERROR, "It lets nobody in: the device or program that it is for is kept out."),
    "bad-mask": (ERROR, "A list of hosts that cannot be read keeps its user out."),
    "field-misspelt": (WARNING, "It decides nothing: whoever it was to keep out can log in."),
    "state-unknown": (WARNING, "Whoever it was to keep out can log in."),
    # the access rules
    "rule-error": (ERROR, "With one fault in it no rule of the file comes into force."),
    "test-fails": (ERROR, "The rules do something else than whoever wrote the test wants of them."),
    "test-user": (WARNING, "The test says nothing about the rules."),
    "nobody-may-log-in": (ERROR, "Every login is refused, whatever the password."),
    "rules-without-effect": (WARNING, "Nobody is refused: whoever they do not allow is allowed by default."),
    "rule-unreachable": (WARNING, "It never decides: the rules before it do."),
    "rule-never-holds": (WARNING, "It never decides: its conditions do not hold together, at any time to come."),
    "default-unreachable": (WARNING, "What default says never comes to pass: the rules leave it nothing to decide."),
    "class-nobody-has": (WARNING, "Nobody is in it: the rule does not concern whom it is meant for, or no one at all."),
    "class-misspelt": (WARNING, "The rules for the class that is meant do not concern them."),
    "class-unreadable": (ERROR, "They are in the class default, and rules for the class that is meant let them by."),
    "users-untold": (CANNOT_TELL, "If nobody is, the rule does not concern whom it is meant for, or no one at all."),
    "user-nobody-has": (WARNING, "Nobody is called so: the rule does not concern whom it is meant for, or no one."),
    "store-not-there": (ERROR, "No user comes from a store of that name: the rule concerns nobody."),
    "address-never": (ERROR, "No client has a known address: a rule that allows lets nobody in, one that denies all."),
    "service-unsaid": (WARNING, "The service is unknown: a rule that allows lets nobody in, one that denies all."),
    "zone-of-machine": (WARNING, "Who may log in when changes with the machine's zone, and with the machine."),
    "text-unseen": (WARNING, "A user with the right password is told nothing but that it was refused."),
    "throttle-idle": (WARNING, "Wrong passwords are not counted: guessing goes on as if there were no throttle."),
    "list-unused": (WARNING, "Whoever wrote it may count on it: the rule that it is meant for goes without."),
    "damaged-throttle": (WARNING, "Until it is made anew, wrong passwords are not counted."),
    # files
    "open-to-others": (ERROR, "Every account of this machine can read what it takes to break into the mailboxes."),
    "leads-away": (ERROR, "Whoever owns the folder could have root open, or change, a file that is not theirs."),
    "another-owner": (ERROR, "Whoever may use the folder may not be able to use the file: answers become -DEAD."),
    "no-room": (ERROR, "No user can be added or changed, and the log is lost."),
    "little-room": (WARNING, "The journal cannot be folded; soon no user can be added or changed."),
    "cannot-write": (ERROR, "No user can be added or changed."),
    "in-the-way": (ERROR, "No user can be added or changed."),
    "odd-lines": (WARNING, "They are passed over: a user on such a line does not exist."),
    "odd-passwd-lines": (WARNING, "They are passed over: a user on such a line does not exist."),
    "byte-order-mark": (ERROR, "To nwauth it is part of the name: who is meant does not exist, mail bounces."),
    "same-name-twice": (WARNING, "The last of the lines counts: a password changed in another has no effect."),
    "long-journal": (WARNING, "Every child reads it at its start and holds it in memory."),
    "no-index": (WARNING, "Until there is one, each look-up reads the whole file."),
    "damaged-index": (WARNING, "Until it is made anew, look-ups read the whole file."),
    "leftovers": (WARNING, "They take room, and hold users' lines."),
    "open-steps": (WARNING, "Whether its last changes were made is not looked up yet: undo and the journal lack them."),
    "damaged-steps": (
        WARNING,
        "What they changed cannot be told: nwauth undo cannot take it back, and stops there.",
    ),
    "log-lost": (ERROR, "Nobody can see why somebody was refused, nor why a request was answered -DEAD."),
    "large-log": (WARNING, "It takes room until there is none, and nwauth log reads all of it."),
    "rejected-lines": (WARNING, "Users on these lines are not found."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something to be mended: what it is, why it matters, and what to type or to set.

    `users` are examples; `file` and `line` say where, None where that says nothing.  `paths` are all the files of which
    `file` is the first, for what is done to them.  `shown` are lines that a person is
    shown below `what`, as they are: a value, and a caret below the place in it.
    """

    id: str
    severity: str
    what: str
    why: str
    mend: str
    file: str | None = None
    line: int | None = None
    users: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()


def finding(  # noqa: D417, the rest is told at `Finding`
    kind: str,
    what: str,
    *,
    mend: str,
    file: str | None = None,
    line: int | None = None,
    users: Sequence[str] = (),
    paths: Sequence[str] = (),
    severity: str | None = None,
    why: str | None = None,
    shown: Sequence[str] = (),
) -> Finding:
    """A finding of one of `KINDS`.

    Args:
        severity: another than is usual for the kind.
        why: the same.
    """
    usual, usual_why = KINDS[kind]
    return Finding(
        id=kind,
        severity=severity or usual,
        what=what,
        why=why or usual_why,
        mend=mend,
        file=file,
        line=line or None,
        users=tuple(users[:MOST_USERS]),
        paths=tuple(paths),
        shown=tuple(shown),
    )


def cannot_look(name: str, error: Exception) -> Finding:
    """The finding that a check could not be made."""
    reason = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) and error.filename else str(error)
    mend = "mend this first, and run it again"
    if isinstance(error, OSError) and error.errno == EINVAL and error.filename:  # a folder, a FIFO
        mend = f"see what lies there with {shlex.join(['ls', '-ld', error.filename])}, and put a file in its place"
    if isinstance(error, PermissionError):
        mend = "run nwauth doctor as root, or as the owner of the folder"
        if was_root() and error.filename:  # it is looked at as that owner already
            mend = f"see whose it is with {shlex.join(['namei', '-l', error.filename])}; give it to the folder's owner"
    return finding("cannot-look", f"cannot examine {name}: {reason}", mend=mend)


def counted(number: int, thing: str) -> str:
    """A number and its noun: ``1 user``, ``12,000 users``."""
    return f"{number:,} {thing}{'s' * (number != 1)}"


def examples(users: Sequence[str], number: int) -> str:
    """Some of the users, for a text: ``bob, eve and 3 more``."""
    shown = list(users[:3])
    more = number - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")
