"""By what a client is counted: its IPv4 address, or the network of its IPv6 address; and who is not counted at all."""

from __future__ import annotations

from nwauth.policy.hosts import Hosts, read_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from nwauth.policy.throttle.settings import ThrottleSettings

MOST_REMEMBERED = 4096
_LOOPBACK = Hosts(spans=((4, 127 << 24, (128 << 24) - 1), (6, 1, 1)))  # 127.0.0.0/8 and ::1


class Clients:
    """The clients that `settings` let count, each by its address as text; those asked for lately are remembered."""

    def __init__(self, settings: ThrottleSettings) -> None:
        self._settings: Final = settings
        self._known: Final[dict[str, str | None]] = {}

    def counted_as(self, address: str | None) -> str | None:
        """``192.0.2.7`` or ``2001:db8::/64``; None: there is no address, or it is exempt."""
        if address is None:
            return None
        try:
            return self._known[address]
        except KeyError:
            pass
        if len(self._known) >= MOST_REMEMBERED:
            del self._known[next(iter(self._known))]
        found = self._known[address] = self._read(address)
        return found

    def _read(self, text: str) -> str | None:
        address = read_address(text)
        if address is None or self._settings.exempt.hold(address):
            return None
        if self._settings.exempt_loopback and _LOOPBACK.hold(address):
            return None
        return client_of(address, self._settings.ipv6_prefix)


def client_of(address: tuple[int, int], ipv6_prefix: int) -> str:
    """An address, or the network of that prefix around it, as text."""
    from ipaddress import IPv4Address, IPv6Address

    version, number = address
    if version == 4:
        return str(IPv4Address(number))
    left = 128 - ipv6_prefix
    return f"{IPv6Address(number >> left << left)}/{ipv6_prefix}"
