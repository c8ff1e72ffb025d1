"""A store that cannot tell: what is served while the configuration cannot be used."""

from __future__ import annotations

from nwauth.errors import ConfigError
from nwauth.stores.base import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import NoReturn

    from nwauth.model import User


class DownStore(Store):
    """Answers every question with the `reason`, as "cannot tell"."""

    name = "none"

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def _down(self) -> NoReturn:
        raise ConfigError(self._reason)

    def lookup(self, name: str) -> User | None:
        self._down()

    def search(self, pattern: str = "") -> Iterator[User]:
        self._down()

    def put(self, user: User) -> bool:
        self._down()

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        self._down()

    def put_all(self, users: Sequence[User]) -> list[User]:
        self._down()

    def settle(self) -> None:
        self._down()

    def delete(self, name: str, *, only: User | None = None) -> bool:
        self._down()

    def make(self) -> bool:
        self._down()
