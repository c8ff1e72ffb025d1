"""The policy file of a folder: looked at before each login; where it is bad, the last good rules (spec section 6).

A file that cannot be used leaves the last good rules in force.  A serving child keeps their text beside the file, so
that one that starts later has them too; only where there are none, nobody can tell who may log in.
"""

from __future__ import annotations

import os
from time import time

from nwauth.errors import Unavailable
from nwauth.model import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from nwauth.policy.rules import Policy

    Notice = Callable[[dict[str, object]], object]
    Look = tuple[int, ...]

KEPT_SUFFIX = ".last-good"
MAX_BYTES = 1 << 20
PUBLIC = "policy error"
_ABSENT: Look = ()
_NOWHERE: Look = (0, 0)  # a link whose target is not there
MAX_KEY_PARTS = 16  # a longer dotted key takes tomllib ages, and a look-up behind it would wait
SETTLE_SECONDS = 1.0  # a file that was written later may not be whole yet, or be written again with the same stamp
_PLAIN_FILE, _LINK, _KIND_BITS = 0o100000, 0o120000, 0o170000  # S_IFREG, S_IFLNK, S_IFMT: `stat` is a module more


def _unheard(_facts: dict[str, object]) -> None:
    """A `Notice` for nobody."""


class InForce(Record):
    """The rules that decide, and why they are not those of the file: "" where they are."""

    __slots__ = ("policy", "reason")

    def __init__(self, policy: Policy, *, reason: str = "") -> None:
        self.policy: Final = policy
        self.reason: Final = reason


class FixedRules:
    """Rules that come from no file of the folder's: how others are tried."""

    def __init__(self, policy: Policy) -> None:
        self._in_force: Final = InForce(policy)

    def current(self) -> InForce:
        """The rules."""
        return self._in_force


class RuleFile:
    """The policy in `path`.  `named`: the configuration names it, so that it must be there.

    With `keeps`, as a serving child has it, the last good text is kept beside it; `notice` is told once of each fault.
    """

    def __init__(self, path: str, *, named: bool, keeps: bool = False, notice: Notice | None = None) -> None:
        self.path: Final = path
        self._named: Final = named
        self._keeps: Final = keeps
        self._notice: Final[Notice] = notice or _unheard
        self._seen: Look | None = None
        self._settled = True
        self._content = b""
        self._in_force: InForce | None = None
        self._fault = ""  # why nobody can tell
        self._told = ""  # what is wrong, as it was told last

    def current(self) -> InForce | None:
        """The rules in force; None: there is no policy.

        Raises:
            Unavailable: the file cannot be used, and there are no last good rules.
        """
        look = _look_at(self.path)
        if not self._settled or look != self._seen:
            self._take(look)
        if self._fault:
            raise Unavailable(self._fault, public=PUBLIC, repeated=True)
        return self._in_force

    def _take(self, look: Look) -> None:
        """Read the file again, if it is there, and decide what is in force."""
        again = look == self._seen
        self._seen = look
        try:
            content = b"" if look == _ABSENT else _read(self.path)
        except OSError as error:
            self._seen = None  # it may be readable the next time, without any change to it
            self._bad(f"{self.path}: cannot be read: {error.strerror}")
            return
        self._settled = look == _ABSENT or all(abs(time() - stamp / 1e9) > SETTLE_SECONDS for stamp in look[:2])
        if again and content == self._content:
            return
        if self._keeps and look != _ABSENT and abs(time() - look[1] / 1e9) <= SETTLE_SECONDS and self._has_rules():
            return  # it may not be whole yet, and half a policy may allow more; who types a command means it as it is
        self._content = content
        if not content.strip():
            self._take_nothing("is not there" if look == _ABSENT else "is empty")
            return
        try:
            policy = _policy_of(content, self.path)
        except ValueError as error:
            self._bad(str(error))
            return
        self._in_force, self._fault, self._told = InForce(policy), "", ""
        self._notice({"state": "read", "rules": len(policy.rules), "zone": str(policy.zone)})
        if self._keeps:
            self._keep(content)

    def _has_rules(self) -> bool:
        """Whether there are rules to go by; those that were kept come in force where there are none yet."""
        if self._in_force is None:
            try:
                self._in_force = InForce(self._kept())
            except ValueError:
                return False
        return True

    def _take_nothing(self, found: str) -> None:
        """The file is empty, which is a fault, or not there: no policy, unless there was or must be one."""
        is_there = self._seen != _ABSENT  # and empty: a full disk, or a copy that broke off
        if is_there or self._named or self._in_force is not None or _look_at(self.path + KEPT_SUFFIX) != _ABSENT:
            from nwauth.policy.reading import OFF

            self._bad(f"{self.path}: {found}, wanted a policy: {OFF}")
        else:
            self._fault = self._told = ""  # a bad file that no rules ever came from is gone

    def _bad(self, reason: str) -> None:
        """The file cannot be used: the last good rules stay in force, or come back."""
        state = "the last good rules stay in force"
        try:
            policy = self._kept() if self._in_force is None else self._in_force.policy
        except ValueError as error:
            reason = self._fault = f"{reason} (and there are no last good rules: {error})"
            state = "no rules: logins are answered -DEAD"
        else:
            self._in_force, self._fault = InForce(policy, reason=reason), ""
        if reason != self._told:
            self._told = reason
            self._notice({"state": state, "reason": reason})

    # --- the copy ---------------------------------------------------------------------------------------------------

    def _kept(self) -> Policy:
        """The last good rules, from beside the file.  Raises ValueError."""
        place = self.path + KEPT_SUFFIX
        try:
            content = _read(place)
        except FileNotFoundError:
            raise ValueError("none were ever in force here") from None
        except OSError as error:
            raise ValueError(f"{place}: cannot be read: {error.strerror}") from None
        return _policy_of(content, place)

    def _keep(self, content: bytes) -> None:
        """Keep the text of good rules; whoever cannot write there only says so."""
        place = self.path + KEPT_SUFFIX
        try:
            if not _is_kept(place, content):
                _write_private(place, content)
        except OSError as error:
            self._notice({"state": "read", "reason": f"{place}: cannot be written: {error.strerror}"})


