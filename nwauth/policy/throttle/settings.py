"""``[throttle]`` of policy.toml: how many wrong passwords are let through, and whom it does not concern."""

from __future__ import annotations

from nwauth.model import Record
from nwauth.policy.hosts import Hosts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from nwauth.options import Options

DAY_SECONDS = 86_400
NOBODY = Hosts()


FILE = "nwauth.throttle"  # in the folder, for all copies of the program


class ThrottleSettings(Record):
    """What `nwauth.policy.throttle.counts` goes by; a limit of 0 is none, `trust_days` 0 trusts no address."""

    __slots__ = ("exempt", "exempt_loopback", "ipv6_prefix", "per_address", "per_user", "trust_days", "window_seconds")

    def __init__(
        self,
        *,
        window_seconds: int = 600,
        per_address: int = 20,
        per_user: int = 10,
        ipv6_prefix: int = 64,
        trust_days: int = 30,
        exempt: Hosts = NOBODY,
        exempt_loopback: bool = True,
    ) -> None:
        self.window_seconds: Final = window_seconds
        self.per_address: Final = per_address
        self.per_user: Final = per_user
        self.ipv6_prefix: Final = ipv6_prefix
        self.trust_days: Final = trust_days
        self.exempt: Final = exempt
        self.exempt_loopback: Final = exempt_loopback

    @property
    def noted_seconds(self) -> float:
        """How long a login from an address need not be noted again: a client that comes often writes nothing."""
        return min(DAY_SECONDS, self.trust_days * DAY_SECONDS / 4)

    @property
    def trusted_seconds(self) -> float:
        """How long an address is trusted from when it was noted: never less than `trust_days` from its last login."""
        return self.trust_days * DAY_SECONDS + self.noted_seconds


def read_throttle(table: Options, hosts: Callable[[str, tuple[str, ...]], Hosts]) -> ThrottleSettings:
    """The settings of the table ``[throttle]``; `hosts` reads the entries of a key, lists among them.

    Raises:
        ConfigError: one of them is wrong.
    """
    default = ThrottleSettings()
    exempt = table.texts("exempt", ())
    return ThrottleSettings(
        window_seconds=table.integer("window_seconds", default.window_seconds, minimum=1, maximum=7 * DAY_SECONDS),
        per_address=table.integer("per_address", default.per_address, minimum=0, maximum=100_000),
        # A tag has 12 bits: of some thousand wrong passwords many could not be told apart any more.
        per_user=table.integer("per_user", default.per_user, minimum=0, maximum=1000),
        ipv6_prefix=table.integer("ipv6_prefix", default.ipv6_prefix, minimum=16, maximum=128),
        trust_days=table.integer("trust_days", default.trust_days, minimum=0, maximum=3650),
        exempt=hosts("exempt", exempt) if exempt else NOBODY,
        exempt_loopback=table.boolean("exempt_loopback", default.exempt_loopback),
    )
