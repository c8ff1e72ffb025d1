"""Hashes of a plan that are not whole, as where a column was too short for them: their users cannot log in.

They are no error: what `export` has written of such a user, `apply` takes.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from nwauth.passwords.families import NO_LOGIN_REASONS
from nwauth.passwords.inspecting import Inspector
from nwauth.passwords.values import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Final

MOST = 5  # users that are told of one plan
TAGS = ("$", "{")
BEGINNING = itemgetter(slice(0, 4))


class DamagedHashes:
    """The first users of a plan whose hash is damaged.

    Of those that begin alike and are of one length one is looked at, and the others if that one is not whole: so a
    million take a tenth of a second.  What begins with no tag has another form, or none, when something of it lacks.
    """

    def __init__(self, *, star_is_clear: bool) -> None:
        self._inspector: Final = Inspector(Settings())
        self._star_is_clear: Final = star_is_clear
        self._is_doubtful: Final[dict[tuple[int, str], bool]] = {}
        self._found: Final[dict[str, int]] = {}  # line by name

    def look_at(self, names: Sequence[str], fields: Sequence[str], lines: Sequence[int]) -> None:
        """Keep whose field is damaged."""
        together = "".join(fields)
        if not any(beginning in together for beginning in TAGS):
            return
        kinds = {kind for kind in zip(map(len, fields), map(BEGINNING, fields), strict=True) if kind[1][:1] in TAGS}
        for kind in kinds - self._is_doubtful.keys():
            self._is_doubtful[kind] = self._is_damaged(next(field for field in fields if _kind(field) == kind))
        if not any(map(self._is_doubtful.__getitem__, kinds)):
            return
        for name, field, line in zip(names, fields, lines, strict=True):
            if len(self._found) > MOST:
                return
            if self._is_doubtful.get(_kind(field)) and self._is_damaged(field):
                self._found[name] = line

    def _is_damaged(self, field: str) -> bool:
        standing = self._inspector.look(field, star_is_clear=self._star_is_clear)
        return standing.no_login and standing.scheme not in NO_LOGIN_REASONS

    def told(self) -> Iterator[str]:
        """A sentence, if there are any."""
        if self._found:
            some = [f"{name} (line {line})" if line else name for name, line in self._found.items()]
            more = " ..." if len(some) > MOST else ""
            yield f"damaged hashes, cut off or so, which let nobody in: {', '.join(some[:MOST])}{more}"


def _kind(field: str) -> tuple[int, str]:
    return len(field), field[:4]
