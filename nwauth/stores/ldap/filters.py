"""Search filters (RFC 4515) with marks for the name: ``(&(objectClass=person)(|(uid={name})(mail={name})))``.

A filter is read once; the name is then put in as the bytes of a value.  It is never text again, so that nothing in it
can be taken for a part of the filter.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final

    from sansldap import FilterApproxMatch, FilterEquality, FilterSubstrings, LDAPFilter

    Values = Mapping[str, bytes]
    Pieces = list[bytes | str]  # bytes as they are, a mark by its name
    Make = Callable[[Values | None], LDAPFilter]  # None: any value will do

MARKS = ("name", "localpart", "domain")
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.;")


class Filter:
    """A filter that was read: braces in it stand for marks, and a line's end, with the blanks round it, for nothing.

    Raises:
        ValueError: it cannot be read; the text says where and why.
    """

    def __init__(self, text: str) -> None:
        import sansldap

        plain = "".join(line.strip() for line in text.splitlines())
        try:
            parsed = sansldap.LDAPFilter.from_string(plain)
        except RecursionError:
            raise ValueError("it is too deep") from None
        self._make: Final = _maker(parsed)

    def of(self, values: Values) -> LDAPFilter:
        """The filter with `values` in the place of its marks."""
        return self._make(values)

    def listing(self) -> LDAPFilter:
        """The filter of everybody whom it can find: each value with a mark may be anything."""
        return self._make(None)


def marks_in(text: str) -> frozenset[str]:
    """The marks that the text of a filter holds."""
    return frozenset(mark for mark in MARKS if f"{{{mark}}}" in text)


def is_attribute(text: str) -> bool:
    """Whether the name of an attribute can look so."""
    return bool(text) and text[0].isalnum() and _NAME_CHARACTERS.issuperset(text)


def _maker(parsed: LDAPFilter) -> Make:
    """What makes a filter of the form that was read, with values in the place of marks."""
    import sansldap

    match parsed:
        case sansldap.FilterAnd() | sansldap.FilterOr():
            kind, inner = type(parsed), [_maker(part) for part in parsed.filters]
            return lambda values: kind([make(values) for make in inner])
        case sansldap.FilterNot():
            if _maker(parsed.filter)(None) != parsed.filter:
                raise ValueError("found a mark behind !, wanted it where it finds somebody")
        case sansldap.FilterSubstrings():
            return _substrings(parsed)
        case sansldap.FilterEquality() | sansldap.FilterApproxMatch():
            return _whole(parsed)
        case _ if "{" in str(parsed):
            raise ValueError(f"found a brace in {parsed}, wanted marks behind = or ~= only")
    return lambda _values: parsed


def _whole(parsed: FilterEquality | FilterApproxMatch) -> Make:
    """``attribute=value``."""
    from sansldap import FilterPresent

    kind, attribute, pieces = type(parsed), parsed.attribute, _pieces(parsed.value)
    if not _has_mark(pieces):
        return lambda _values: parsed
    anybody, nobody = FilterPresent(attribute), _nobody()

    def make(values: Values | None) -> LDAPFilter:
        if values is None:
            return anybody
        return nobody if _lacks(pieces, values) else kind(attribute, _filled(pieces, values))

    return make


def _substrings(parsed: FilterSubstrings) -> Make:
    """``attribute=a*b*c``."""
    from sansldap import FilterPresent, FilterSubstrings

    attribute = parsed.attribute
    initial = None if parsed.initial is None else _pieces(parsed.initial)
    between = [_pieces(value) for value in parsed.any]
    final = None if parsed.final is None else _pieces(parsed.final)
    all_of_them = [pieces for pieces in (initial, *between, final) if pieces is not None]
    if not any(map(_has_mark, all_of_them)):
        return lambda _values: parsed
    anybody, nobody = FilterPresent(attribute), _nobody()

    def make(values: Values | None) -> LDAPFilter:
        if values is None:
            return anybody
        if any(_lacks(pieces, values) for pieces in all_of_them):
            return nobody
        return FilterSubstrings(
            attribute,
            None if initial is None else _filled(initial, values),
            [_filled(pieces, values) for pieces in between],
            None if final is None else _filled(final, values),
        )

    return make


def _nobody() -> LDAPFilter:
    """What no entry is: some servers take no empty value, as the domain of a name that has none."""
    from sansldap import FilterEquality

    return FilterEquality("objectClass", b"nwauth-nobody")


def _pieces(value: bytes) -> Pieces:
    """A value, cut at its marks.  Raises ValueError."""
    found: Pieces = []
    rest = value
    while rest:
        text, brace, rest = rest.partition(b"{")
        if text:
            found.append(text)
        if brace:
            name, end, rest = rest.partition(b"}")
            mark = name.decode("ascii", "replace")
            if not end or mark not in MARKS:
                raise ValueError(f"found {{{mark}, wanted one of {', '.join('{' + one + '}' for one in MARKS)}")
            found.append(mark)
    return found


def _has_mark(pieces: Pieces) -> bool:
    return any(isinstance(piece, str) for piece in pieces)


def _lacks(pieces: Pieces, values: Values) -> bool:
    """Whether the name has nothing for one of the marks."""
    return any(isinstance(piece, str) and not values[piece] for piece in pieces)


def _filled(pieces: Pieces, values: Values) -> bytes:
    return b"".join(piece if isinstance(piece, bytes) else values[piece] for piece in pieces)
