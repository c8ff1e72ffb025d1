"""How an answer differs from the one that a transcript has: the fault in one line, the worst first."""

from __future__ import annotations

OK, NO, DEAD, DATA = b"+OK", b"-ERR", b"-DEAD", b"+DATA"
LONGEST_BYTES = 100  # of a whole -ERR or -DEAD line, which must stay below
WRONG_WORD = {
    (b"lookup", OK, NO): "a user who is there is denied: a server would bounce the mail",
    (b"lookup", NO, OK): "a user who is not there is said to be",
    (b"check", OK, NO): "the right password is refused",
    (b"check", NO, OK): "a login is let in that is to be refused",
    (b"set", OK, NO): "what can be stored is refused",
    (b"set", NO, OK): "what must be refused is stored",
    (b"del", NO, OK): "a user who is not there is said to be deleted",
}
WRONG_OUTCOME = {
    (NO, OK): "a request that must be refused is granted",
    (OK, NO): "a request that can be granted is refused",
    (DEAD, NO): "what cannot be told is answered as a no: a server would bounce the mail",
    (DEAD, OK): "what cannot be told is answered as a yes",
}


def told(request: bytes, wanted: bytes, given: bytes) -> str:
    """What is wrong with `given`, whose last line is a final one; both have all their lines, with ends."""
    ours, theirs = wanted.split(b"\n")[:-1], given.split(b"\n")[:-1]
    if given.replace(b"\r\n", b"\n") == wanted:
        return "lines end in CR LF, wanted LF alone"
    command = _first(request.strip()).lower()
    if _first(ours[-1]) != _first(theirs[-1]):
        return _outcome(command, _first(ours[-1]), _first(theirs[-1]))
    return _form(theirs) or _content(command, ours, theirs)


def _form(given: list[bytes]) -> str:
    """What no line of an answer may be, whatever it says; empty: nothing."""
    if any(byte < 32 or byte == 127 for line in given for byte in line.removesuffix(b"\r")):
        return "a control character stands in the answer"
    if _first(given[-1]) in (NO, DEAD) and len(given[-1]) >= LONGEST_BYTES:
        return f"a line of {len(given[-1])} bytes, wanted fewer than {LONGEST_BYTES}"
    return ""


def _content(command: bytes, ours: list[bytes], theirs: list[bytes]) -> str:
    """What is said otherwise in an answer of the right outcome."""
    if ours[:-1] != theirs[:-1]:
        return _listing(ours[:-1], theirs[:-1])
    if command in (b"lookup", b"check") and _first(ours[-1]) == OK:
        return _user(ours[-1], theirs[-1])
    return "the text is another"


def _outcome(command: bytes, wanted: bytes, given: bytes) -> str:
    if given == DEAD:
        return "it cannot tell what it has to know"
    words = f"{given.decode()} where {wanted.decode()} is wanted"
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


def _first(line: bytes) -> bytes:
    return line.removesuffix(b"\r").replace(b"\t", b" ").partition(b" ")[0]
