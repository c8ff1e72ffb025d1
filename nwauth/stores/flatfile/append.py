"""Adding lines to the journal: a crash at any instant leaves each whole or not at all (spec/stores.md section 1).

Many lines are written in pieces, each noted in the record before; one sync is for all of them.  Nobody was told of any
before that, so the whole ones among them may stay when a crash comes between: each is a user, and no user is half.
"""

from __future__ import annotations

import os

from nwauth.errors import Unavailable
from nwauth.stores.flatfile import lines
from nwauth.stores.flatfile.journal import HEADER
from nwauth.stores.flatfile.notes import Append
from nwauth.stores.textfile import files
from nwauth.stores.textfile.lines import key_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nwauth.stores.flatfile.folder import Folder
    from nwauth.stores.flatfile.notes import LockFile, Notes

PAGE_BYTES = 4096
PIECE_BYTES = 8192  # of many lines: whoever looks at the record reads a file as long as the longest it ever held


def append(
    folder: Folder, lock: LockFile, notes: Notes, rows: list[bytes], complete: Callable[[str], bool]
) -> tuple[int, int]:
    """Append lines to the journal, durably; the lock is held and `notes` are its record.  Where they begin and end.

    If foreign lines have come between ours, it is where those behind them begin.

    Raises:
        Unavailable: a line could not be written whole, and the journal reads as if neither it nor those behind it had
            been; or all were, and they are not known to be on the disk.
    """
    try:
        fd = open_journal(folder)
        if fd is None:
            _create(folder)
            fd = files.open_own(folder.add, os.O_RDWR | os.O_APPEND, links=True)
        try:
            end_last_line(fd, folder, complete)
            start = end = -1
            for piece in _pieces(rows):
                at = _write(fd, folder, lock, notes, piece)
                start, end = start if at == end else at, at + len(piece)
            os.fdatasync(fd)
            notes.journal = (os.fstat(fd).st_ino, end)
        finally:
            os.close(fd)
    except OSError as error:
        raise files.trouble("write", folder.add, error) from error
    notes.append = None
    lock.save(notes)
    return start, end


def recover(folder: Folder, notes: Notes) -> bool:
    """Undo the line that a crash has left torn, if `notes` tell of an append; whether they did.

    Where nothing but a beginning of what we wrote stands at its place, a comment of the same length is written over the
    line that it ends in: nothing is cut or lengthened, since a foreign line may stand behind.  A line that begins alike
    but goes on otherwise is foreign, unless the tear is where a killed write tears: at the end of a page.  Raises
    OSError.
    """
    pending, notes.append = notes.append, None
    if pending is None:
        return False
    inode, offset, data = pending.inode, pending.offset, pending.data
    try:
        fd = files.open_own(folder.add, os.O_RDWR, links=True)
    except FileNotFoundError:
        return True
    try:
        status = os.fstat(fd)
        if status.st_ino == inode:
            standing = os.pread(fd, len(data), offset)
            torn = next((at for at, byte in enumerate(standing) if byte != data[at]), len(standing))
            at_a_page = (offset + torn) % PAGE_BYTES == 0
            begin = _last_line(data, torn)
            if begin < torn < len(data) and (offset + torn == status.st_size or at_a_page):
                os.pwrite(fd, _comment(torn - begin), offset + begin)
                os.fdatasync(fd)
    finally:
        os.close(fd)
    return True


def end_last_line(fd: int, folder: Folder, complete: Callable[[str], bool]) -> None:
    """Give the journal's last line an end, if it lacks one; a torn one becomes a comment first.  Raises OSError."""
    size = os.fstat(fd).st_size
    if not size or os.pread(fd, 1, size - 1) == b"\n":
        return
    length = PAGE_BYTES
    while True:
        tail = os.pread(fd, min(length, size), max(0, size - length))
        if b"\n" in tail or length >= size:
            break
        length *= 8
    last = tail[tail.rfind(b"\n") + 1 :]
    if not lines.is_whole(last, complete):
        mark = b"##"[: len(last)] if last[:1] == b"#" else b"#"  # a torn deletion begins with one already
        _overwrite(folder.add, os.fstat(fd).st_ino, size - len(last), mark)
    files.write_all(fd, b"\n")


