"""From configuration to a service: the only place that wires the parts together."""

from __future__ import annotations

from nwauth.names import NameRules
from nwauth.passwords import Passwords, complete
from nwauth.service import Service, StoreRules
from nwauth.stores.down import DownStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

    from nwauth.config import Config, FlatfileConfig
    from nwauth.errors import ConfigError
    from nwauth.stores.base import Store
    from nwauth.stores.flatfile import FlatfileStore


def build(config: Config) -> Service:
    """The service that `config` describes.  No store is opened before its first question."""
    store_config = config.stores[0]
    return Service(
        flatfile(store_config),
        Passwords(config.passwords, burn_scheme=store_config.new_scheme),
        rules={
            store_config.name: StoreRules(
                scheme=store_config.new_scheme,
                upgrade_to=store_config.new_scheme if store_config.upgrade else None,
                star_is_clear=True,
            )
        },
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
    store: Store = DownStore(str(error))
    rules = {store.name: StoreRules(scheme="argon2id")}
    return Service(store, Passwords(), rules=rules, names=NameRules(), now=_now)


def flatfile(config: FlatfileConfig) -> FlatfileStore:
    """The flat-file store that `config` describes."""
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


def _now() -> datetime:
    from datetime import datetime

    return datetime.now().astimezone()
