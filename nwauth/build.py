"""From configuration to a service: the only place that wires the parts together."""

from __future__ import annotations

from nwauth.config.values import FlatfileConfig, SqlConfig
from nwauth.errors import ConfigError
from nwauth.names import NameRules
from nwauth.passwords import Passwords, complete
from nwauth.service import Service, StoreRules
from nwauth.stores.down import DownStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

    from nwauth.config import Config, StoreConfig
    from nwauth.stores.base import Store
    from nwauth.stores.health import Notice


def build(config: Config, *, notice: Notice | None = None) -> Service:
    """The service that `config` describes.  No store is opened before its first question.

    `notice` is told of a store's outages, once each.

    Raises:
        ConfigError: a setting cannot be used here, or a library is missing.
    """
    if len(config.stores) > 1:
        raise ConfigError(
            f"{config.file}: found {len(config.stores)} [[stores]], wanted one to serve: routes over several are not"
            " built yet (--store NAME works on one; nwauth copy on two)"
        )
    store_config = config.stores[0]
    return Service(
        store(config, store_config, notice=notice),
        Passwords(config.passwords, burn_scheme=store_config.new_scheme),
        rules={store_config.name: rules(store_config)},
        names=NameRules(
            badchar=config.names.badchar,
            badchar_localpart=config.names.badchar_localpart,
            allow_ats=config.names.allow_ats,
            allow_high_ascii=config.names.allow_high_ascii,
        ),
        now=_now,
        default_domain=config.names.default_domain,
        read_only=store_config.read_only,
    )


def broken(error: ConfigError) -> Service:
    """A service that answers "cannot tell" to everything: a bad configuration must never look like a missing user."""
    down = DownStore(str(error))
    return Service(down, Passwords(), rules={down.name: StoreRules(scheme="argon2id")}, names=NameRules(), now=_now)


def rules(config: StoreConfig) -> StoreRules:
    """How the store that `config` describes keeps passwords."""
    return StoreRules(
        scheme=config.new_scheme,
        upgrade_to=config.new_scheme if config.upgrade else None,
        star_is_clear=isinstance(config, FlatfileConfig),
        keep=isinstance(config, SqlConfig) and config.keep,
    )


def store(config: Config, one: StoreConfig, *, notice: Notice | None = None) -> Store:
    """The store that `one` of the configuration's describes.

    Raises:
        ConfigError: a setting cannot be used here, or a library is missing.
    """
    if isinstance(one, FlatfileConfig):
        return _flatfile(one)
    try:
        return _sql(one, notice)
    except ConfigError as error:
        raise ConfigError(f"{config.file}: store {one.name}: {error}") from None


def _flatfile(config: FlatfileConfig) -> Store:
    from nwauth.stores.flatfile import FlatfileStore

    return FlatfileStore(
        config.path,
        complete=complete,
        name=config.name,
        shared=config.shared,
        settle_seconds=config.settle_seconds,
        max_journal_bytes=config.max_journal_bytes,
        read_only=config.read_only,
    )


def _sql(config: SqlConfig, notice: Notice | None) -> Store:
    from nwauth.stores.sql import Limits, SqlStore

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


def _now() -> datetime:
    from datetime import datetime

    return datetime.now().astimezone()
