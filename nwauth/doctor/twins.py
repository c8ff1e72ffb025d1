"""Two users of one store with one folded name: what comes of it, as the store itself says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.doctor.finding import ERROR, MOST_USERS, counted, examples, finding
from nwauth.doctor.mends import another_name
from nwauth.errors import NwauthError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nwauth.config.part import StoreConfig
    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place
    from nwauth.stores.base import Store

DEAD = "Nobody can tell which of the two is meant: every look-up and login of them is answered -DEAD."
EACH_FOUND = (
    "Each is found by its own spelling alone: where the mail server puts names in lower case, one of them, or both,"
    " cannot be reached."
)


def look_alike(one: str, other: str) -> bool:
    """Whether two spellings of one name differ in more than case: in how an accent is encoded, which no one sees."""
    return one.lower() != other.lower()


def differing(pairs: Iterable[tuple[str, str]]) -> str:
    """In what the spellings of names differ, for a text."""
    return (
        "in case, or in how an accent is encoded, alone"
        if any(look_alike(*pair) for pair in pairs)
        else "in case alone"
    )


class Twins:
    """Pairs of users of one store who have one folded name."""

    def __init__(self) -> None:
        self.number = self.number_same = 0
        self.pairs: list[tuple[str, str]] = []
        self.reason = ""  # why the store cannot tell which one is meant
        self.are_each_found = False

    def add(self, first: str, second: str) -> None:
        """A user, and the one before."""
        self.number += 1
        self.number_same += first == second
        if len(self.pairs) < MOST_USERS:
            self.pairs.append((first, second))

    def judge(self, store: Store) -> None:
        """Ask the store for them."""
        outcomes = []
        for pair in self.pairs:
            try:
                found = [store.lookup(name) for name in pair]
            except Unavailable as error:
                self.reason = self.reason or str(error)
            except NwauthError:
                continue
            else:
                outcomes.append(tuple(None if user is None else user.name for user in found) == pair)
        self.are_each_found = bool(outcomes) and all(outcomes) and not self.reason and not self.number_same

    def finding(self, place: Place, one: StoreConfig, where: str) -> Finding:
        """What is told of them; `where` the store is."""
        names = [second for _, second in self.pairs]
        users = counted(self.number, "user")
        s, be = ("s", "is") if self.number == 1 else ("", "are")
        if self.number_same == self.number:
            what = f"{users} {be} there twice, in the same spelling"
        elif self.number_same:
            what = f"{users} differ{s} from another {differing(self.pairs)}, or in nothing"
        else:
            what = f"{users} differ{s} from another {differing(self.pairs)}"
        told = [f"{last} ({first!a} and {last!a})" if look_alike(first, last) else last for first, last in self.pairs]
        return finding(
            "case-twins",
            f"store {one.name}: {what}: {examples(told, self.number)}"
            + (f"; it says: {self.reason}" if self.reason else ""),
            mend=another_name(place, one, names[0], where),
            users=names,
            severity=ERROR if self.reason else None,
            why=DEAD if self.reason else EACH_FOUND if self.are_each_found else None,
        )
