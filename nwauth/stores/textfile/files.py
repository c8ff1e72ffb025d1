"""Files of a user folder: what they are known by, and how they are made so that nobody is locked out."""

from __future__ import annotations

import errno
import os
from stat import S_ISLNK, S_ISREG

from nwauth.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Mark = tuple[int, int, int]  # inode, size, mtime in nanoseconds

CHUNK_BYTES = 131072  # scans are fastest while a chunk stays in the processor's cache: performance.md section 3.3
ACL = "system.posix_acl_access"


_names: dict[int, str] = {}  # accounts, asked for once each: a directory may be slow


class Identity(tuple[int, int, int, int]):
    """What tells one state of a file from another: device, inode, size in bytes, mtime in nanoseconds."""

    __slots__ = ()

    @property
    def inode(self) -> int:
        """The inode number."""
        return self[1]

    @property
    def size(self) -> int:
        """The length in bytes."""
        return self[2]

    @property
    def mtime_ns(self) -> int:
        """The time of the last change, in nanoseconds since 1970."""
        return self[3]


def trouble(doing: str, path: str, error: OSError) -> Unavailable:
    """An `Unavailable` that says what could not be done to which file, and why; rights, also who was denied them."""
    reason = error.strerror or os.strerror(errno.EIO)
    if error.errno == errno.ELOOP:
        reason = "it is a link, which is not followed there"
    denied = f" as {_account()}" if error.errno in (errno.EACCES, errno.EPERM) else ""
    return Unavailable(
        f"cannot {doing} {path}{denied}: {reason}",
        public=f"cannot {doing} {os.path.basename(path) or path}: {reason}",
    )


def _account() -> str:
    """The account that this process runs as."""
    uid = os.geteuid()
    if uid not in _names:
        from pwd import getpwuid

        try:
            _names[uid] = getpwuid(uid).pw_name
        except KeyError:
            _names[uid] = f"uid {uid}"
    return _names[uid]


def identity_of(status: os.stat_result) -> Identity:
    """The identity in a `stat` result."""
    return Identity((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))


def mark_of(identity: Identity) -> Mark:
    """What a file is noted by: the device is left out, which may change with a reboot."""
    return (identity.inode, identity.size, identity.mtime_ns)


def identify(path: str, *, at: int | None = None) -> Identity | None:
    """The identity of the file at `path`, links followed; None when there is none.  `at` is as for `open_own`.

    Raises:
        Unavailable: the folder cannot be looked into.
    """
    try:
        return identity_of(os.stat(path) if at is None else os.stat(named(path, at), dir_fd=at))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise trouble("look at", path, error) from error


def named(path: str, at: int | None) -> str:
    """What a system call is told for `path`: only its name, where its folder is held open on `at`."""
    return path if at is None else os.path.basename(path)


def open_own(path: str, flags: int, *, links: bool = False, at: int | None = None) -> int:
    """Open a regular file of a user folder; with `links`, as the user file and the journal, it may be a symbolic link.

    With `at`, its folder is the one open there, wherever the way of `path` leads by now.  Raises OSError.
    """
    way = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | (0 if links else os.O_NOFOLLOW)
    fd = os.open(named(path, at), flags | way, dir_fd=at)
    try:
        _must_be_own(fd, path, at)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _must_be_own(fd: int, path: str, at: int | None) -> None:
    """Who can write a folder can lay links in it: root must not be led to another's file.  Raises OSError."""
    status = os.fstat(fd)
    if not S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", path)
    if os.geteuid() != 0:
        return
    folder = os.stat(os.path.dirname(path) if at is None else at)
    if folder.st_uid == 0 and folder.st_mode & 0o022:
        link = os.lstat(named(path, at), dir_fd=at)
        if link.st_uid != 0 and S_ISLNK(link.st_mode):
            raise OSError(errno.EPERM, "it is a link that root has not laid, in a folder that others can write", path)
    if folder.st_uid in (0, status.st_uid):
        return
    if status.st_nlink > 1 or not os.path.samestat(os.lstat(named(path, at), dir_fd=at), status):
        raise OSError(errno.EPERM, "it leads to a file that does not belong to the folder's owner", path)


