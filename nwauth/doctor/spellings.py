"""Users of flat files who share a name: in two spellings, or in one on several lines."""

from __future__ import annotations

import os
import shlex
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from nwauth.doctor.finding import MOST_USERS, counted, examples, finding
from nwauth.doctor.flatfiles import chunks
from nwauth.doctor.twins import differing, look_alike
from nwauth.names import ENCODING, ERRORS
from nwauth.stores.flatfile import lines
from nwauth.stores.flatfile.folder import Folder
from nwauth.stores.textfile.lines import key_of
from nwauth.stores.textfile.ordered import lines_of
from nwauth.stores.textfile.userfile import UserFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.config import FlatfileConfig
    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place

MOST_LINES = 4  # of one user that are told


def twins(place: Place) -> Iterator[Finding]:
    """No two users differ only in case, and no one has two lines."""
    for one in place.flat:
        folder = Folder(one.path)
        others, doubles = _Names(), _Names()
        pairs: list[tuple[str, str]] = []
        for lost, wins in _spellings(folder):
            if lost != wins:
                others.add(lost, _told(lost, wins))
                if others.number <= MOST_USERS:
                    pairs.append((lost, wins))
            elif lost != doubles.last:  # a third line is no other user
                doubles.add(lost, lost)
        if others.number:
            yield finding(
                "case-twins",
                f"{folder.txt}: {counted(others.number, 'user')} differ{'s' * (others.number == 1)} from another"
                f" {differing(pairs)}: {examples(others.told, others.number)}",
                mend=f"see both with {_grep(pairs[0], folder)}; take one line out, or give it another name",
                file=folder.txt,
                users=others.names,
            )
        if doubles.number:
            yield from _doubled(place, one, folder, doubles)


def _told(lost: str, wins: str) -> str:
    if look_alike(lost, wins):
        return f"{lost} ({lost!a}; {wins!a} is found instead)"
    return f"{lost} ({wins} is found instead)"


class _Names:
    """How many there are, and the first few: each by its name, and as it is told."""

    def __init__(self) -> None:
        self.number = 0
        self.last = ""
        self.names: list[str] = []
        self.told: list[str] = []

    def add(self, name: str, told: str) -> None:
        self.number += 1
        self.last = name
        if self.number <= MOST_USERS:
            self.names.append(name)
            self.told.append(told)


def _doubled(place: Place, one: FlatfileConfig, folder: Folder, doubles: _Names) -> Iterator[Finding]:
    numbers = {name: found for name, found in _line_numbers(folder.txt, doubles.names).items() if found}
    if not numbers:  # the file has been put in order meanwhile
        return
    told = [f"{name} (lines {', '.join(map(str, found))})" for name, found in numbers.items()]
    name, first = next(iter(numbers.items()))
    show = shlex.join(["sed", "-n", "".join(f"{number}p;" for number in first[-MOST_LINES:]), folder.txt])
    keep = f"take out all but one of them in {folder.txt}" if one.read_only else place.nwauth("merge")
    last = "" if one.read_only else "; or take the last out before, where an earlier one is right"
    yield finding(
        "same-name-twice",
        f"{folder.txt}: {counted(doubles.number, 'user')} stand{'s' * (doubles.number == 1)} on more than one line:"
        f" {examples(told, doubles.number)}; the last one counts",
        mend=f"{keep}{last}: {show} shows those of {name}",
        file=folder.txt,
        line=first[0],
        users=doubles.names,
    )


def _line_numbers(path: str, names: list[str]) -> dict[str, list[int]]:
    """The lines of these users in a file; of each the first few and the last."""
    found: dict[str, list[int]] = {name: [] for name in names}
    starts = {name.encode(ENCODING, ERRORS): found[name] for name in names}
    number = 0
    for chunk in chunks(path):
        for number, row in enumerate(chunk.removesuffix(b"\n").split(b"\n"), number + 1):  # noqa: B020
            lines_of_user = starts.get(row.partition(b":")[0])
            if lines_of_user is not None and lines.fits(row):
                del lines_of_user[MOST_LINES - 1 :]
                lines_of_user.append(number)
    return found


def _grep(pair: tuple[str, str], folder: Folder) -> str:
    """What shows the lines of two spellings of a name; one pattern finds every case, and no other code of an accent."""
    names = pair if look_alike(*pair) else pair[:1]
    patterns = ["^" + "".join(f"\\{c}" if c in r"\.[*^$" else c for c in name) + ":" for name in names]
    words = [word for pattern in patterns for word in ("-e", pattern)] if len(patterns) > 1 else patterns
    there = [path for path in (folder.txt, folder.add) if os.path.exists(path)]
    return shlex.join(["grep", "-in", *words, *there])


def _spellings(folder: Folder) -> Iterator[tuple[str, str]]:
    """Each name that gives way to another spelling of it, and that one; or to the same on a later line."""
    newer = _last_names(folder.add)
    last_key = last_name = b""
    for row in _sorted_lines(folder):
        key, name = key_of(row), row.partition(b":")[0]
        if key == last_key:
            yield _text(last_name), _text(name)
        elif key != last_key and newer.get(last_key, last_name) != last_name:
            yield _text(last_name), _text(newer[last_key])
        last_key, last_name = key, name
    if newer.get(last_key, last_name) != last_name:
        yield _text(last_name), _text(newer[last_key])


def _last_names(path: str) -> dict[bytes, bytes]:
    """The spelling of each name that the journal has, by folded name."""
    found: dict[bytes, bytes] = {}
    for chunk in chunks(path):
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
