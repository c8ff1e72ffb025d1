"""What stands in nwauth.txt and nwauth.add, line by line, and what lies beside them."""

from __future__ import annotations

import fcntl
import os
import shlex
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from nwauth.doctor.finding import MOST_USERS, counted, examples, finding
from nwauth.names import ENCODING, ERRORS
from nwauth.passwords import complete
from nwauth.policy.throttle.files import NEW, FolderLock
from nwauth.policy.throttle.settings import FILE as THROTTLE
from nwauth.policy.throttle.tag import FILE as KEY
from nwauth.stores.flatfile import lines
from nwauth.stores.flatfile.chores import MAX_JOURNAL_BYTES, MERGE_PAUSE_SECONDS, MIN_JOURNAL_BYTES
from nwauth.stores.flatfile.folder import Folder
from nwauth.stores.flatfile.notes import LockFile
from nwauth.stores.textfile import files
from nwauth.stores.textfile.index import ENTRIES_A_BUCKET, Damaged, Index
from nwauth.stores.textfile.lines import key_of
from nwauth.stores.textfile.ordered import lines_of
from nwauth.stores.textfile.userfile import SMALL_BYTES, UserFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.config import FlatfileConfig
    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place

PROBES_A_BUCKET = 10
OLDER, DAMAGED = "no-index", "damaged-index"
WRONG_INDEX = {OLDER: "is that of an older nwauth.txt", DAMAGED: "is damaged"}


def odd_lines(place: Place) -> Iterator[Finding]:
    """Every line is a user's, a comment, or blank."""
    for one in place.flat:
        folder = Folder(one.path)
        for path in (folder.txt, folder.add):
            number, first = _odd(path)
            if number:
                be = "is no user's" if number == 1 else "are no users'"
                yield finding(
                    "odd-lines",
                    f"{path}: {counted(number, 'line')} {be}: line {first}" + (" is the first" if number > 1 else ""),
                    mend=f"see it with sed -n {first}p {shlex.quote(path)}; make it NAME:FIELD:INFO, or a # comment",
                    file=path,
                    line=first,
                )


def _odd(path: str) -> tuple[int, int]:
    """How many lines of a file do not fit, and which is the first."""
    count = first = number = 0
    last = b""
    for chunk in _chunks(path):
        rows = chunk.removesuffix(b"\n").split(b"\n")
        for number, row in enumerate(rows, number + 1):  # noqa: B020, it goes on from chunk to chunk
            if row and row[:1] != b"#" and not lines.fits(row) and row.strip(b" \t\r"):
                count += 1
                first = first or number
        last = b"" if chunk.endswith(b"\n") else rows[-1]
    if path.endswith(".add") and last and lines.fits(last) and not lines.is_whole(last, complete):
        return count + 1, first or number
    return count, first


def _chunks(path: str) -> Iterator[bytes]:
    """The lines of a file, some at a time; of none, where there is no file.  Raises OSError."""
    try:
        fd = files.open_own(path, os.O_RDONLY, links=True)
    except FileNotFoundError:
        return
    try:
        for _, chunk in files.line_chunks(fd, os.fstat(fd).st_size):
            yield chunk
    finally:
        os.close(fd)


# --- one user, two spellings -----------------------------------------------------------------------------------------


def twins(place: Place) -> Iterator[Finding]:
    """No two users differ only in case."""
    for one in place.flat:
        folder = Folder(one.path)
        found: list[str] = []
        number = 0
        for lost, wins in _spellings(folder):
            number += 1
            if number <= MOST_USERS:
                found.append(f"{lost} ({wins} is found instead)")
        if number:
            name = found[0].partition(" ")[0]
            yield finding(
                "case-twins",
                f"{folder.txt}: {counted(number, 'user')} differ{'s' * (number == 1)} from another in case alone:"
                f" {examples(found, number)}",
                mend=f"see both with {_grep(name, folder)}; take one line out, or give it another name",
                file=folder.txt,
                users=[text.partition(" ")[0] for text in found],
            )


def _grep(name: str, folder: Folder) -> str:
    pattern = "".join(f"\\{c}" if c in r"\.[*^$" else c for c in name)
    there = [path for path in (folder.txt, folder.add) if os.path.exists(path)]
    return shlex.join(["grep", "-in", f"^{pattern}:", *there])


def _spellings(folder: Folder) -> Iterator[tuple[str, str]]:
    """Each name that gives way to another spelling of it, and that one."""
    newer = _last_names(folder.add)
    last_key = last_name = b""
    for row in _sorted_lines(folder):
        key, name = key_of(row), row.partition(b":")[0]
        if key == last_key and name != last_name:
            yield _text(last_name), _text(name)
        elif key != last_key and newer.get(last_key, last_name) != last_name:
            yield _text(last_name), _text(newer[last_key])
        last_key, last_name = key, name
    if newer.get(last_key, last_name) != last_name:
        yield _text(last_name), _text(newer[last_key])


def _last_names(path: str) -> dict[bytes, bytes]:
    """The spelling of each name that the journal has, by folded name."""
    found: dict[bytes, bytes] = {}
    for chunk in _chunks(path):
        for row in chunk.split(b"\n"):
            deleted = lines.deleted_key(row)
            if deleted is not None:
                found.pop(deleted, None)
            elif row and lines.fits(row):
                found[key_of(row)] = row.partition(b":")[0]
    return found


def _sorted_lines(folder: Folder) -> Iterator[bytes]:
    try:
        file = UserFile.open(folder.txt, lines.fits)
    except FileNotFoundError:
        return
    try:
        file.adopt(folder.index)
        yield from lines_of(file, scratch=_scratch)
    finally:
        file.close()


def _scratch() -> int:
    """A file without a name, where the system keeps such: nothing is written in the folder."""
    with TemporaryFile() as file:
        return os.dup(file.fileno())


def _text(name: bytes) -> str:
    return name.decode(ENCODING, ERRORS)


# --- beside them -----------------------------------------------------------------------------------------------------


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
        dead = sorted(path for path in folder.leftovers() if is_abandoned(path))
        if dead:
            yield finding(
                "leftovers",
                f"{counted(len(dead), 'unfinished file')} of work that was cut off: {examples(dead, len(dead))}",
                mend=place.nwauth("merge") if folder.indexing not in dead else place.nwauth("doctor", "--fix", "--yes"),
                file=dead[0],
                paths=dead,
            )
        number = sum(chunk.count(b"\n") for chunk in _chunks(folder.rejected))
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
    try:
        fd = files.open_own(path, os.O_RDONLY)  # a FIFO of this name would hold us for ever
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True
