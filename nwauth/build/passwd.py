"""Passwd files."""

from __future__ import annotations

from nwauth.stores.passwd import PasswdStore
from nwauth.stores.passwd.lines import NewUser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nwauth.config.kinds.passwd import PasswdConfig
    from nwauth.stores.base import Store
    from nwauth.stores.health import Notice


def make(config: PasswdConfig, notice: Notice | None) -> Store:
    """The store that `config` describes."""
    return PasswdStore(
        config.files,
        name=config.name,
        shadow=config.shadow,
        domains=config.domains,
        listed=config.listed,
        drop_path=config.drop_path,
        unix_case=config.unix_case,
        read_only=config.read_only,
        settle_seconds=config.settle_seconds,
        state=config.state,
        notice=notice,
        new_user=NewUser(uid=config.new_uid, gid=config.new_gid, home=config.new_home, shell=config.new_shell),
    )
