"""From where: hosts as an account's mask or a rule names them (spec/policy.md section 3).

An entry is an address, a network (``10.0.0.0/8``, ``10.0.0.0/255.0.0.0``), an inclusive range
(``192.168.7.10-192.168.7.40``), an IPv4 wildcard (``10.1.*``), ``any`` (or ``*``), or ``unknown``: no address was
given.  Addresses are compared as numbers: IPv4-mapped IPv6 is unwrapped, zone ids are dropped; no name is resolved.
"""

from __future__ import annotations

from functools import lru_cache

from nwauth.model import Record
from nwauth.policy.words import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Network, IPv6Network
    from typing import Final

    Address = tuple[int, int]  # the version, and the address as a number
    Span = tuple[int, int, int]  # the version, the first and the last address

ANYWHERE = frozenset(("*", "any"))
UNKNOWN = "unknown"
WANTED = "an address, a network (10.0.0.0/8), a range (10.0.0.1-10.0.0.9), a wildcard (10.1.*), any or unknown"
_MAPPED = 0xFFFF << 32  # ::ffff:0:0
_MOST_SHOWN = 80  # characters: a range of IPv6 addresses


class BadHost(ValueError):
    """An entry that names no hosts; the text says what was found and what is wanted."""


class Hosts(Record):
    """The hosts that some entries name: read once, asked often.  `unknown`: a client of unknown address is one."""

    __slots__ = ("anywhere", "spans", "unknown")

    def __init__(self, *, anywhere: bool = False, unknown: bool = False, spans: tuple[Span, ...] = ()) -> None:
        self.anywhere: Final = anywhere
        self.unknown: Final = unknown
        self.spans: Final = spans

    def hold(self, address: Address | None) -> bool:
        """Whether a client of this address is among them; None: its address is unknown."""
        if self.anywhere:
            return True
        if address is None:
            return self.unknown
        version, number = address
        return any(of == version and first <= number <= last for of, first, last in self.spans)


def refusal(mask: str, address: str | None, *, field: str = "ip_mask") -> str | None:
    """Why a login from `address` is outside the mask of an account, in words for the log; None: it is not.

    `address` is text; None, or text that is no address: it is unknown.  A mask that cannot be read keeps everybody out,
    an empty one nobody.  `field` is what a mask is called.
    """
    if not mask.strip():
        return None
    try:
        hosts = read_mask(mask)
    except BadHost as error:
        return f"{field} cannot be read: {error}"
    client = None if address is None else read_address(address)
    if hosts.hold(client):
        return None
    return f"{'the unknown address' if client is None else address} is not within {_shown(' '.join(_words(mask)))}"


def read_mask(mask: str) -> Hosts:
    """The hosts that an account's mask names.

    Raises:
        BadHost: as `read_hosts`.
    """
    return read_hosts(_words(mask))


def read_hosts(entries: Iterable[str]) -> Hosts:
    """The hosts that `entries` name.

    Raises:
        BadHost: one of them names none, or there is no entry.
    """
    words = [entry.strip().lower() for entry in entries]
    if not words:
        raise BadHost(f"found no entry, wanted {WANTED}")
    return Hosts(
        anywhere=not ANYWHERE.isdisjoint(words),
        unknown=UNKNOWN in words,
        spans=tuple(_span(word) for word in words if word not in ANYWHERE and word != UNKNOWN),
    )


@lru_cache(maxsize=4096)  # clients come again
def read_address(text: str) -> Address | None:
    """A client's address as it is compared; None where `text` is none."""
    from ipaddress import ip_address

    try:
        address = ip_address(_without_zone(text))
    except ValueError:
        return None
    version, number, _ = _unwrapped(address.version, int(address), int(address))
    return version, number


def _words(mask: str) -> list[str]:
    """The entries of a mask: commas or blanks divide them, and a range may have blanks around its hyphen."""
    plain = " ".join(mask.replace(",", " ").split())
    return plain.replace(" -", "-").replace("- ", "-").split()


@lru_cache(maxsize=4096)  # many rules name one list
def _span(word: str) -> Span:
    """The addresses that one entry names; a mapped network or range is an IPv4 one.  Raises BadHost."""
    try:
        if _is_range(word):
            return _range(word)
        network = _wildcard(word) if "*" in word else _network(word)
    except BadHost:
        raise
    except ValueError:
        raise BadHost(f"found {_shown(word)}, wanted {WANTED}") from None
    return _unwrapped(network.version, int(network[0]), int(network[-1]))


def _is_range(word: str) -> bool:
    """Whether an entry is a range: the name of a network interface, behind a ``%``, may hold a hyphen too."""
    return "-" in word and ("%" not in word or read_address(word.rpartition("-")[2]) is not None)


def _range(word: str) -> Span:
    """``first-last``.  Raises ValueError, BadHost."""
    ends = [read_address(end.strip()) for end in word.split("-")]
    first, last = ends  # three ends, or one: a ValueError
    if first is None or last is None or first[0] != last[0]:
        raise ValueError(word)
    if first > last:
        raise BadHost(f"found {_shown(word)}, wanted the lower address first")
    return *first, last[1]


def _network(word: str) -> IPv4Network | IPv6Network:
    """An address, or a network by its length or netmask.  Raises ValueError, BadHost."""
    from ipaddress import ip_address, ip_network

    head, slash, length = word.partition("/")
    head = _without_zone(head)
    network = ip_network(head + slash + length, strict=False)
    if network.network_address != ip_address(head):
        raise BadHost(f"found {_shown(word)}, which has host bits set, wanted {network}")
    return network


def _wildcard(word: str) -> IPv4Network:
    """``10.1.*``, or the same with a star for each number left.  Raises ValueError."""
    from ipaddress import IPv4Network

    parts = word.split(".")
    kept = [part for part in parts if part != "*"]
    if len(parts) > 4 or parts[: len(kept)] != kept:
        raise ValueError(word)
    return IPv4Network(f"{'.'.join([*kept, *['0'] * (4 - len(kept))])}/{8 * len(kept)}")


def _unwrapped(version: int, first: int, last: int) -> Span:
    """The IPv4 addresses that IPv4-mapped ones stand for; all others as they are."""
    if version == 6 and first >= _MAPPED and last < _MAPPED + (1 << 32):
        return 4, first - _MAPPED, last - _MAPPED
    return version, first, last


def _without_zone(text: str) -> str:
    return text.partition("%")[0] if ":" in text else text


def _shown(text: str) -> str:
    return plain(text, most=_MOST_SHOWN)
