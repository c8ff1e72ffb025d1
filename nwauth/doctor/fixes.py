"""What can be done about a finding without a person's judgement: one function a kind of finding.

Nothing of it changes who may log in: rights are taken from strangers alone, and only where nobody is seen to live by
them; lines that are nobody's are put aside, not deleted; what is made anew is derived from the users' lines.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from errno import EPERM
from stat import S_ISLNK, S_ISREG
from typing import TYPE_CHECKING

from nwauth.build import store as build_store
from nwauth.changes.steps import FOLDER as UNDO
from nwauth.doctor import servers
from nwauth.doctor.beside import in_the_making, strays
from nwauth.doctor.cleartext import kept_journals
from nwauth.doctor.files import OTHER_FILES, SECRETS, USER_FILES, account
from nwauth.doctor.finding import counted, examples
from nwauth.errors import Unavailable
from nwauth.policy.throttle.files import FolderLock
from nwauth.service.rulefile import KEPT_SUFFIX
from nwauth.stores.around import innermost
from nwauth.stores.flatfile import FlatfileStore, lines
from nwauth.stores.flatfile.folder import Folder
from nwauth.stores.flatfile.notes import LockFile
from nwauth.stores.flatfile.rewrite import clear_leftovers
from nwauth.stores.flatfile.settling import Settling
from nwauth.stores.textfile.files import open_own
from nwauth.stores.textfile.making import make_index
from nwauth.stores.textfile.userfile import UserFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nwauth.config import FlatfileConfig
    from nwauth.doctor.cleartext import Kept
    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place

OTHERS, OTHERS_WRITE = 0o007, 0o002

# The checks to make again after any work on the files.
OF_FILES = (
    "who can read the files",
    "the lines of nwauth.txt and nwauth.add",
    "names that stand more than once",
    "old passwords in clear text",
    "the length of the journal",
    "the index",
    "what was left behind",
    "what undo goes by",
)


class Unsafe(Exception):
    """It is not done without a person's judgement; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Something to be done: `key` is the same for what need be done only once; `do` returns what was done.

    `is_large`: it comes behind the others, which it would do in passing.
    """

    key: tuple[str, str]
    would: str
    do: Callable[[], str]
    is_large: bool = False


# --- rights ----------------------------------------------------------------------------------------------------------


def _close_to_others(place: Place, one: Finding, _all: Sequence[Finding]) -> Work:
    path = one.file or ""
    if path not in _own_files(place):
        raise Unsafe("other programs may use it by these rights")
    _must_be_one_file(path)
    mask = OTHERS_WRITE if path in _rules(place) or _is_open_to_see(path, one) else OTHERS
    _must_be_nobodys_way(place, path, mask)
    return Work(
        key=("rights", path),
        would=f"take {'writing' if mask == OTHERS_WRITE else 'all rights'} on {path} from those who are neither its"
        " owner nor in its group",
        do=lambda: _without(path, mask),
    )


def _open_folder(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _own_files(place: Place) -> set[str]:
    """The files that are nwauth's alone to rule: those of its folder, and of flat files that it may write."""
    folders = {one.path for one in place.flat if not one.read_only}
    found = {os.path.join(folder, name) for folder in folders for name in (*USER_FILES, *OTHER_FILES)}
    found.add(os.path.join(place.changes or place.folder, UNDO))
    return found | {place.settings, *(os.path.join(place.folder, name) for name in SECRETS)} | _rules(place)


def _is_open_to_see(path: str, one: Finding) -> bool:
    """Whether a file holds nobody's secret: no line of it was told as one."""
    return os.path.basename(path) in OTHER_FILES and one.line is None


def _rules(place: Place) -> set[str]:
    if place.config is None:
        return set()
    file = os.path.abspath(place.config.policy.file)
    return {file, file + KEPT_SUFFIX}


def _must_be_nobodys_way(place: Place, path: str, mask: int) -> None:
    """Raises Unsafe where a child, or a server that starts them, has these rights on the file only as a stranger."""
    if place.running is None or place.running.is_hidden:
        raise Unsafe("it cannot be seen what runs, and a server's children may read it by these rights")
    status = os.stat(path)
    for one in (*servers.children(place, place.running), *place.running.servers):
        if servers.is_stranger(one, status) and status.st_mode & mask:
            raise Unsafe(f"{one.name} (process {one.pid}) runs as {account(one.uid)}, which has no other right to it")


def _must_be_one_file(path: str) -> None:
    """Raises Unsafe where what is done to it would be done to a file elsewhere."""
    status = os.lstat(path)
    if S_ISLNK(status.st_mode):
        raise Unsafe(f"it is a link to {os.path.realpath(path)}, which other programs may use by these rights")
    if _has_more_names(status):
        raise Unsafe("it has another name elsewhere, by which other programs may use it")


def _has_more_names(status: os.stat_result) -> bool:
    return S_ISREG(status.st_mode) and status.st_nlink > 1


def _without(path: str, mask: int) -> str:
    """Raises OSError; what has come in its place since is no less one file of this folder."""
    fd = _open_folder(path) if os.path.isdir(path) else open_own(path, os.O_RDONLY)
    try:
        status = os.fstat(fd)
        if _has_more_names(status):
            raise OSError(EPERM, "it has another name elsewhere", path)
        mode = status.st_mode & 0o7777
        os.fchmod(fd, mode & ~mask)
    finally:
        os.close(fd)
    return f"{path} has mode {mode & ~mask:04o} now, and had {mode:04o}"


