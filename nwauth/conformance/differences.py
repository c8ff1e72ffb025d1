"""How an answer differs from the one that a transcript has: the fault in one line, the worst first."""

from __future__ import annotations

from nwauth.conformance.answers import DEAD, NO, YES, first_word
from nwauth.conformance.forms import fault_of_lines

WRONG_WORD = {
    ("lookup", YES, NO): "a user who is there is denied: a server would bounce the mail",
    ("lookup", NO, YES): "a user who is not there is said to be",
    ("check", YES, NO): "the right password is refused",
    ("check", NO, YES): "a login is let in that is to be refused",
    ("set", YES, NO): "what can be stored is refused",
    ("set", NO, YES): "what must be refused is stored",
    ("del", NO, YES): "a user who is not there is said to be deleted",
}
WRONG_OUTCOME = {
    (NO, YES): "a request that must be refused is granted",
    (YES, NO): "a request that can be granted is refused",
    (DEAD, NO): "what cannot be told is answered as a no: a server would bounce the mail",
    (DEAD, YES): "what cannot be told is answered as a yes",
}


def told(request: bytes, wanted: bytes, given: bytes) -> str:
    """What is wrong with `given`, whose last line is a final one; both have all their lines, with ends."""
    ours, theirs = wanted.split(b"\n")[:-1], given.split(b"\n")[:-1]
    if given.replace(b"\r\n", b"\n") == wanted:
        return "lines end in CR LF, wanted LF alone"
    command = first_word(request.strip()).lower()
    if first_word(ours[-1]) != first_word(theirs[-1]):
        return _outcome(command, first_word(ours[-1]), first_word(theirs[-1]))
    return fault_of_lines(theirs) or _content(command, ours, theirs)


def _content(command: str, ours: list[bytes], theirs: list[bytes]) -> str:
    """What is said otherwise in an answer of the right outcome."""
    if ours[:-1] != theirs[:-1]:
        return _listing(ours[:-1], theirs[:-1])
    if command in ("lookup", "check") and first_word(ours[-1]) == YES:
        return _user(ours[-1], theirs[-1])
    return "the text is another"


def _outcome(command: str, wanted: str, given: str) -> str:
    if given == DEAD:
        return "it cannot tell what it has to know"
    words = f"{given} where {wanted} is wanted"
    return f"{words}: {WRONG_WORD.get((command, wanted, given)) or WRONG_OUTCOME[wanted, given]}"


def _listing(wanted: list[bytes], given: list[bytes]) -> str:
    if sorted(wanted) == sorted(given):
        return "the hits come in another order"
    names = [{line.split(b" ")[1].lower() for line in lines if b" " in line} for lines in (wanted, given)]
    lacking, odd = len(names[0] - names[1]), len(names[1] - names[0])
    if not lacking and not odd:
        return "a hit has another text"
    return f"{lacking} hits are not listed" if lacking else f"{odd} are listed that are no hits"


def _user(wanted: bytes, given: bytes) -> str:
    """What is said otherwise of a user: name, drop path, uid or info."""
    said = zip(wanted.split(b" ")[1:4], given.split(b" ")[1:4], strict=False)  # some may lack
    for what, (ours, theirs) in zip(("name", "drop path", "uid"), said, strict=False):
        if ours != theirs:
            return f"the {what} is another"
    return "the info is another" if len(given.split(b" ")) > 3 else "drop path and uid are not all there"
