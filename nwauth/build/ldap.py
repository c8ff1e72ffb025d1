"""A directory."""

from __future__ import annotations

from nwauth.stores.ldap import LdapStore, Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nwauth.config.kinds.ldap import LdapConfig
    from nwauth.stores.base import Store
    from nwauth.stores.health import Notice


def make(config: LdapConfig, notice: Notice | None) -> Store:
    """The store that `config` describes."""
    security = config.security
    return LdapStore(
        config.urls,
        config.people,
        name=config.name,
        bind_dn=config.bind_dn,
        bind_password=config.bind_password,
        start_tls=security.start_tls,
        ca_file=security.ca_file,
        checks_certificate=security.check_certificate,
        limits=Limits(connect=config.connect_timeout_seconds, request=config.request_timeout_seconds),
        ignores_referrals=config.ignore_referrals,
        notice=notice,
    )
