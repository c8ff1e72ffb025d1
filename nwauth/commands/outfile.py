"""The file that a command writes its results to: put in its place when it is whole, or not at all."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from nwauth.commands.shown import shown_path
from nwauth.errors import PASSING, Refused, Unavailable
from nwauth.names import ENCODING, ERRORS
from nwauth.signals import Patience
from nwauth.stores.textfile import files, helper

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Final

    Give = Callable[[IO[bytes]], object]

STDOUT = ("-", "/dev/stdout")
DEVICES = "/dev/"  # links there lead to what the process has open: /dev/fd/63 of a shell's >(...)
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
STRAIGHT = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC  # with O_CREAT the system keeps us off pipes that others lay in /tmp
PUT, WAIT_SECONDS = b"\1", 60.0


class Straight:
    """A device or a pipe: it takes what comes, and nothing can be put in its place."""

    is_as_it_was: Final = False

    def __init__(self, path: str) -> None:
        self.path: Final = path
        follows = 0 if path.startswith(DEVICES) else os.O_NOFOLLOW
        try:
            self._fd = os.open(path, STRAIGHT | follows, 0o600)
        except OSError as error:
            raise _unopened(path, error) from None

    def write(self, give: Give) -> None:
        """Write it there.  Raises Unavailable."""
        try:
            with open(self._fd, "wb", closefd=False) as file:
                give(file)
        except OSError as error:
            raise Unavailable(
                f"{shown_path(self.path)}: cannot be written, and is not whole: {error.strerror}"
            ) from None

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)


class Replacing:
    """A file: what is written goes beside it, and takes its place when it is whole.

    Root's command gives up root's ids before it reads users, and the folder may be root's: so a helper, forked before,
    puts the new file in its place when it is told to, or takes it away; also where this process is killed.

    Raises:
        Refused: nothing can be written there.
        Unavailable: nor can it be told, now, whether something can.
    """

    def __init__(self, path: str, *, secret: bool) -> None:
        self.path: Final = path
        self.is_as_it_was = True
        self._fd = self._order = self._outcome = -1
        try:
            self._open(secret=secret)
        except OSError as error:
            self.close()
            raise _unopened(path, error) from None

    def _open(self, *, secret: bool) -> None:
        """Raises OSError."""
        name, new = os.path.basename(self.path), f".nwauth-export-{os.urandom(6).hex()}"
        folder = os.open(os.path.dirname(self.path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        old = -1
        try:
            old = _opened(name, folder)
            self._order, self._outcome = _start(folder, name, new)
            self._fd = _made(new, folder)
            if old >= 0:
                _dress(self._fd, self.path, old, folder, secret=secret)
        finally:
            os.close(folder)
            if old >= 0:
                os.close(old)

    def write(self, give: Give) -> None:
        """Write it, durably, and put it in its place; what was there stays until then.  Raises Unavailable."""
        try:
            with open(self._fd, "wb", closefd=False) as file:
                give(file)
            os.fsync(self._fd)
        except OSError as error:
            text = f"{shown_path(self.path)}: cannot be written, and is as it was: {error.strerror}"
            raise Unavailable(text) from None
        with Patience().at_work():  # whoever interrupts now, comes too late
            self.is_as_it_was = False
            with suppress(OSError):  # the helper was killed, as its outcome says
                os.write(self._order, PUT)
            why = self._ended()
        if why:
            raise Unavailable(f"{shown_path(self.path)}: whether it is the new one now, cannot be told: {why}")

    def close(self) -> None:
        """Close it; what was not put in its place is gone then."""
        if self._order >= 0:
            os.close(self._order)
            self._ended()
            os.close(self._outcome)
        if self._fd >= 0:
            os.close(self._fd)

    def _ended(self) -> str:
        """What went wrong in the helper, which has ended."""
        why = None
        while why is None:
            why = helper.outcome(self._outcome, wait_seconds=WAIT_SECONDS)
        return why


def output(word: str, *, secret: bool) -> Straight | Replacing | None:
    """Where the word of a command line says; None: to stdout.  `secret`: what comes is not for everybody.

    It is opened with the ids of whoever typed it.

    Raises:
        Refused: nothing can be written there.
        Unavailable: nor can it be told, now, whether something can.
    """
    if word in STDOUT:
        return None
    path = os.path.abspath(os.fsdecode(word.encode(ENCODING, ERRORS)))
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode) and path.startswith(DEVICES):
            mode = os.stat(path).st_mode
    except OSError:
        mode = stat.S_IFREG  # there is none, or it is told when it is opened
    if stat.S_ISLNK(mode) or (stat.S_ISREG(mode) and os.path.islink(path)):
        raise _unwritable(path, f"it is a symbolic link: name the file itself, {shown_path(os.path.realpath(path))}")
    return Replacing(path, secret=secret) if stat.S_ISREG(mode) else Straight(path)


def _unwritable(path: str, reason: str) -> Refused:
    return Refused(f"{shown_path(path)}: cannot be written: {reason}")


def _unopened(path: str, error: OSError) -> Refused | Unavailable:
    refused = _unwritable(path, str(error.strerror))
    return Unavailable(str(refused)) if error.errno in PASSING else refused


def _opened(name: str, folder: int) -> int:
    """The file that is there, as far as it may be written; -1: there is none.  Raises OSError."""
    try:
        fd = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return -1
    there, place = os.fstat(fd), os.fstat(folder)
    if place.st_mode & stat.S_IWOTH and there.st_uid not in (
        os.geteuid(),
        place.st_uid,
    ):  # as fs.protected_regular does
        os.close(fd)
        raise PermissionError(errno.EACCES, "it belongs to another account, and anybody may put a file into its folder")
    return fd


def _made(new: str, folder: int) -> int:
    """Raises OSError."""
    try:
        return os.open(new, NEW, 0o600, dir_fd=folder)
    except OSError as error:
        raise OSError(error.errno, f"no new file can be made in its folder: {error.strerror}") from None


def _start(folder: int, name: str, new: str) -> tuple[int, int]:
    """Descriptors of the helper: to tell it that the new file is whole, and to read how it ended.  Raises OSError."""
    reading, order = os.pipe()

    def put() -> None:
        if os.read(reading, 1) == PUT:
            os.rename(new, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
            return
        with suppress(FileNotFoundError):  # it was never made
            os.unlink(new, dir_fd=folder)

    try:
        return order, helper.start(put, keep=(folder, reading))
    except OSError:
        os.close(order)
        raise
    finally:
        os.close(reading)


def _dress(fd: int, path: str, old: int, folder: int, *, secret: bool) -> None:
    """Owner, group, mode and ACL of the file that was there; not those that let everybody read it.  Raises OSError."""
    files.dress_like(fd, path, old, at=folder)
    if secret and os.fstat(fd).st_mode & stat.S_IRWXO:
        os.fchmod(fd, 0o600)
