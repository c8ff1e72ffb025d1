"""Lookup, check, set, delete and search, in Python values: what the server and the commands share.

- `operations`: `Service`, the five operations
- `login`: how a login is decided, and what a right password brings about
- `values`: what they work with
"""

from nwauth.service.operations import Service
from nwauth.service.values import BadName, Listing, NoSuchUser, StoreRules

__all__ = ["BadName", "Listing", "NoSuchUser", "Service", "StoreRules"]