# --- flat files ------------------------------------------------------------------------------------------------------


def _merge(place: Place, one: Finding, found: Sequence[Finding]) -> Work:
    """Fold the journal; what is no user's line goes to ``nwauth.rejected``, which nobody but the owner can read."""
    settings = _store_of(place, one)
    folder = Folder(settings.path)
    for journal in kept_journals(folder):
        if journal.path == one.file:
            _must_be_over(journal, place.now())
    if any(other.id == "case-twins" and other.file == folder.txt for other in found):
        raise Unsafe("nwauth.txt has two spellings of one name, of which a merge would take one out: mend that first")
    odd = one.id == "odd-lines"
    would = f"fold {folder.add} into {folder.txt}" if os.path.exists(folder.add) else f"write {folder.txt} in order"
    if odd:
        would += f"; lines that are nobody's go to {folder.rejected}"
    return Work(key=("merge", folder.path), would=would, do=lambda: _merged(place, settings), is_large=True)


def _must_be_over(journal: Kept, now: float) -> None:
    """Raises Unsafe where a merge would not remove a journal that an earlier one has taken in."""
    if journal.swapped_at is None:
        raise Unsafe("no merge knows of it any more")
    if left := journal.left_seconds(now):
        raise Unsafe(f"another program may be writing to it for {left} s yet; a merge after that removes it")


def _merged(place: Place, settings: FlatfileConfig) -> str:
    assert place.config is not None  # noqa: S101
    store = innermost(build_store(place.config, settings))
    assert isinstance(store, FlatfileStore)  # noqa: S101
    txt, add = store.folder.txt, store.folder.add
    done_to = f"{add} was folded into {txt}" if os.path.exists(add) else f"{txt} was written in order"
    try:
        done = store.merge()
    finally:
        store.close()
    aside = f"; {counted(done.rejected, 'line')} put aside in {store.folder.rejected}" if done.rejected else ""
    return f"{done_to}, which has {counted(done.users, 'user')}{aside}"


def _index(place: Place, one: Finding, found: Sequence[Finding]) -> Work:
    """Make the index; where the folder is merged anyway, that makes it."""
    settings = _store_of(place, one)
    folder = Folder(settings.path)
    for other in found:
        if FIXES.get(other.id) is _merge and other.file in (folder.txt, folder.add):
            try:
                return _merge(place, other, found)
            except Unsafe:
                break
    return Work(key=("index", folder.path), would=f"make {folder.index} anew", do=lambda: _indexed(folder, settings))


def _indexed(folder: Folder, settings: FlatfileConfig) -> str:
    """Raises Unavailable while the user file may yet change under an index of it; OSError."""
    lock = LockFile(folder.lock, model=folder.txt)
    source = UserFile.open(folder.txt, lines.fits)
    try:
        doubt = Settling(lock, settle_seconds=settings.settle_seconds, clock=time.time).doubt(source)
    finally:
        source.close()
        lock.close()
    if doubt is not None:
        raise Unavailable(doubt)
    make_index(folder.txt, index=folder.index, making=folder.indexing, model=folder.txt, fits=lines.fits)
    return f"{folder.index} was made anew"


def _leftovers(place: Place, one: Finding, _all: Sequence[Finding]) -> Work:
    """Remove what dead processes have left unfinished; the files of a throttle are made under a lock on the folder."""
    path = one.file or ""
    would = f"remove {_named(one)}"
    if path in strays(place.folder):
        return Work(key=("strays", place.folder), would=would, do=lambda: _swept(place.folder))
    folder = Folder(_store_of(place, one).path)

    def clear() -> str:
        return f"{counted(clear_leftovers(folder), 'unfinished file')} of {folder.path} removed"

    return Work(key=("leftovers", folder.path), would=would, do=clear)


def _swept(folder: str) -> str:
    """Raises OSError."""
    with FolderLock(folder):  # who makes such a file holds it: these are nobody's
        found = in_the_making(folder)
        for path in found:
            os.unlink(path)
    return f"{counted(len(found), 'unfinished file')} of {folder} removed"


def _steps(place: Place, one: Finding, _all: Sequence[Finding]) -> Work:
    """Look up in the stores what became of the changes of commands that were killed; no user is changed."""
    settle = place.settle_steps
    folder = os.path.dirname(one.file or "")
    if settle is None:
        raise Unsafe("only the command can ask the stores")

    def look_up() -> str:
        settle()
        return f"the stores were asked what became of it; {folder} and the journal of changes have it"

    return Work(key=("steps", folder), would=f"ask the stores what became of {_named(one)}", do=look_up)


def _named(one: Finding) -> str:
    return examples(one.paths, len(one.paths))


def _store_of(place: Place, one: Finding) -> FlatfileConfig:
    """The flat files that a finding is about.  Raises Unsafe where they are not ours to change."""
    path = one.file or ""
    for settings in place.flat:
        folder = Folder(settings.path)
        if os.path.dirname(path) == folder.path or (os.path.isdir(folder.path) and path in folder.leftovers()):
            if settings.read_only:
                raise Unsafe(f"the store {settings.name} is read_only")
            return settings
    raise Unsafe("it is in no folder of flat files")


FIXES: dict[str, Callable[[Place, Finding, Sequence[Finding]], Work]] = {
    "open-to-others": _close_to_others,
    "old-clear-text": _merge,
    "long-journal": _merge,
    "odd-lines": _merge,
    "no-index": _index,
    "damaged-index": _index,
    "leftovers": _leftovers,
    "open-steps": _steps,
}
