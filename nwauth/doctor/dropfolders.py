"""What lies in the drop folders: names alone, with the rights of whoever starts the command."""

from __future__ import annotations

import os
from errno import ENOENT, ENOTDIR
from typing import TYPE_CHECKING, NamedTuple

from nwauth.dmail.drops import is_windows_path
from nwauth.names import ENCODING, ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nwauth.dmail.values import DmailConf

END = b"\0"
BLOCK_BYTES = 1 << 16
NOT_THERE = tuple(map(os.strerror, (ENOENT, ENOTDIR)))
CUT_SHORT = "its listing was cut short"


class Found(NamedTuple):
    """What lies in a drop folder: a file, or, with an `error`, what could not be looked into."""

    folder: str
    path: str
    error: str = ""

    @property
    def is_missing(self) -> bool:
        """Whether it is a drop folder that is not there."""
        return self.error in NOT_THERE and self.path == self.folder


def folders(conf: DmailConf | None) -> list[str]:
    """The folders of drop files that can be on this machine."""
    if conf is None:
        return []
    paths = [domain.drop_path.rstrip("/") for domain in conf.domains if domain.drop_path]
    return [path for path in dict.fromkeys(paths) if not is_windows_path(path)]


def walk(folder: str, levels: int) -> Iterator[Found]:
    """The files of a drop folder, below a folder for each of so many letters; no link is followed."""
    yield from _walk(folder, _encoded(folder), levels)


def _walk(folder: str, at: bytes, levels: int) -> Iterator[Found]:
    try:
        with os.scandir(at) as entries:
            for entry in entries:
                if levels and entry.is_dir(follow_symlinks=False):
                    if len(entry.name.decode(ENCODING, ERRORS)) == 1:
                        yield from _walk(folder, entry.path, levels - 1)
                elif not levels and entry.is_file(follow_symlinks=False):
                    yield Found(folder, entry.path.decode(ENCODING, ERRORS))
    except OSError as error:
        yield Found(folder, at.decode(ENCODING, ERRORS), error.strerror or "it cannot be read")


def _encoded(path: str) -> bytes:
    return path.encode(ENCODING, ERRORS)


def lister(conf: DmailConf | None) -> Callable[[], Iterator[Found]]:
    """What lists the drop folders later, with the rights of now.

    Root's are given up soon, and such folders are often closed to all others: a process apart keeps them, walks through
    for as long as somebody listens, and tells names alone.
    """
    places = folders(conf)
    levels = conf.hash_spool if conf is not None else 0
    if os.geteuid() != 0 or not places:
        return lambda: (found for folder in places for found in walk(folder, levels))
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        _tell(writing, places, levels)
    os.close(writing)
    return lambda: _heard(reading, places)


def _tell(fd: int, places: list[str], levels: int) -> None:
    """In a process apart: write down what is found, until nobody listens any more."""
    try:
        with open(fd, "wb", BLOCK_BYTES) as out:
            for folder in places:
                out.writelines(b"".join(_encoded(word) + END for word in found) for found in walk(folder, levels))
            out.write(END)  # all has been told
    finally:
        os._exit(0)


def _heard(fd: int, places: list[str]) -> Iterator[Found]:
    rest = b""
    with open(fd, "rb", 0) as source:
        while block := source.read(BLOCK_BYTES):
            *words, rest = (rest + block).split(END)
            whole = len(words) - len(words) % 3
            for at in range(0, whole, 3):
                folder, path, error = (word.decode(ENCODING, ERRORS) for word in words[at : at + 3])
                yield Found(folder, path, error)
            rest = END.join([*words[whole:], rest])
    if rest != END:  # it was ended
        yield from (Found(folder, folder, CUT_SHORT) for folder in places)