def open_journal(folder: Folder) -> int | None:
    """The journal, open for appending; None when there is none.  Raises OSError."""
    try:
        return files.open_own(folder.add, os.O_RDWR | os.O_APPEND, links=True)
    except FileNotFoundError:
        return None


def make(folder: Folder, rows: list[bytes]) -> str:
    """A new journal that holds `rows`, durably, under a temporary name; its path.  Raises OSError, Unavailable."""
    path = folder.temporary(os.path.realpath(folder.add))
    fd = files.create_like(path, folder.add if os.path.exists(folder.add) else folder.txt)
    try:
        # The random number tells this journal from a later one that a file system gives the same inode.
        files.write_all(fd, b"\n".join([HEADER + os.urandom(8).hex().encode(), *rows, b""]))
        os.fsync(fd)
    finally:
        os.close(fd)
    return path


def _create(folder: Folder) -> None:
    """Put an empty journal in its place, whole; if a foreign program has begun one this instant, that one stands."""
    path, target = make(folder, []), os.path.realpath(folder.add)
    try:
        os.link(path, target)
    except FileExistsError:
        pass
    finally:
        os.unlink(path)
    files.sync_folder(os.path.dirname(target))


def _pieces(rows: list[bytes]) -> Iterator[bytes]:
    """The lines with their ends, as many at a time as are noted and written together."""
    piece: list[bytes] = []
    size = 0
    for row in rows:
        if piece and size + len(row) >= PIECE_BYTES:
            yield b"\n".join([*piece, b""])
            piece, size = [], 0
        piece.append(row)
        size += len(row) + 1
    yield b"\n".join([*piece, b""])


def _last_line(data: bytes, length: int) -> int:
    """Where the line begins that the first `length` bytes of our lines end in; `length` itself where they end one."""
    return data.rfind(b"\n", 0, length) + 1


def _write(fd: int, folder: Folder, lock: LockFile, notes: Notes, data: bytes) -> int:
    """Write whole lines with one call; where they begin.

    Raises:
        Unavailable: the disk is full; the line that was cut by it is a comment now.
        OSError: they cannot be written.
    """
    while True:
        status = os.fstat(fd)
        notes.append = Append(status.st_ino, status.st_size, data)
        lock.save(notes)
        sent = os.write(fd, data)
        start = os.lseek(fd, 0, os.SEEK_CUR) - sent
        if sent < len(data):
            begin = _last_line(data, sent)
            if begin < sent:
                _overwrite(folder.add, status.st_ino, start + begin, _comment(sent - begin))
            raise Unavailable("cannot write nwauth.add: the disk is full")
        if start == 0 or os.pread(fd, 1, start - 1) == b"\n":
            return start
        # A foreign program has just left half a line before ours, which are one now.  Its half gets an end, the glued
        # bytes become a comment, and ours is written again behind them.
        _overwrite(folder.add, status.st_ino, start, b"\n" + _comment(len(data) - 1))


def _comment(length: int) -> bytes:
    return b"#" * (length - 1) + b"\n"


def _overwrite(path: str, inode: int, offset: int, data: bytes) -> None:
    """Write over what stands at `offset` (a descriptor opened for appending cannot)."""
    fd = files.open_own(path, os.O_WRONLY, links=True)
    try:
        if os.fstat(fd).st_ino == inode:
            os.pwrite(fd, data, offset)
    finally:
        os.close(fd)


def mark_deleted(folder: Folder, key: bytes) -> None:
    """Make comments of the lines of `key` that a deletion follows, for programs that know none.  Raises OSError."""
    try:
        fd = files.open_own(folder.add, os.O_RDWR, links=True)
    except FileNotFoundError:
        return
    try:
        standing: list[int] = []
        deleted: list[int] = []
        for offset, chunk in files.line_chunks(fd, os.fstat(fd).st_size):
            at = offset
            for row in chunk.split(b"\n"):
                if row and lines.fits(row) and key_of(row) == key:
                    standing.append(at)
                elif lines.deleted_key(row) == key:
                    deleted, standing = deleted + standing, []
                at += len(row) + 1
        for at in deleted:
            os.pwrite(fd, b"#", at)
        if deleted:
            os.fdatasync(fd)
    finally:
        os.close(fd)
