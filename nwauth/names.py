"""Names of users: how they compare, which may be added, which match a search (spec/protocol.md section 4)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Final

    Covers = Callable[[str], bool]  # whether a folded name is meant

ENCODING = "utf-8"
ERRORS = "surrogateescape"  # any byte comes back as it was: spec/protocol.md section 1
MAX_NAME_BYTES = 254

BAD_CHARACTERS = ':"/\\*?,;<>|%'
PRINTABLE = bytes(range(0x20, 0x7F))  # what ASCII has of it


def fold(name: str) -> str:
    """The key that names are compared by: `lower()` of the NFC form."""
    if name.isascii():
        return name.lower()
    from unicodedata import normalize

    return normalize("NFC", name).lower()


def fold_bytes(name: bytes) -> bytes:
    """`fold` for a name as it stands in a file."""
    if name.isascii():
        return name.lower()
    return fold(name.decode(ENCODING, ERRORS)).encode(ENCODING, ERRORS)


def holds_only(text: str, characters: bytes) -> bool:
    """Whether `text` is all of these ASCII characters; there is no quicker look through a long one."""
    return text.isascii() and not text.encode("ascii").translate(None, characters)


def split_name(name: str) -> tuple[str, str]:
    """The local part and the domain (after the last ``@``; empty when there is none)."""
    localpart, at, domain = name.rpartition("@")
    return (localpart, domain) if at else (domain, "")


def matcher(pattern: str) -> Covers:
    """A test of folded names: a wildcard over the whole name where `pattern` holds ``*`` or ``?``, else a substring."""
    folded = _one_sigma(fold(pattern))
    if "*" not in folded and "?" not in folded:
        return lambda key: folded in _one_sigma(key)
    import re

    first, *between = ["".join("." if c == "?" else re.escape(c) for c in piece) for piece in folded.split("*")]
    if between:
        # Each piece is taken at its first place and never given back (an atomic group): many stars would take for ever.
        middle = "".join(f"(?>.*?{piece})" for piece in between[:-1] if piece)
        first += f"{middle}.*{between[-1]}"
    regex = re.compile(first, re.DOTALL)
    return lambda key: regex.fullmatch(_one_sigma(key)) is not None


def _one_sigma(folded: str) -> str:
    """A sigma that ends a word is folded otherwise than one inside, but a pattern does not say where words end."""
    return folded.replace("ς", "σ")  # noqa: RUF001 - it is a sigma that is meant


def fault_of_halves(name: str) -> str | None:
    """Why an administrator cannot mean a name with an ``@``, in words: half of it lacks; None: he can.

    A script whose variable is not set says so.  The protocol takes such a name, as it always has (spec/protocol.md
    section 4), and who is there is found.
    """
    if name.startswith("@"):
        return "nothing stands before its '@'"
    return "nothing stands behind its '@'" if name.endswith("@") else None


def everybody(_key: str) -> bool:
    """Covers every name."""
    return True


def nobody(_key: str) -> bool:
    """Covers no name."""
    return False


def covering(*patterns: str) -> Covers:
    """A test of folded names where a pattern decides who is asked for, changed or removed.

    ``*`` and ``?`` stand for letters, as in `matcher`; without them a pattern is one whole name, as `fold` has it.
    """
    if not patterns:
        return nobody
    suffixes: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    names: set[str] = set()
    others: list[Covers] = []
    for pattern in patterns:
        wanted = fold(pattern)
        bare = wanted.strip("*")
        if "*" not in wanted and "?" not in wanted:
            names.add(wanted)
        elif not bare:
            return everybody
        elif not bare.isascii() or "*" in bare or "?" in bare or wanted[0] == wanted[-1]:
            others.append(matcher(pattern))
        elif wanted[0] == "*":
            suffixes += (bare,)
        else:
            prefixes += (bare,)
    if not names and not others:  # the usual patterns, at the cost of a C call or two
        return lambda key: key.endswith(suffixes) or key.startswith(prefixes)
    return lambda key: key in names or key.endswith(suffixes) or key.startswith(prefixes) or _any(others, key)


def _any(tests: list[Covers], key: str) -> bool:
    return any(test(key) for test in tests)


class NameRules:
    """Which names may be added; names that are in a store already are never judged.

    `badchar` and `badchar_localpart` replace the list of refused characters in the whole name and before the ``@``.
    """

    def __init__(
        self,
        *,
        badchar: str = BAD_CHARACTERS,
        badchar_localpart: str = "",
        allow_ats: bool = False,
        allow_high_ascii: bool = False,
    ) -> None:
        self._bad: Final = frozenset(badchar)
        self._bad_localpart: Final = frozenset(badchar_localpart)
        self._plain: Final = bytes(set(PRINTABLE) - set(b' :"') - set(badchar.encode(ENCODING, ERRORS))) + b"\n"
        self._allow_ats: Final = allow_ats
        self._allow_high_ascii: Final = allow_high_ascii

    def fault(self, name: str) -> str | None:
        """Why `name` may not be added, in words for a log or a person; None when it may."""
        if not name:
            return "it is empty"
        if len(name.encode(ENCODING, ERRORS)) > MAX_NAME_BYTES:
            return f"it is longer than {MAX_NAME_BYTES} bytes"
        if name[0] in "#-":
            return f"it begins with {name[0]!r}"
        if ".." in name:
            return "it holds '..'"
        if name.count("@") > 1 and not self._allow_ats:
            return "it holds more than one '@' (allow_ats is off)"
        return self._fault_of_characters(name)

    def all_right(self, names: Sequence[str]) -> bool:
        """Whether no name has a fault, nor one of its halves; False says only that it has to be asked about each."""
        import re

        lines = "\n".join(["", *names, ""])
        return (
            all(names)
            and lines.count("\n") == len(names) + 1
            and holds_only(lines, self._plain)
            and not self._bad_localpart
            and not any(odd in lines and f"\n{odd}" in lines for odd in "#-@")  # to look for one character is cheap
            and not any(odd in lines for odd in ("@\n", ".."))
            and max(map(len, names)) <= MAX_NAME_BYTES
            and (self._allow_ats or re.search("@[^\n]*@", lines) is None)
        )

    def _fault_of_characters(self, name: str) -> str | None:
        for character in name:
            # The colon and the quote end a name in the file and on the wire, control bytes and blanks in every
            # protocol: no option can allow them.
            if character <= " " or character == "\x7f" or character in ':"' or character in self._bad:
                return f"it holds {character!r}"
            if character > "\x7f" and not self._allow_high_ascii:
                return "it holds bytes above 126 (allow_high_ascii = true under [names] in nwauth.toml allows them)"
        odd = self._bad_localpart.intersection(split_name(name)[0])
        return f"it holds {min(odd)!r} before the '@'" if odd else None
