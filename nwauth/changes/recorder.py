"""A step written down: who may be changed before the store is asked, and what became of it afterwards.

What `undo` needs is durable before the store is asked; so is it known after a crash who may have been changed, and the
store itself tells whether it was.  Where it cannot be written, nothing is changed.
"""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING

from nwauth.changes.lines import MAX_TOLD, Journal, rest_of
from nwauth.changes.mending import Doubt, become_of, mend, what_stands
from nwauth.changes.reading import Reading
from nwauth.changes.recording import Recording
from nwauth.changes.step import FORM
from nwauth.changes.steps import Steps
from nwauth.changes.who import who
from nwauth.errors import NwauthError, Unavailable, Unchanged
from nwauth.signals import Patience
from nwauth.stores.changes import users_of
from nwauth.stores.textfile import files

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from typing import Final

    from nwauth.changes.writing import Writing
    from nwauth.model import User
    from nwauth.stores.base import Store
    from nwauth.stores.changes import Block, HeldChange


class Recorder:
    """All that one command changes: one step, which begins with its first change.

    `scheme_of` tells how a user's password is stored; `note` is told what the administrator should know.
    """

    def __init__(
        self,
        folder: Callable[[], str],
        *,
        command: str,
        now: Callable[[], datetime],
        scheme_of: Callable[[User], str],
        note: Callable[[str], None],
    ) -> None:
        self.facts: Final[dict[str, object]] = {}  # what the head says besides: "undoes", "file"
        self.has_changed = False  # whether a store has made any of the changes
        self.without_effect = 0  # the newest step of a killed command, no undo, that turned out to have changed nobody
        self._stores: Final[dict[str, Store]] = {}
        self._folder: Final = folder
        self._command: Final = command
        self._now: Final = now
        self._scheme_of: Final = scheme_of
        self._note: Final = note
        self._step: Writing | None = None
        self._is_open = False  # a group is, of ...
        self._store = ""
        self._is_kept = False  # whatever it changes
        self._patience: Final = Patience()
        self._told = 0
        self._last: list[HeldChange] = []  # of the group in hand, those who get a line

    def around(self, store: Store) -> Recording:
        """The store, every change of which is recorded here."""
        self._stores[store.name] = store
        return Recording(store, self)

    # --- a group of changes -----------------------------------------------------------------------------------------

    def begin(self, store: Store, *, whole: bool = False) -> None:
        """Begin a group of changes of `store`; `whole`: it makes all of them or none.

        Raises:
            Unavailable: it cannot be written down; nothing may be changed.
        """
        self._patience.now()
        if self._step is None:
            self._begin_step()
        assert self._step is not None  # noqa: S101
        self._last, self._is_open, self._store = [], True, store.name
        try:
            self._step.group(store=store.name, place=place_of(store), whole=whole)
        except Unavailable as error:
            raise nothing_changed(error) from error

    def add(self, changes: Block) -> None:
        """Some changes more of the group.  Raises Unavailable."""
        assert self._step is not None  # noqa: S101
        try:
            self._step.add(changes)
        except Unavailable as error:
            raise nothing_changed(error) from error
        room = MAX_TOLD - self._told - len(self._last)
        self._last += islice(changes, max(0, room))

    def restart(self) -> None:
        """Begin the group anew.  Raises Unavailable."""
        assert self._step is not None  # noqa: S101
        self._last = []
        try:
            self._step.restart()
        except Unavailable as error:
            raise nothing_changed(error) from error

    def ready(self) -> None:
        """The group is whole: the store may be asked.  Raises Unavailable: it may not."""
        assert self._step is not None  # noqa: S101
        try:
            self._step.ready()
        except Unavailable as error:
            raise nothing_changed(error) from error

    def settle(self, store: Store) -> None:
        """`Store.settle`, unless the command was interrupted."""
        self._patience.now()
        store.settle()

    def made(self, *, but: Sequence[int] = ()) -> None:
        """The store has made the changes, but those at these places."""
        with self._patience.at_work():
            self._made(but)

    def _made(self, but: Sequence[int]) -> None:
        assert self._step is not None  # noqa: S101
        self._is_open = False
        self.has_changed = True
        left_out = frozenset(but)
        told = [change for at, change in enumerate(self._last) if at not in left_out]
        try:
            self._step.made(but=list(but))
            self._journal.write(
                self._journal.lines(self._head, users_of(told, self._store), store=self._store, first=self._told + 1)
            )
            self._step.told()
            self._told += len(told)
        except Unavailable as error:
            self._note(f"note: the change is made, and not written down yet ({error}): the next command does it")
            self._leave()

    def not_made(self) -> None:
        """The store has changed nothing."""
        assert self._step is not None  # noqa: S101
        self._is_open = False
        try:
            self._step.drop()
        except Unavailable:  # it stands there as one that nobody knows what became of: the next command looks
            self._leave()

    def in_doubt(self) -> None:
        """Nobody can tell whether the store has made the changes: it is asked, now or by the next command."""
        step = self._step
        assert step is not None  # noqa: S101
        reading = Reading(step.duplicate(), step.path)
        try:
            reading.scan()
            but = become_of(reading, self._store_of)
        except (Doubt, NwauthError):
            self._leave()
        else:
            if but is None:
                self.not_made()
            else:
                self.made(but=but)
        finally:
            reading.close()

    def close(self) -> None:
        """The command ends."""
        if self._step is not None and self._is_open:  # interrupted
            self.in_doubt()
        if self._step is None:
            return
        step = self._step
        with self._patience.at_work():  # all is changed: there is nothing left to interrupt
            try:
                self._journal.write(rest_of(self._head, step, told=self._told))
                self._steps.finish(step, keep=self._is_kept or step.numbers.all > 0)
            except Unavailable as error:
                self._note(f"note: {error}: the next command that changes users mends it")
            self._leave()

    def record_empty(self) -> None:
        """Write down a step that changes nobody: its head has something to say.  Raises Unavailable."""
        self._begin_step()
        self._is_kept = True
        self.close()

    # --- the step ---------------------------------------------------------------------------------------------------

    def _begin_step(self) -> None:
        self._steps = Steps(self._folder())
        self._journal = self._journal_of(self._steps)
        self._told = 0
        try:
            self._journal.must_be_writable()
            step = self._steps.begin(self._mend)
            self._head = {
                "nwauth_undo": FORM,
                "step": step.number,
                "time": self._now().isoformat(timespec="seconds"),
                "command": self._command,
                **who(),
                **self.facts,
            }
            self._step = step
            step.head(self._head)
        except Unavailable as error:
            self._forget()
            raise nothing_changed(error) from error

    def mend(self, steps: Steps) -> dict[int, str]:
        """Finish what commands that were killed have left open; why it cannot be done now, by the numbers of the steps.

        Raises:
            Unavailable: the folder of the steps, or the journal, cannot be used at all.
        """
        if not any(step.is_open for step in steps.summaries()):
            return {}
        self._journal = self._journal_of(steps)
        self._journal.must_be_writable()
        try:
            with steps.locked() as at:
                return self._mend(steps, at)
        except OSError as error:
            raise files.trouble("write", steps.path, error) from error

    def _journal_of(self, steps: Steps) -> Journal:
        return Journal(os.path.dirname(steps.path), key=steps.key, scheme_of=self._scheme_of)

    def _mend(self, steps: Steps, at: int) -> dict[int, str]:
        """Finish what commands that were killed have left open, as far as their stores can tell now."""
        why = {}
        for step, reading in steps.left_open(at):
            trouble = mend(steps, step, reading, at=at, store_of=self._store_of, journal=self._journal)
            if trouble:
                why[step.number] = trouble
            elif reading.head:  # else it was killed before it could say what it is, and changed nothing
                self._note(f"note: {what_stands(step, reading.head)}")
                if not step.numbers.all and "undoes" not in reading.head:
                    self.without_effect = step.number
        return why

    def _store_of(self, name: str, place: str) -> Store | None:
        store = self._stores.get(name)
        return store if store is not None and place_of(store) == place else None

    def _forget(self) -> None:
        """The step has changed nothing, and cannot be written."""
        if self._step is not None:
            step = self._step
            try:
                self._steps.finish(step, keep=False)
            except Unavailable:
                pass
            self._leave()

    def _leave(self) -> None:
        """Whatever is left open is finished by the next command; another change of this one begins a new step."""
        if self._step is not None:
            self._step.close()
            self._step, self._is_open, self._is_kept = None, False, False


def place_of(store: Store) -> str:
    """Where a store's users are, wherever the command is typed."""
    path, comma, rest = store.place().partition(",")
    return (os.path.abspath(path) if os.path.exists(path) else path) + comma + rest


def nothing_changed(error: Unavailable) -> Unchanged:
    """What to raise where a change cannot be written down."""
    return Unchanged(f"nothing is changed unless it is written down first: {error}")
