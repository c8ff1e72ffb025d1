"""Many changes of one passwd file as one: a rename makes all of them, or none.

A shadow file beside it is another rename. Lines that are added there before that of the passwd file are nobody's until
it, and lines that nobody points to any more go behind it. What cannot be one is a changed password of somebody who has
a line there, together with anything that changes the passwd file: then it is refused.
"""

from __future__ import annotations

from nwauth.errors import NotSupported, Unavailable, Unchanged
from nwauth.stores.passwd import aging
from nwauth.stores.passwd.changing import Changing, add_to_shadow, name_of, remove_from_shadow, without
from nwauth.stores.passwd.writing import Overtaken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from nwauth.model import User
    from nwauth.stores.passwd.writing import Edit

    Named = tuple[str, User | None, User | None]  # the name in the file, and the change


class Together(Changing):
    """Changes of one pair, all of them or none."""

    def change_all(self, changes: Sequence[Named]) -> None:
        """Make them, under the locks.

        Raises:
            NotSupported: no order of the two renames makes them as one.
            Refused: a line cannot hold one of the users.
            Unavailable: somebody is no longer exactly as given.
            Missing, Overtaken: nothing is changed.
        """
        self._pair.users.refresh()
        self._pair.users.must_be_settled()
        self._users_edits: list[Edit] = []
        self._shadow_edits: list[Edit] = []
        self._rows: list[bytes] = []
        self._shadow_rows: list[tuple[str, bytes]] = []
        self._gone: list[str] = []
        for bare, old, new in changes:
            if old is None:
                assert new is not None  # noqa: S101
                self._take_new(bare, new)
            else:
                self._take(bare, old, new)
        self._publish()

    def _take_new(self, bare: str, new: User) -> None:
        if self.is_taken(bare):
            raise _overtaken(new)
        line, in_shadow = self._new_lines(bare, new)
        self._rows.append(line)
        if self._shadow is not None:
            self._shadow_rows.append((bare, in_shadow))

    def _take(self, bare: str, old: User, new: User | None) -> None:
        held = self._pair.find(bare)
        if held is None or held.user != old:
            raise _overtaken(old)
        if new is None:
            name = name_of(held.found)
            self._users_edits += without(self._users.spelled(name))
            self._gone += [name] if held.in_shadow is not None else []
            return
        bare = name_of(held.found)
        to_shadow, password, line = self._planned(held, bare, new)
        self._users_edits += self._edits(held.found, line, bare)
        if to_shadow is None or password is None:
            return
        if held.in_shadow is None:
            self._shadow_rows.append((bare, aging.new_line(name=bare, password=password, today=self._today)))
            return
        offset, row, _ = held.in_shadow
        self._shadow_edits.append(
            (offset, len(row), aging.changed(row, name=bare, password=password, today=self._today))
        )

    def _publish(self) -> None:
        if self._shadow_edits:
            if self._users_edits or self._rows or self._shadow_rows:
                raise NotSupported
            assert self._shadow is not None  # noqa: S101
            self._shadow.publish(sorted(self._shadow_edits))
            return
        if self._shadow is not None and self._shadow_rows:
            add_to_shadow(self._shadow, self._shadow_rows)
        if self._rows:
            self._users.append(self._rows, sorted(self._users_edits))
        elif self._users_edits:
            self._users.publish(sorted(self._users_edits))
        if self._shadow is not None and self._gone:
            try:
                remove_from_shadow(self._shadow, self._gone)
            except (Overtaken, Unavailable):
                pass  # the change is made: what is left there is nobody's, and gives way to the next of that name


def _overtaken(user: User) -> Unavailable:
    return Unchanged(f"{user.name!a} has been changed by others meanwhile: nothing is changed, run it again")
