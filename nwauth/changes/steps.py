"""The folder of the steps, ``nwauth.undo``: a file each, under its number; the newest are kept.

A file is called ``00000012.open`` while its command works, with a lock on it, and ``00000012`` afterwards.  One that is
open and not locked is of a command that was killed.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nwauth.changes.reading import Reading, damaged, read_ends
from nwauth.changes.writing import Writing
from nwauth.errors import Unavailable
from nwauth.model import Record
from nwauth.stores.textfile import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Final

FOLDER = "nwauth.undo"
OPEN = ".open"
MAX_STEPS = 100
MAX_BYTES = 1 << 30  # of all steps; the newest is kept in any case
WAIT_SECONDS = 10.0
KEY_BYTES = 32
_NAME = re.compile(r"([0-9]{8,12})(\.open)?")


class Summary(Record):
    """A step, by its first and its last line: `end` None where it has not ended, `head` empty where it has none."""

    __slots__ = ("end", "head", "name", "number", "path")

    def __init__(self, *, number: int, path: str, head: dict[str, Any], end: dict[str, int] | None) -> None:
        self.number: Final = number
        self.path: Final = path
        self.name: Final = os.path.basename(path)
        self.head: Final = head
        self.end: Final = end

    @property
    def is_open(self) -> bool:
        """Whether its command is at work, or was killed."""
        return self.name.endswith(OPEN)

    @property
    def is_damaged(self) -> bool:
        """Whether a step that has ended lacks its beginning or its end."""
        return not self.is_open and (not self.head or self.end is None)


class Steps:
    """The steps of one folder; nothing is made before the first."""

    def __init__(self, folder: str) -> None:
        self.path: Final = os.path.join(folder, FOLDER)
        self._above: Final = folder

    # --- making -----------------------------------------------------------------------------------------------------

    def begin(self, settle: Callable[[Steps, int], object]) -> Writing:
        """A new step, its file open and locked; `settle` is called before, with the folder, under its lock.

        Raises:
            Unavailable: it cannot be made; nothing may be changed.
        """
        try:
            self._make_folder()
            with self.locked() as at:
                settle(self, at)
                self._prune(at)
                number = max((number for number, _ in _names(at)), default=0) + 1
                name = f"{number:08d}{OPEN}"
                fd = self._create(name, at)
                fcntl.flock(fd, fcntl.LOCK_EX)
                os.fsync(at)
        except OSError as error:
            raise self._trouble("write", error) from error
        return Writing(fd, os.path.join(self.path, name), number)

    def finish(self, step: Writing, *, keep: bool) -> None:
        """The step is whole: it gets its name, or goes, as one that has changed nothing.  Raises Unavailable."""
        try:
            at = self.open()
            try:
                self.close(step, at, keep=keep)
            finally:
                os.close(at)
        except OSError as error:
            raise self._trouble("write", error) from error

    def close(self, step: Writing, at: int, *, keep: bool) -> None:
        """The same, in the folder that is open at `at`.  Raises OSError, Unavailable."""
        name = os.path.basename(step.path)
        if keep:
            step.end()
            os.fsync(step.fd)  # after a power cut the name must not stand before the end that it promises
            os.rename(name, name.removesuffix(OPEN), src_dir_fd=at, dst_dir_fd=at)
        else:
            os.unlink(name, dir_fd=at)

    def key(self) -> bytes:
        """What fingerprints are made with: it never leaves the folder.  Raises Unavailable."""
        try:
            self._make_folder()
            with self.locked() as at:
                try:
                    fd = files.open_own(os.path.join(self.path, "key"), os.O_RDWR, at=at)
                except FileNotFoundError:
                    fd = self._create("key", at)
                try:
                    key = os.read(fd, KEY_BYTES)
                    if len(key) < KEY_BYTES:
                        key = os.urandom(KEY_BYTES)
                        if os.pwrite(fd, key, 0) < KEY_BYTES:
                            raise Unavailable(f"cannot write {self.path}/key: the disk is full")
                        os.fsync(fd)
                finally:
                    os.close(fd)
                return key
        except OSError as error:
            raise self._trouble("write", error) from error

    def _make_folder(self) -> None:
        try:
            os.mkdir(self.path, 0o700)
        except FileExistsError:
            return
        status = os.stat(self._above)
        if os.geteuid() == 0 and status.st_uid != 0:
            os.chown(self.path, status.st_uid, status.st_gid, follow_symlinks=False)
        files.sync_folder(self._above)

    def _create(self, name: str, at: int) -> int:
        return files.create_like(os.path.join(self.path, name), None, at=at)

    def _prune(self, at: int) -> None:
        """Remove the oldest steps past `MAX_STEPS`, or past `MAX_BYTES`, before one more is made."""
        size = 0
        for kept, (_, name) in enumerate(reversed(_names(at)), 1):
            try:
                size += os.stat(name, dir_fd=at).st_size
                if kept > 1 and (kept >= MAX_STEPS or size > MAX_BYTES) and not name.endswith(OPEN):
                    os.unlink(name, dir_fd=at)
            except FileNotFoundError:  # its command has ended this instant
                continue

    # --- reading ----------------------------------------------------------------------------------------------------

    @contextmanager
    def locked(self) -> Iterator[int]:
        """The folder, open, and nobody else at its list of steps.  Raises OSError, Unavailable."""
        at = self.open()
        try:
            try:
                lock = files.open_own(os.path.join(self.path, "lock"), os.O_RDWR, at=at)
            except FileNotFoundError:
                lock = self._open_lock(at)
            try:
                self._wait_for(lock)
                yield at
            finally:
                os.close(lock)
        finally:
            os.close(at)

    def _open_lock(self, at: int) -> int:
        try:
            return self._create("lock", at)
        except Unavailable as error:
            if isinstance(error.__cause__, FileExistsError):  # another made it this instant
                return files.open_own(os.path.join(self.path, "lock"), os.O_RDWR, at=at)
            raise

    def _wait_for(self, lock: int) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unavailable(f"{self.path} is locked by another command for {WAIT_SECONDS:g} s") from None
                time.sleep(0.01)
            else:
                return

    def summaries(self) -> list[Summary]:
        """All steps, the oldest first.  Raises Unavailable."""
        found = []
        try:
            at = self.open()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._trouble("read", error) from error
        try:
            for number, name in _names(at):
                step = self._summary(number, name, at)
                if step is not None and (step.head or not step.is_open):  # the head is written this instant
                    found.append(step)
        except OSError as error:
            raise self._trouble("read", error) from error
        finally:
            os.close(at)
        return found

    def _summary(self, number: int, name: str, at: int) -> Summary | None:
        path = os.path.join(self.path, name)
        try:
            fd = files.open_own(path, os.O_RDONLY, at=at)
        except FileNotFoundError:  # it has just ended, or gone
            return None
        try:
            head, end = read_ends(fd)
        finally:
            os.close(fd)
        return Summary(number=number, path=path, head=head or {}, end=end)

    def read(self, name: str) -> Reading:
        """The step of this file, read.  Raises Unavailable."""
        path = os.path.join(self.path, name)
        try:
            at = self.open()
            try:
                found = Reading(files.open_own(path, os.O_RDONLY, at=at), path)
            finally:
                os.close(at)
        except OSError as error:
            raise files.trouble("read", path, error) from error
        try:
            found.scan()
            if not name.endswith(OPEN) and (not found.head or found.end is None):
                raise damaged(path, "it has no end, or no beginning")
        except Unavailable:
            found.close()
            raise
        return found

    def left_open(self, at: int) -> Iterator[tuple[Writing, Reading]]:
        """What killed commands have left, each locked while it is looked at.  Raises OSError, Unavailable."""
        for number, name in _names(at):
            if not name.endswith(OPEN):
                continue
            path = os.path.join(self.path, name)
            fd = self._open_left(path, at)
            if fd is None:
                continue
            reading = Reading(os.dup(fd), path)
            try:
                try:
                    reading.scan()
                except Unavailable:  # it stays open, as one whose store cannot tell
                    continue
                at_group = reading.groups[-1].at if reading.groups else reading.size
                yield Writing(fd, path, number, size=reading.size, group_at=at_group), reading
            finally:
                reading.close()
                os.close(fd)

    def _open_left(self, path: str, at: int) -> int | None:
        """A step that is open, locked; None: its command is at work, or has ended this instant.  Raises OSError."""
        try:
            fd = files.open_own(path, os.O_RDWR, at=at)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.stat(os.path.basename(path), dir_fd=at), os.fstat(fd)):
                return fd
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(fd)
        return None

    def open(self) -> int:
        """The folder, open, where none but who owns the users can have laid anything.  Raises OSError, Unavailable."""
        at = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self._must_be_private(os.fstat(at))
        except BaseException:
            os.close(at)
            raise
        return at

    def _trouble(self, doing: str, error: OSError) -> Unavailable:
        """What could not be done to the folder, or to the file in it that the error names."""
        name = os.path.basename(error.filename) if isinstance(error.filename, str) else ""
        path = os.path.join(self.path, name) if name not in ("", FOLDER) else self.path
        return files.trouble(doing, path, error)

    def _must_be_private(self, status: os.stat_result) -> None:
        if status.st_uid not in (0, os.geteuid(), os.stat(self._above).st_uid):
            raise Unavailable(
                f"{self.path} belongs to uid {status.st_uid}, not to who owns the users: move it elsewhere"
            )
        if status.st_mode & 0o022:
            raise Unavailable(f"{self.path} can be written by others: look what lies there, then chmod 700 {self.path}")


def _names(at: int) -> list[tuple[int, str]]:
    """The numbers and names of the steps, the oldest first."""
    found = (_NAME.fullmatch(name) for name in os.listdir(at))
    return sorted((int(match[1]), match[0]) for match in found if match)
