"""The errors of nwauth, sorted by what the caller does next.

There are three outcomes to every question: yes, no, cannot tell.  "No" and "cannot tell" are told apart
by one attribute, `temporary`; the server maps it to ``-ERR`` or ``-DEAD``, the commands to exit status 1 or 75.
Anything that is not a `NwauthError` is a bug: it is logged with its traceback and answered ``-DEAD``.
"""

import errno
import sys

# Of a file that cannot be opened, or made: what is none of its own fault, and may be over in a while.
PASSING = frozenset(
    (errno.EAGAIN, errno.EDQUOT, errno.EINTR, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC,
     errno.ESTALE, errno.ETIMEDOUT)
)  # fmt: skip


class NwauthError(Exception):
    """Base of all our errors; `temporary` says whether asking again later can help.

    Its text is the whole reason, for the log and for who types a command.  `public` is what may be said on the wire,
    where that is not the whole text: a database's own words may name hosts, accounts and statements.  `repeated`: this
    very reason has been logged for this outage.
    """

    temporary: bool = False

    def __init__(self, text: str, *, public: str | None = None, repeated: bool = False) -> None:
        super().__init__(text)
        self.public = text if public is None else public
        self.repeated = repeated


class Refused(NwauthError):
    """A known "no": the request was understood and is not granted; nothing was changed."""


class RefusedOne(Refused):
    """Of many changes that of one user, `name`, is refused, and none is made."""

    def __init__(self, name: str, error: Refused) -> None:
        super().__init__(str(error), public=error.public)
        self.name = name


class NotSupported(NwauthError):
    """This store never can do what was asked (a read-only folder's `set`)."""

    def __init__(self, text: str = "not supported here") -> None:
        super().__init__(text, public="not supported here")


class Unavailable(NwauthError):
    """Cannot tell now: a store is down, a disk full, a lock held, a library missing."""

    temporary = True


class Unchanged(Unavailable):
    """Cannot be done now, of many changes none is made, and the text says so."""


class Passing(Unavailable):
    """Cannot tell while another program writes: asked again in seconds, it mostly can."""


class NoBase(Unavailable):
    """There is nothing to look users up in, and never was."""


class Emptied(Unavailable):
    """Another program has left nothing of what there was to look users up in: it was most likely lost."""


class ConfigError(NwauthError):
    """The configuration cannot be used; the text says file, key, found, wanted.

    A serving child answers ``-DEAD`` for it: a typing slip of the administrator must not bounce mail.
    """

    temporary = True

    def __init__(self, text: str) -> None:
        super().__init__(text, public="bad configuration, see the log")  # the text names paths and values


class Misuse(Exception):
    """The command line cannot be understood; the text says why.  Exit status 2."""


def to_install(package: str) -> str:
    """What to type where a package is missing: the machine's own pip is mostly that of another Python."""
    quoted = package if package.isalnum() else f"'{package}'"
    return f"{sys.executable or 'python3'} -m pip install {quoted}"
