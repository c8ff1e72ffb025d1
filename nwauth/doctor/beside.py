"""What lies beside nwauth.txt: the journal's length, the index, and what somebody did not finish."""

from __future__ import annotations

import os
import shlex
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING

from nwauth.changes.lines import FILE as CHANGES
from nwauth.changes.steps import FOLDER as STEPS
from nwauth.doctor.files import as_owner
from nwauth.doctor.finding import counted, examples, finding
from nwauth.doctor.flatfiles import chunks
from nwauth.policy.throttle.files import NEW, FolderLock
from nwauth.policy.throttle.settings import FILE as THROTTLE
from nwauth.policy.throttle.tag import FILE as KEY
from nwauth.stores.flatfile.chores import MAX_JOURNAL_BYTES, MERGE_PAUSE_SECONDS, MIN_JOURNAL_BYTES
from nwauth.stores.flatfile.folder import Folder
from nwauth.stores.flatfile.notes import LockFile
from nwauth.stores.textfile import files
from nwauth.stores.textfile.index import ENTRIES_A_BUCKET, Damaged, Index
from nwauth.stores.textfile.making import take_over
from nwauth.stores.textfile.userfile import SMALL_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.config import FlatfileConfig
    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place

PROBES_A_BUCKET = 10
OLDER, DAMAGED = "no-index", "damaged-index"
WRONG_INDEX = {OLDER: "is that of an older nwauth.txt", DAMAGED: "is damaged"}


def journal(place: Place) -> Iterator[Finding]:
    """The journal is folded when it has grown."""
    for one in place.flat:
        folder = Folder(one.path)
        add = files.identify(folder.add)
        limit = _limit(one, folder)
        if add is None or add.size <= limit or one.read_only:
            continue
        merged_at = LockFile(folder.lock, model=folder.txt).read().merged_at
        if merged_at is not None and 0 <= place.now() - merged_at < 2 * MERGE_PAUSE_SECONDS:
            continue
        yield finding(
            "long-journal",
            f"{folder.add} has {add.size:,} bytes, and {limit:,} are the limit: nobody has folded it into nwauth.txt",
            mend=place.nwauth("merge"),
            file=folder.add,
        )


def in_the_way(place: Place) -> Iterator[Finding]:
    """Where nwauth writes files of its own, and follows no link, nothing else lies."""
    above = place.changes or place.folder
    locks = [Folder(one.path).lock for one in place.flat if not one.read_only]
    for path, wanted in [
        *((path, S_ISREG) for path in (os.path.join(above, CHANGES), *locks)),
        (os.path.join(above, STEPS), S_ISDIR),
    ]:
        if os.path.lexists(path) and not wanted(os.lstat(path).st_mode):
            what = "a link" if os.path.islink(path) else f"no {'folder' if wanted is S_ISDIR else 'file'}"
            yield finding(
                "in-the-way",
                f"{path} is {what}: nwauth makes its own there",
                mend=as_owner(os.stat(os.path.dirname(path)).st_uid, ["mv", path, f"{path}.aside"]),
                file=path,
            )


def _limit(one: FlatfileConfig, folder: Folder) -> int:
    if one.max_journal_bytes is not None:
        return one.max_journal_bytes
    txt = files.identify(folder.txt)
    return min(max(MIN_JOURNAL_BYTES, txt.size // 10 if txt else 0), MAX_JOURNAL_BYTES)


def index(place: Place) -> Iterator[Finding]:
    """A large user file has an index, and it is whole."""
    for one in place.flat:
        folder = Folder(one.path)
        txt = files.identify(folder.txt)
        if txt is None or txt.size <= SMALL_BYTES or one.read_only:
            continue
        mend = f"rm -f {shlex.quote(folder.index)} && {place.nwauth('merge')}"
        try:
            fd = files.open_own(folder.index, os.O_RDONLY)
        except FileNotFoundError:
            yield finding("no-index", f"{folder.txt} has no index beside it", mend=mend, file=folder.index)
            continue
        kind = _wrong_with(fd, txt)
        if kind:
            yield finding(kind, f"{folder.index} {WRONG_INDEX[kind]}", mend=mend, file=folder.index)


def _wrong_with(fd: int, txt: files.Identity) -> str:
    """The kind of the finding about the index on `fd`, which is closed; each part of it is looked at.  Empty: none."""
    try:
        found = Index(fd)
    except Damaged:
        os.close(fd)
        return DAMAGED
    try:
        if not found.is_of(txt):
            return OLDER
        for probe in range(PROBES_A_BUCKET * (txt.size // (40 * ENTRIES_A_BUCKET) + 1)):
            found.find(b"%d" % probe)
    except Damaged:
        return DAMAGED
    finally:
        found.close()
    return ""


def leftovers(place: Place) -> Iterator[Finding]:
    """Nothing lies about that somebody did not finish or has yet to look at."""
    yield from _stray_files(place)
    for one in place.flat:
        folder = Folder(one.path)
        if not os.path.isdir(one.path):
            continue
        at_work = os.path.lexists(folder.rewriting) and not is_abandoned(folder.rewriting)  # all of them may be its
        dead = [] if at_work else sorted(path for path in folder.leftovers() if is_abandoned(path))
        if dead:
            yield finding(
                "leftovers",
                f"{counted(len(dead), 'unfinished file')} of work that was cut off: {examples(dead, len(dead))}",
                mend=place.nwauth("merge") if folder.indexing not in dead else place.nwauth("doctor", "--fix", "--yes"),
                file=dead[0],
                paths=dead,
            )
        number = sum(chunk.count(b"\n") for chunk in chunks(folder.rejected))
        if number:
            yield finding(
                "rejected-lines",
                f"{folder.rejected} holds {counted(number, 'line')} that a merge found no place for",
                mend=f"read it, append what is right to {folder.add} without file and number before it, and delete it",
                file=folder.rejected,
            )


def _stray_files(place: Place) -> Iterator[Finding]:
    """Nothing lies about of the making of the throttle and its key."""
    if os.path.isdir(place.folder):
        found = strays(place.folder)
        if found:
            yield finding(
                "leftovers",
                f"{counted(len(found), 'unfinished file')} of work that was cut off: {examples(found, len(found))}",
                mend=shlex.join(["rm", "-f", *found]),
                file=found[0],
                paths=found,
                why="They take room.",
            )


def strays(folder: str) -> list[str]:
    """The files of the throttle in the making whose makers are gone: who makes one holds a lock on the folder."""
    if not in_the_making(folder):
        return []
    try:
        with FolderLock(folder):
            return in_the_making(folder)
    except OSError:  # somebody is at it now
        return []


def in_the_making(folder: str) -> list[str]:
    """The files of the throttle in the making, their makers gone or not."""
    heads = tuple(f"{name}{NEW}." for name in (THROTTLE, KEY))
    found = [name for name in os.listdir(folder) if name.startswith(heads) and name.rpartition(".")[2].isdigit()]
    return [os.path.join(folder, name) for name in sorted(found)]


def is_abandoned(path: str) -> bool:
    """Whether the maker of an unfinished file is gone: it would hold a lock on it.  Raises OSError."""
    fd = take_over(path, writable=False)
    if fd is not None:
        os.close(fd)
    return fd is not None
