"""What stands in nwauth.txt and nwauth.add, line by line."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from nwauth.doctor.files import as_owner
from nwauth.doctor.finding import counted, finding
from nwauth.passwords import complete
from nwauth.stores.flatfile import lines
from nwauth.stores.flatfile.folder import Folder
from nwauth.stores.flatfile.notes import LockFile
from nwauth.stores.textfile import files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.config import FlatfileConfig
    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place

MARK = b"\xef\xbb\xbf"  # a byte order mark, which editors of another system put before the first line
REMOVE_MARK = r"s/^\xEF\xBB\xBF//"


class _Seen:
    """Lines of one sort in a file: how many, and which is the first."""

    def __init__(self) -> None:
        self.count = self.first = 0

    def add(self, number: int) -> None:
        self.count += 1
        self.first = self.first or number

    @property
    def told(self) -> str:
        return f"line {self.first}" + (" is the first" if self.count > 1 else "")


def odd_lines(place: Place) -> Iterator[Finding]:
    """Every line is a user's, a comment, or blank, and begins with its first character."""
    for one in place.flat:
        folder = Folder(one.path)
        for path in (folder.txt, folder.add):
            odd, marked = _read(path)
            if odd.count:
                be = "is no user's" if odd.count == 1 else "are no users'"
                see = ["sed", "-n", f"{odd.first}p", path]
                yield finding(
                    "odd-lines",
                    f"{path}: {counted(odd.count, 'line')} {be}: {odd.told}",
                    mend=f"see it with {shlex.join(see)}; make it NAME:FIELD:INFO, or a # comment",
                    file=path,
                    line=odd.first,
                )
            if marked.count:
                yield _marked(path, marked)


def emptied(place: Place, one: FlatfileConfig) -> Iterator[Finding]:
    """A user file that was not empty has not been cut to nothing by another program."""
    folder = Folder(one.path)
    txt = files.identify(folder.txt)
    notes = LockFile(folder.lock, model=folder.txt).read()
    if txt is None or txt.size or not notes.held or notes.is_ours(txt):
        return
    is_meant = place.nwauth("--store", one.name, "merge", "--emptied")
    yield finding(
        "emptied",
        f"{folder.txt} is empty, and another program has made it so",
        mend=f"put it back from a backup; or, if nobody is to be in it: {is_meant}",
        file=folder.txt,
    )


def _marked(path: str, marked: _Seen) -> Finding:
    s = "s" * (marked.count == 1)
    remove = as_owner(os.stat(os.path.dirname(path)).st_uid, ["sed", "-i", REMOVE_MARK, os.path.realpath(path)])
    return finding(
        "byte-order-mark",
        f"{path}: {counted(marked.count, 'line')} begin{s} with a byte order mark, which no editor shows:"
        f" {marked.told}",
        mend=remove if path.endswith(".txt") else f"while no server runs that could add lines: {remove}",
        file=path,
        line=marked.first,
    )


def _read(path: str) -> tuple[_Seen, _Seen]:
    """The lines of a file that do not fit, and those that begin with a byte order mark."""
    odd, marked = _Seen(), _Seen()
    number = 0
    last = b""
    for chunk in chunks(path):
        rows = chunk.removesuffix(b"\n").split(b"\n")
        for number, row in enumerate(rows, number + 1):  # noqa: B020, it goes on from chunk to chunk
            if row.startswith(MARK):
                marked.add(number)
            elif row and row[:1] != b"#" and not lines.fits(row) and row.strip(b" \t\r"):
                odd.add(number)
        last = b"" if chunk.endswith(b"\n") else rows[-1]
    if path.endswith(".add") and last and lines.fits(last) and not lines.is_whole(last, complete):
        odd.add(number)
    return odd, marked


def chunks(path: str) -> Iterator[bytes]:
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


def numbered(path: str) -> Iterator[tuple[int, bytes]]:
    """The same lines one by one, with their numbers, from 1.  Raises OSError."""
    number = 0
    for chunk in chunks(path):
        for number, row in enumerate(chunk.removesuffix(b"\n").split(b"\n"), number + 1):  # noqa: B020, as above
            yield number, row
