"""Passwords in clear text that count no more, and stand in the files still: whoever sees those has them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nwauth.doctor.finding import counted, finding
from nwauth.doctor.flatfiles import chunks
from nwauth.names import ENCODING, ERRORS
from nwauth.passwords.inspecting import Inspector
from nwauth.stores.flatfile import lines
from nwauth.stores.flatfile.folder import Folder
from nwauth.stores.textfile.lines import key_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place

CLEAR = "clear"
MAY_BE_CLEAR = re.compile(rb"^[^:\n#][^:\n]*:([*{][^:\n]*):", re.MULTILINE)  # and the field


def superseded(place: Place) -> Iterator[Finding]:
    """No password in clear text stands in the files behind whose back a newer line counts."""
    if place.config is None:
        return
    inspector = Inspector(place.config.passwords, native=False)
    for one in place.flat:
        folder = Folder(one.path)
        newest = _newest(folder.add)
        for path in (folder.txt, folder.add):
            number, first = _old(path, newest, inspector, of_journal=path == folder.add)
            if number:
                yield finding(
                    "old-clear-text",
                    f"{path}: {counted(number, 'line')} with a password in clear text"
                    f" {'is' if number == 1 else 'are'} there still, from before a change in nwauth.add: line {first}"
                    + (" is the first" if number > 1 else ""),
                    mend=f"where {folder.path} is written: nwauth merge" if one.read_only else place.nwauth("merge"),
                    file=path,
                    line=first,
                )


def _newest(path: str) -> dict[bytes, int]:
    """The line of the journal that counts for each folded name: a user's, or a deletion."""
    return {
        key_of(row) if deleted is None else deleted: number
        for number, row in _numbered(path)
        if (deleted := lines.deleted_key(row)) is not None or (row and lines.fits(row))
    }


def _old(path: str, newest: dict[bytes, int], inspector: Inspector, *, of_journal: bool) -> tuple[int, int]:
    """How many lines of a file have a clear password that counts no more, and which is the first."""
    count = first = 0
    if not newest:
        return count, first
    for number, row in _suspects(path):
        at = newest.get(key_of(row))
        if at is None or (of_journal and at <= number) or not lines.fits(row):
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


def _numbered(path: str) -> Iterator[tuple[int, bytes]]:
    number = 0
    for chunk in chunks(path):
        for number, row in enumerate(chunk.removesuffix(b"\n").split(b"\n"), number + 1):  # noqa: B020
            yield number, row
