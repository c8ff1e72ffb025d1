"""Several stores as one."""

from __future__ import annotations

from nwauth.config.routes import Route
from nwauth.stores.combined import Member, RoutedStore, StrippedStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nwauth.config import Config
    from nwauth.stores.base import Store


def routed(config: Config, stores: list[Store]) -> Store:
    """The stores of the configuration as its routes tell."""
    members: list[Member] = []
    for one, store in zip(config.stores, stores, strict=True):
        route = config.routes.get(one.name) or Route()
        inner = store
        if route.strip_prefix or route.strip_suffix:
            inner = StrippedStore(store, prefix=route.strip_prefix, suffix=route.strip_suffix)
        members.append(
            Member(
                inner,
                match=route.match,
                takes_new=route.sets == "new" and not one.read_only,
                takes_changes=route.sets != "never" and not one.read_only,
                takes_deletions=route.deletes and not one.read_only,
                falls_through=route.falls_through,
            )
        )
    return RoutedStore(members)
