"""Stores made of stores (spec/stores.md section 6), as MultiAuth's modules were.

What each room is for:

    member    one of several stores: the names it is asked for, what it takes
    routed    several stores as one
    stripped  a store that knows its users without a prefix or suffix
"""

from nwauth.stores.combined.member import Member
from nwauth.stores.combined.routed import RoutedStore
from nwauth.stores.combined.stripped import StrippedStore

__all__ = ["Member", "RoutedStore", "StrippedStore"]
