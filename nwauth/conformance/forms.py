"""What a reply must be by the protocol's grammar, whatever it says: its lines, and the user whom it tells of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.conformance.answers import DATA, DEAD, NO, YES, first_word
from nwauth.names import ENCODING, ERRORS
from nwauth.stores.process.wire import is_name_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

LONGEST_BYTES = 100  # of a whole -ERR or -DEAD line, which must stay below
LONGEST_NAME_BYTES = 50  # a longer one may be cut with its line
MOST_UID = (1 << 32) - 2  # the next is no account's: (uid_t) -1
SHOWN = 40  # characters of a word that is no uid
GRAMMAR = "+OK <name> <drop-path> <uid>[ <info>]"


def fault_of_lines(lines: Sequence[bytes]) -> str:
    """What no line of an answer may be, whatever it says; empty: nothing."""
    if any(byte < 32 or byte == 127 for line in lines for byte in line.removesuffix(b"\r")):
        return "a control character stands in the answer"
    if first_word(lines[-1]) in (NO, DEAD) and len(lines[-1]) >= LONGEST_BYTES:
        return f"a line of {len(lines[-1])} bytes, wanted fewer than {LONGEST_BYTES}"
    return ""


def fault_of_user(lines: Sequence[bytes], asked: str, *, also: Collection[str] = (), ours: bool) -> str:
    """What is wrong with the answer to a look-up or check of the user `asked`; empty: nothing.

    `also`: other names that the store may have for that user.  `ours` has to say all that the grammar has; an older
    module may leave the uid out where no info follows, and put what it likes behind ``-ERR``.
    """
    if len(lines) > 1:
        return f"{len(lines)} lines where one is wanted: {DATA} belongs to a listing"
    kind, _, text = lines[0].removesuffix(b"\r").decode(ENCODING, ERRORS).partition(" ")
    if kind == YES:
        return _fault_of_yes(text.split(" "), [asked, *also], ours=ours)
    name = text.partition(" ")[0]
    if ours and kind == NO and len(asked.encode(ENCODING, ERRORS)) < LONGEST_NAME_BYTES and name != asked:
        return f"it says no of {name!a}, asked for was {asked!a}"
    return ""


def _fault_of_yes(words: list[str], names: Sequence[str], *, ours: bool) -> str:
    """The same of ``+OK`` and these words."""
    name, *rest = words
    if not name:
        return f"no name stands behind +OK, wanted {GRAMMAR}"
    if not any(is_name_of(one, name) for one in names):
        return f"it tells of another user, {name!a}: asked for was {names[0]!a}"
    if ours and (len(rest) < 2 or not rest[0]):
        return f"drop path and uid are not both there, wanted {GRAMMAR}"
    if ours or ('="' not in "".join(rest[1:2]) and any(rest[1:2])):  # the oldest definition has no uid
        return _fault_of_uid(rest[1])
    return ""


def _fault_of_uid(uid: str) -> str:
    is_number = uid.isascii() and uid.isdigit() and len(uid) <= len(str(MOST_UID))
    if is_number and int(uid) <= MOST_UID:
        return ""
    return f"the uid is {uid[:SHOWN]!a}, wanted a number from 0 to {MOST_UID}"
