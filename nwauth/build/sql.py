"""A database."""

from __future__ import annotations

from nwauth.stores.sql import Limits, SqlStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nwauth.config.kinds.sql import SqlConfig
    from nwauth.stores.base import Store
    from nwauth.stores.health import Notice


def make(config: SqlConfig, notice: Notice | None) -> Store:
    """The store that `config` describes.

    Raises:
        ConfigError: a setting cannot be used here, or a library is missing.
    """
    return SqlStore(
        config.url,
        name=config.name,
        table=config.table,
        columns=config.columns,
        read_url=config.read_url,
        password_format=config.password_format,
        limits=Limits(connect=config.connect_timeout_seconds, statement=config.statement_timeout_seconds),
        read_only=config.read_only,
        notice=notice,
    )
