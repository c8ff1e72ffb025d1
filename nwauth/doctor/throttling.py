"""The throttle's database, which children share and anybody with their rights can write."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from nwauth.doctor.apart import told_apart
from nwauth.doctor.finding import finding
from nwauth.policy.throttle.settings import FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place

WAIT_SECONDS = 30.0  # a look at the database takes some ten seconds at most


def throttle(place: Place) -> Iterator[Finding]:
    """It is whole, and has the tables that nwauth has made, and nothing else."""
    path = os.path.join(place.folder, FILE)
    if not os.path.lexists(path):
        return
    from nwauth.policy.throttle.looking import fault  # SQLite may lack
    from nwauth.policy.throttle.making import DAMAGED

    # Who can write the folder may lay a FIFO there after we have looked, and SQLite would wait for it for ever.
    wrong = told_apart(lambda: fault(path), wait_seconds=WAIT_SECONDS)
    if wrong:
        yield finding(
            "damaged-throttle",
            f"{path}: {wrong}",
            mend=f"{shlex.join(['mv', path, path + DAMAGED])} (it is made anew, and counting begins anew)",
            file=path,
        )