def open_folder(path: str, *, base: str | None = None) -> int:
    """Open the folder `path`; it lies in `base` or deeper, which is taken as it is (None: `path` is).

    Root goes from `base` on step by step: each folder on the way may be another's, who may have laid a link there.
    Raises OSError.
    """
    way = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    if base is None or os.geteuid() != 0:
        return os.open(path, way)
    fd = os.open(base, way)
    for step in filter(None, os.path.relpath(path, base).split("/")):
        above = fd
        try:
            fd = os.open(step, way, dir_fd=above)
            try:
                _must_be_own_folder(fd, above, step, path)
            except BaseException:
                os.close(fd)
                raise
        finally:
            os.close(above)
    return fd


def _must_be_own_folder(fd: int, above: int, name: str, path: str) -> None:
    """A link in a folder that is not root's must lead to a folder of the same owner.  Raises OSError."""
    owner, status = os.fstat(above).st_uid, os.fstat(fd)
    if owner not in (0, status.st_uid) and not os.path.samestat(os.lstat(name, dir_fd=above), status):
        raise OSError(errno.EPERM, "a link on the way leads to another's folder", path)


def open_below(path: str, flags: int, *, base: str | None, links: bool = False) -> int:
    """`open_own`, of a file in `base` or deeper; see `open_folder`.  Raises OSError."""
    if base is None or os.geteuid() != 0:
        return open_own(path, flags, links=links)
    folder = open_folder(os.path.dirname(path), base=base)
    try:
        return open_own(path, flags, links=links, at=folder)
    finally:
        os.close(folder)


def blocks(fd: int, size: int, *, start: int = 0, block_bytes: int = CHUNK_BYTES) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) from `start` up to `size`, or to the end of the file."""
    position = start
    while position < size:
        block = os.pread(fd, min(block_bytes, size - position), position)
        if not block:
            return
        yield position, block
        position += len(block)


def line_chunks(fd: int, size: int, *, start: int = 0, chunk_bytes: int = CHUNK_BYTES) -> Iterator[tuple[int, bytes]]:
    """(offset, whole lines) from `start` up to `size`; only the very last line may lack its end."""
    offset, rest = start, b""
    for position, block in blocks(fd, size, start=start, block_bytes=chunk_bytes):
        cut = block.rfind(b"\n") + 1
        if not cut:
            rest += block
            continue
        yield offset, rest + block[:cut]
        offset, rest = position + cut, block[cut:]
    if rest:
        yield offset, rest


def create_like(path: str, model: str | int | None, *, at: int | None = None) -> int:
    """Create `path` (it must not be there) with owner, group, mode and ACL of `model`, open for reading and writing.

    `model` is a path, or a file that is open.  Without one (None, or no such file) it gets owner and group of its
    folder, and mode 0600: then nobody reads it by its group, which may be another where we may not give it that one.
    `at` is as for `open_own`.

    Raises:
        Unavailable: it cannot be made, or not given to that owner; nothing is left behind.
    """
    try:
        way = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(named(path, at), way, 0o600, dir_fd=at)
    except OSError as error:
        raise trouble("create", path, error) from error
    try:
        dress_like(fd, path, model, at=at)
    except OSError as error:
        os.close(fd)
        os.unlink(named(path, at), dir_fd=at)
        raise trouble("give the right owner and mode to", path, error) from error
    return fd


def dress_like(fd: int, path: str, model: str | int | None, *, at: int | None = None) -> None:
    """Give `fd` owner, group, mode and ACL of `model`; see `create_like`.  Raises OSError."""
    try:
        wanted = os.stat(model) if model is not None else None
    except FileNotFoundError:
        wanted = None
    folder = os.stat(os.path.dirname(path) if at is None else at)
    uid, gid = (folder.st_uid, folder.st_gid) if wanted is None else (wanted.st_uid, wanted.st_gid)
    now = os.fstat(fd)
    if (now.st_uid, now.st_gid) != (uid, gid):
        try:
            os.fchown(fd, uid, gid)
        except PermissionError:
            if wanted is not None or now.st_uid != uid:
                raise
    if wanted is None or model is None:
        os.fchmod(fd, 0o600)
        return
    os.fchmod(fd, wanted.st_mode & 0o777)
    try:
        acl = os.getxattr(model, ACL)
    except OSError:  # none there, or a file system without
        return
    os.setxattr(fd, ACL, acl)


def sync_folder(folder: str) -> None:
    """Make renames and new names in `folder` durable.  Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data` at the file's position.  Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def anonymous() -> int:
    """A file without a name, in memory where the system can, to hold what a folder cannot or need not."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("nwauth", os.MFD_CLOEXEC)
    from tempfile import TemporaryFile

    with TemporaryFile() as file:
        return os.dup(file.fileno())
