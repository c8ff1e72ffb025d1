"""From configuration to a service: the only place that wires the parts together.

A module for each kind of store makes it of its settings, and is imported when the kind is met.
"""

from __future__ import annotations

import os
import time

from nwauth.errors import ConfigError
from nwauth.names import NameRules
from nwauth.passwords import Passwords
from nwauth.service import Gate, RuleFile, Service, StoreRules
from nwauth.stores.down import DownStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from nwauth.config import Config, StoreConfig
    from nwauth.policy.rules import Policy
    from nwauth.policy.throttle.counts import Throttle
    from nwauth.policy.throttle.tag import Tags
    from nwauth.stores.base import Store
    from nwauth.stores.health import Notice

    Wrap = Callable[[Store], Store]


def build(
    config: Config, *, notice: Notice | None = None, alarm: Notice | None = None, wrap: Wrap | None = None
) -> Service:
    """The service that `config` describes.  No store is opened before its first question.

    `notice` is told of a store's outages, once each.  `alarm` is told of the access rules; who gives it is a serving
    child, which keeps the last good rules and counts wrong passwords.  `wrap` is as for `store`.

    Raises:
        ConfigError: a setting cannot be used here, or a library is missing.
    """
    stores = [store(config, one, notice=notice, wrap=wrap) for one in config.stores]
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
        gate=gate(config, alarm=alarm),
        default_domain=config.names.default_domain,
        read_only=all(one.read_only for one in config.stores),
    )


def broken(error: ConfigError) -> Service:
    """A service that answers "cannot tell" to everything: a bad configuration must never look like a missing user."""
    down = DownStore(str(error))
    return Service(down, Passwords(), rules={down.name: StoreRules(scheme="argon2id")}, names=NameRules(), now=_now)


def gate(config: Config, *, alarm: Notice | None = None) -> Gate:
    """What the access rules ask, of `config`'s policy file; `alarm` as for `build`."""
    file = RuleFile(config.policy.file, named=config.policy.named, keeps=alarm is not None, notice=alarm)
    if alarm is None:
        return Gate(file, class_field=config.policy.class_field)
    made: list[Tags] = []

    def tags() -> Tags:
        if not made:
            from nwauth.policy.throttle.tag import FILE, Tags

            made.append(Tags(os.path.join(config.folder, FILE), notice=alarm, monotonic=time.monotonic))
        return made[0]

    def throttle_of(policy: Policy) -> Throttle | None:
        if policy.throttle is None:
            return None
        from nwauth.policy.throttle.counts import Throttle
        from nwauth.policy.throttle.settings import FILE

        return Throttle(policy.throttle, os.path.join(config.folder, FILE), tags=tags(), notice=alarm)

    return Gate(
        file,
        class_field=config.policy.class_field,
        alarm=alarm,
        throttle_of=throttle_of,
        tags_of=None if config.log.level == "error" else tags,
    )


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


def store(config: Config, one: StoreConfig, *, notice: Notice | None = None, wrap: Wrap | None = None) -> Store:
    """The store that `one` of the configuration's describes, as it is without its route.

    `wrap` makes of a store that takes changes the one that is given them.

    Raises:
        ConfigError: a setting cannot be used here, or a library is missing.
    """
    try:
        # importlib is a start of its own
        made: Store = __import__(f"{__name__}.{one.kind}", fromlist=["make"]).make(one, notice)
    except ConfigError as error:
        raise ConfigError(f"{config.file}: store {one.name}: {error}") from None
    if one.patience_seconds:
        from nwauth.stores.waiting import Waiting

        made = Waiting(made, seconds=one.patience_seconds)
    return made if wrap is None or one.read_only else wrap(made)


def _routed(config: Config, stores: list[Store]) -> Store:
    from nwauth.build.routes import routed

    return routed(config, stores)


def _now() -> datetime:
    from datetime import datetime

    return datetime.now().astimezone()
