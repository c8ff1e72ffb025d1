"""The steps of a folder as a history: which stand, which were taken back, and which is the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.changes.reading import damaged
from nwauth.errors import Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Final

    from nwauth.changes.steps import Summary

DONE, UNDONE, UNFINISHED, DAMAGED = "done", "undone", "unfinished", "damaged"


class History:
    """The steps, by their numbers, and the state of each; `why` one is not finished, where that is known."""

    def __init__(self, steps: Iterable[Summary], why: Mapping[int, str] | None = None) -> None:
        self.steps: Final = {step.number: step for step in steps}
        self._why: Final = why or {}
        self._undone: Final[set[int]] = set()
        for step in self.steps.values():
            self._note(step)

    def _note(self, step: Summary) -> None:
        """A step that takes another back; if that took one back itself, the first stands again."""
        undoes, takes = None if _is_half(step) else undoes_of(step), True
        while undoes is not None:
            (self._undone.add if takes else self._undone.discard)(undoes)
            found = self.steps.get(undoes)
            undoes, takes = None if found is None else undoes_of(found), not takes

    def state(self, step: Summary) -> str:
        """``done``, ``undone``, ``damaged``, or ``unfinished``: its command is at work, or was killed."""
        if step.is_open:
            return UNFINISHED
        if step.is_damaged:
            return DAMAGED
        return UNDONE if step.number in self._undone else DONE

    def step(self, number: int) -> Summary:
        """The step of that number.  Raises Refused: there is none."""
        if number not in self.steps:
            raise Refused(f"there is no step {number}: nwauth undo --list shows those that there are")
        return self.steps[number]

    def unfinished(self, step: Summary) -> Unavailable:
        """What to raise where a step is not finished: whether it stands cannot be told."""
        called = f"step {step.number} ({step.head['command']})"
        if step.number in self._why:
            return Unavailable(
                f"{called} was broken off, and cannot be finished now: {self._why[step.number]}; nothing is taken back:"
                f" mend that and run it again, or give the number of another step"
            )
        return Unavailable(
            f"{called} is at work, or was killed and its file cannot be read: wait for it, or give the number of"
            f" another step"
        )

    def last(self) -> Summary:
        """The last one that stands and takes no other back.

        Raises:
            Refused: there is none.
            Unavailable: one that is not finished or damaged comes before it: whether it stands cannot be told.
        """
        for step in reversed(self.steps.values()):
            state = self.state(step)
            if state == UNFINISHED:
                raise self.unfinished(step)
            if state == DAMAGED:
                raise damaged(step.path, "nwauth undo NUMBER takes back another step; to forget this one, move it away")
            if state == DONE and undoes_of(step) is None:
                return step
        raise Refused("there is nothing to take back: nwauth undo --list shows what there was")


def _is_half(step: Summary) -> bool:
    """Whether it was stopped before all that it was to change: the step that it takes back stands, and goes on."""
    wanted = step.head.get("wanted")
    return step.end is not None and isinstance(wanted, int) and sum(step.end.values()) < wanted


def undoes_of(step: Summary) -> int | None:
    """The number of the step that this one takes back."""
    number = step.head.get("undoes")
    return number if isinstance(number, int) and number < step.number else None  # an older one: no rings