def _policy_of(content: bytes, path: str) -> Policy:
    """The policy in a file's `content`.

    Raises:
        ValueError: there is none to be had; a fault of ours is one too, or the next login would meet no rules.
    """
    from nwauth.policy.reading import BadPolicy, read_policy

    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.partition(b"=")[0].count(b".") > MAX_KEY_PARTS and not line.lstrip().startswith((b"#", b'"', b"'")):
            raise ValueError(f"{path}: line {number}: found a key of more than {MAX_KEY_PARTS} parts, wanted a rule's")
    try:
        return read_policy(content, file=path)
    except BadPolicy as error:
        raise ValueError(str(error)) from None
    except Exception as error:
        raise ValueError(f"{path}: internal fault: {type(error).__name__}, please report it") from error


def _look_at(path: str) -> Look:
    """What tells whether the file is another than before; `_ABSENT` where there is none, nor a link to none."""
    absent = _ABSENT
    try:
        status = os.lstat(path)
        if status.st_mode & _KIND_BITS == _LINK:
            absent = _NOWHERE
            status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return absent
    except OSError as error:
        return 0, error.errno or 0  # nobody can tell: reading it will say why
    return status.st_ctime_ns, status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev


def _read(path: str) -> bytes:
    """The content of a plain file.  Raises OSError."""
    import errno

    if os.geteuid() == 0:
        link = os.lstat(path)
        if link.st_mode & _KIND_BITS == _LINK and link.st_uid != 0:
            raise OSError(errno.ELOOP, "it is a link that is not root's, which root does not follow")
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)  # no FIFO hangs us
    with open(descriptor, "rb") as file:
        if os.fstat(file.fileno()).st_mode & _KIND_BITS != _PLAIN_FILE:
            raise OSError(errno.EINVAL, "it is no plain file")
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"it is longer than {MAX_BYTES} bytes")
    return content


def _is_kept(path: str, content: bytes) -> bool:
    """Whether the private file at `path` has this content; one that cannot be read is another."""
    try:
        return _read(path) == content and not os.stat(path).st_mode & 0o077
    except OSError:
        return False


def _write_private(path: str, content: bytes) -> None:
    """Replace the file by one that its owner alone can read: by root, the folder's owner.  Raises OSError."""
    new = f"{path}.{os.getpid()}"
    if os.path.lexists(new):  # left by one of the same number who was killed just then
        os.unlink(new)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if os.geteuid() == 0:
                folder = os.stat(os.path.dirname(path) or ".")
                os.fchown(descriptor, folder.st_uid, folder.st_gid)
            os.fsync(descriptor)
        os.replace(new, path)
    except BaseException:
        os.unlink(new)
        raise
