"""The accounts of the operating system."""

from __future__ import annotations

from nwauth.stores.system import SystemStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nwauth.config.kinds.system import SystemConfig
    from nwauth.stores.base import Store
    from nwauth.stores.health import Notice


def make(config: SystemConfig, notice: Notice | None) -> Store:
    """The store that `config` describes."""
    return SystemStore(
        name=config.name,
        min_uid=config.min_uid,
        max_uid=config.max_uid,
        unix_case=config.unix_case,
        walk=config.walk,
        drop_path=config.drop_path,
        passwords=config.passwords,
        pam_service=config.pam_service,
        pam_timeout_seconds=config.pam_timeout_seconds,
        notice=notice,
    )
