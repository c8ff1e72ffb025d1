"""The file of one step: what a command is about to change, then what became of it; `undo` restores it from there.

It is NDJSON.  The head says who, when, and which command.  Then, for each group of changes that is made at once:
``{"group": {"store", "place", "whole"}}``; the changes, some on a line, an array of ``[old, new]`` as stores hold users
(None: not there), or, where all of them are new, an array of one text, a line for each, with tabs between what is held;
``{"ready": count}``, durable before the store is asked; afterwards ``{"made": true}``, or with
``"but"`` the places of those that were not; and ``{"told": true}`` when the journal has them.  At last ``{"end": ...}``
with the numbers.  A last line that is torn was never written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.stores.changes import NewUsers

if TYPE_CHECKING:
    from nwauth.stores.changes import Block

KINDS = ("created", "changed", "removed")
FORM = 1  # what `nwauth_undo` says in the head; a step of another form is another program's to read
HELD = 6  # so many parts has what a store holds of a user


class Numbers:
    """How many users were created, changed and removed."""

    def __init__(self) -> None:
        self.created = self.changed = self.removed = 0

    def count(self, changes: Block) -> None:
        """Some more."""
        if isinstance(changes, NewUsers):
            self.created += len(changes)
            return
        created = [old for old, _ in changes].count(None)
        removed = [new for _, new in changes].count(None)
        self.created += created
        self.removed += removed
        self.changed += len(changes) - created - removed

    @property
    def all(self) -> int:
        """Of whatever kind."""
        return self.created + self.changed + self.removed

    def add(self, others: Numbers) -> None:
        """Those of others, too."""
        for kind in KINDS:
            setattr(self, kind, getattr(self, kind) + getattr(others, kind))

    def record(self) -> dict[str, int]:
        """By their names."""
        return {kind: getattr(self, kind) for kind in KINDS}
