"""What every part of the configuration is made of, and what every kind of store can say."""

from __future__ import annotations

from nwauth.model import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from nwauth.options import Options

SHARED_SCHEME = "ssha"  # the one that NWAuth and SurgeMail read: spec/stores.md section 1
BY_THE_STORE = "by the store"  # the scheme of whom a store verifies by itself
MAX_SECONDS = 86_400
WRITER_SECONDS = 2.0  # so long a writer may yet be at it
MAX_PATIENCE_SECONDS = 5.0  # an administrator is told sooner than that, and comes again
MAX_WAIT_SECONDS = 7.5  # for what a store asks of others; the mail server waits for 10, and there may be a second try


class Part(Record):
    """A part of the configuration: its ``__slots__`` are the arguments of its constructor."""

    __slots__ = ()

    def changed(self, **changes: Any) -> Self:
        """A copy with what is given in place of what is: how options of the command line take precedence."""
        fields: tuple[str, ...] = self.__slots__
        return type(self)(**{field: getattr(self, field) for field in fields} | changes)


def settling_patience(seconds: float, settle_seconds: float) -> float:
    """How long a command that may wait `seconds` waits for files to settle; 0 where that would take too long."""
    longest = settle_seconds + WRITER_SECONDS
    return longest if longest <= min(seconds, MAX_PATIENCE_SECONDS) else 0.0


def time_outs(table: Options, then: str, *, connect: float, default: float) -> tuple[float, float]:
    """How long to wait for a connection, and, by the key `then`, for what is asked on it; `connect` and `default` else.

    Raises:
        ConfigError: one of them is out of bounds, or both together.
    """
    first = "connect_timeout_seconds"
    connect = table.number(first, connect, minimum=0.1, maximum=MAX_WAIT_SECONDS)
    seconds = table.number(then, default, minimum=0.1, maximum=MAX_WAIT_SECONDS)
    if connect + seconds > MAX_WAIT_SECONDS:
        raise table.error(
            then,
            f"found {connect:g} + {seconds:g} s with {first}, wanted {MAX_WAIT_SECONDS:g} s at most:"
            " the mail server waits for 10",
        )
    return connect, seconds


class StoreConfig(Part):
    """A store: every kind has a class of its own, in `nwauth.config.kinds`, and says here what it does not share.

    `path` is the folder whose owner root becomes.
    """

    __slots__ = ()

    @property
    def kind(self) -> str:
        """The word in ``nwauth.toml``."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """What the log calls it; by default the kind."""
        return self.kind

    @property
    def path(self) -> str:
        """The folder of its files, or that of the settings."""
        raise NotImplementedError

    @property
    def read_only(self) -> bool:
        """Whether it takes no changes."""
        return True

    @property
    def new_scheme(self) -> str:
        """The scheme of new passwords."""
        return "argon2id"

    @property
    def upgrade(self) -> bool:
        """Whether old passwords are stored again in that scheme at login."""
        return False

    @property
    def keep(self) -> bool:
        """Whether a changed password keeps the scheme of the field that it replaces: another program reads it too."""
        return False

    @property
    def star_is_clear(self) -> bool:
        """Whether a star begins a clear-text password: in flat files only."""
        return False

    @property
    def verifies(self) -> bool:
        """Whether it verifies passwords by itself: its users come without stored ones."""
        return False

    @property
    def patience_seconds(self) -> float:
        """How long it waits while another program writes."""
        return 0.0

    def keeps_from_us(self, stored_password: str) -> bool:
        """Whether a user's password is for the store alone to verify."""
        return self.verifies and (not stored_password or self.new_scheme == "clear")

    def as_read_only(self) -> Self:
        """A copy that takes no changes."""
        return self if self.read_only else self.changed(read_only=True)

    def patient(self, seconds: float) -> Self:
        """A copy for a command, which nobody waits behind: it may wait so long for others, and for a statement."""
        del seconds
        return self
