"""Flat files."""

from __future__ import annotations

from nwauth.passwords import complete
from nwauth.stores.flatfile import FlatfileStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nwauth.config import FlatfileConfig
    from nwauth.stores.base import Store
    from nwauth.stores.health import Notice


def make(config: FlatfileConfig, _notice: Notice | None) -> Store:
    """The store that `config` describes."""
    return FlatfileStore(
        config.path,
        complete=complete,
        name=config.name,
        shared=config.shared,
        settle_seconds=config.settle_seconds,
        max_journal_bytes=config.max_journal_bytes,
        read_only=config.read_only,
    )
