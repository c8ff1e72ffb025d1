"""Passwords in clear text that count no more, and stand in the files still: whoever sees those has them."""

from __future__ import annotations

import glob
import os
import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

from nwauth.doctor.finding import counted, finding
from nwauth.doctor.flatfiles import chunks, numbered
from nwauth.names import ENCODING, ERRORS
from nwauth.passwords.inspecting import Inspector
from nwauth.stores.flatfile import lines
from nwauth.stores.flatfile.folder import Folder
from nwauth.stores.flatfile.notes import LockFile
from nwauth.stores.flatfile.swap import OLD_JOURNAL_SECONDS
from nwauth.stores.textfile.lines import key_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nwauth.config import FlatfileConfig
    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place

CLEAR = "clear"
MAY_BE_CLEAR = re.compile(rb"^[^:\n#][^:\n]*:([*{][^:\n]*):", re.MULTILINE)  # and the field


class Kept(NamedTuple):
    """A journal that a merge has taken in, and when it did; None: nothing is noted of it, and nobody removes it."""

    path: str
    swapped_at: float | None

    def left_seconds(self, now: float) -> int:
        """For how long another program may yet be writing to it."""
        left = OLD_JOURNAL_SECONDS - (now - self.swapped_at) if self.swapped_at is not None else 0
        return int(left) + 1 if 0 < left <= OLD_JOURNAL_SECONDS else 0


class At(NamedTuple):
    """A line of one of the files, which are in the order in which they were written: the later line counts."""

    file: int
    line: int


def superseded(place: Place) -> Iterator[Finding]:
    """No password in clear text stands in the files behind whose back a newer line counts."""
    if place.config is None:
        return
    inspector = Inspector(place.config.passwords, native=False)
    for one in place.flat:
        folder = Folder(one.path)
        kept = kept_journals(folder)
        files = [*(journal.path for journal in kept), folder.txt, folder.add]
        newest = _newest(files, without=folder.txt)
        for at, path in enumerate(files):
            number, first = _old(path, at, newest, inspector)
            if number:
                is_kept = at < len(kept)
                mend = _wait(place, one, kept[at]) if is_kept else _merge(place, one)
                yield _told(path, number, first, is_kept=is_kept, mend=mend)


def _told(path: str, number: int, first: int, *, is_kept: bool, mend: str) -> Finding:
    be = "is" if number == 1 else "are"
    since = "kept for a while after a merge" if is_kept else "from before a change in nwauth.add"
    return finding(
        "old-clear-text",
        f"{path}: {counted(number, 'line')} with a password in clear text {be} there still, {since}: line {first}"
        + (" is the first" if number > 1 else ""),
        mend=mend,
        file=path,
        line=first,
    )


def _merge(place: Place, one: FlatfileConfig) -> str:
    return f"where {one.path} is written: nwauth merge" if one.read_only else place.nwauth("merge")


def _wait(place: Place, one: FlatfileConfig, journal: Kept) -> str:
    """A merge removes the journal once no other program can still be writing to it."""
    if journal.swapped_at is None:
        return f"no merge knows of it any more: {shlex.join(['rm', journal.path])}"
    left = journal.left_seconds(place.now())
    return (f"another program may be writing to it for {left} s yet; then: " if left else "") + _merge(place, one)


def kept_journals(folder: Folder) -> list[Kept]:
    """The journals that merges have taken in and that are there still, the oldest first."""
    noted = {
        folder.old_journal(old.inode): float(old.swapped_at)
        for old in LockFile(folder.lock, model=folder.txt).read().old_journals
    }
    beside = glob.escape(os.path.dirname(os.path.realpath(folder.add)))
    there = sorted(glob.glob(f"{beside}/nwauth.add.old.*"))
    kept = [Kept(path, noted.get(path)) for path in there if path.rpartition(".")[2].isdigit()]
    return sorted(kept, key=lambda one: one.swapped_at or 0)


def _newest(paths: Sequence[str], *, without: str) -> dict[bytes, At]:
    """The line of the journals that counts for each folded name: a user's, or a deletion."""
    return {
        key_of(row) if deleted is None else deleted: At(at, number)
        for at, path in enumerate(paths)
        if path != without
        for number, row in numbered(path)
        if (deleted := lines.deleted_key(row)) is not None or (row and lines.fits(row))
    }


def _old(path: str, at: int, newest: dict[bytes, At], inspector: Inspector) -> tuple[int, int]:
    """How many lines of a file have a clear password that counts no more, and which is the first."""
    count = first = 0
    if not newest:
        return count, first
    for number, row in _suspects(path):
        counts = newest.get(key_of(row))
        if counts is None or counts <= At(at, number) or not lines.fits(row):
            continue
        field = row.split(b":", 2)[1].decode(ENCODING, ERRORS)
        standing = inspector.look(field, star_is_clear=True)
        if standing.scheme == CLEAR and not standing.no_login:
            count += 1
            first = first or number
    return count, first


def _suspects(path: str) -> Iterator[tuple[int, bytes]]:
    """The lines whose field may be a clear password, with their numbers; the others are passed over in C."""
    before = 1
    for chunk in chunks(path):
        at, number = 0, before
        for match in MAY_BE_CLEAR.finditer(chunk):
            number += chunk.count(b"\n", at, match.start())
            at = match.start()
            if match[1][:1] == b"*" or match[1][1:3].upper() in (b"CL", b"PL"):  # {CLEAR}, {CLEARTEXT}, {PLAIN}
                end = chunk.find(b"\n", at)
                yield number, chunk[at : end if end >= 0 else len(chunk)]
        before += chunk.count(b"\n")
