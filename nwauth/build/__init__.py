"""From configuration to a service: the only place that wires the parts together.

A module for each kind of store makes it of its settings, and is imported when the kind is met.
"""

from __future__ import annotations

from nwauth.errors import ConfigError
from nwauth.names import NameRules
from nwauth.passwords import Passwords
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
    stores = [store(config, one, notice=notice) for one in config.stores]
    return Service(
        stores[0] if config.is_plain() else _routed(config, stores),
        Passwords(
            config.passwords, burn_scheme=next((one.new_scheme for one in config.stores if not one.verifies), None)
        ),
        rules={one.name: rules(config, one) for one in config.stores},
        names=NameRules(
            badchar=config.names.badchar,
            badchar_localpart=config.names.badchar_localpart,
            allow_ats=config.names.allow_ats,
            allow_high_ascii=config.names.allow_high_ascii,
        ),
        now=_now,
        default_domain=config.names.default_domain,
        read_only=all(one.read_only for one in config.stores),
    )


def broken(error: ConfigError) -> Service:
    """A service that answers "cannot tell" to everything: a bad configuration must never look like a missing user."""
    down = DownStore(str(error))
    return Service(down, Passwords(), rules={down.name: StoreRules(scheme="argon2id")}, names=NameRules(), now=_now)


def rules(config: Config, one: StoreConfig) -> StoreRules:
    """How a store of the configuration keeps passwords."""
    route = config.routes.get(one.name)
    takes_changes = route is None or route.sets != "never"
    return StoreRules(
        scheme=one.new_scheme,
        upgrade_to=one.new_scheme if one.upgrade and takes_changes else None,
        star_is_clear=one.star_is_clear,
        keep=one.keep,
        migrate_to=None if route is None else route.migrate_to,
    )


def store(config: Config, one: StoreConfig, *, notice: Notice | None = None) -> Store:
    """The store that `one` of the configuration's describes, as it is without its route.

    Raises:
        ConfigError: a setting cannot be used here, or a library is missing.
    """
    try:
        # importlib is a start of its own
        made: Store = __import__(f"{__name__}.{one.kind}", fromlist=["make"]).make(one, notice)
    except ConfigError as error:
        raise ConfigError(f"{config.file}: store {one.name}: {error}") from None
    return made


def _routed(config: Config, stores: list[Store]) -> Store:
    from nwauth.build.routes import routed

    return routed(config, stores)


def _now() -> datetime:
    from datetime import datetime

    return datetime.now().astimezone()
