"""Many records printed, with progress where nobody sees them pass."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Final

    from nwauth.commands.output import Row
    from nwauth.commands.session import Session


def print_many(
    session: Session, columns: Sequence[str], records: Iterable[Row], text: Callable[[Row], str], *, total: int
) -> None:
    """Print records, of each of which people get `text`; `total` says about how many there are."""
    if os.isatty(1):
        session.results.records(columns, records, text)
        return
    passing = _Passing(records)
    with session.progress("printing", lambda: passing.count, lambda: total):
        session.results.records(columns, passing, text)


class _Passing:
    """Records that are counted as they go by."""

    def __init__(self, records: Iterable[Row]) -> None:
        self._records: Final = records
        self.count = 0

    def __iter__(self) -> Iterator[Row]:
        for record in self._records:
            self.count += 1
            yield record
