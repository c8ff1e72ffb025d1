"""What stands in passwd files, and their shadow files, that is no user's."""

from __future__ import annotations

import glob
import shlex
from typing import TYPE_CHECKING

from nwauth.config.kinds.passwd import DOMAIN, PasswdConfig
from nwauth.doctor.finding import counted, finding
from nwauth.doctor.flatfiles import numbered
from nwauth.stores.passwd.lines import fits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place

NOBODYS = (b"#", b"+")  # comments, and lines for NIS


def odd_lines(place: Place) -> Iterator[Finding]:
    """Every line is a user's, a comment, for NIS, or blank."""
    for one in place.config.stores if place.config is not None else ():
        if not isinstance(one, PasswdConfig):
            continue
        for path in (path for template in (one.files, one.shadow) if template for path in _files(template)):
            count, first = _odd(path)
            if count:
                be = "is no user's" if count == 1 else "are no users'"
                rest = " is the first" if count > 1 else ""
                yield finding(
                    "odd-passwd-lines",
                    f"{path}: {counted(count, 'line')} {be}: line {first}{rest}",
                    mend=f"see it with {shlex.join(['sed', '-n', f'{first}p', path])}; make it"
                    " NAME:PASSWORD:UID:GID:GECOS:HOME:SHELL, or a # comment",
                    file=path,
                    line=first,
                )


def _files(template: str) -> list[str]:
    return sorted(glob.glob("*".join(map(glob.escape, template.split(DOMAIN)))))


def _odd(path: str) -> tuple[int, int]:
    """How many lines of a file are odd, and which is the first."""
    count = first = 0
    for number, row in numbered(path):
        if row.strip(b" \t\r") and not row.startswith(NOBODYS) and not fits(row):
            count += 1
            first = first or number
    return count, first
