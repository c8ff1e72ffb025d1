"""Lookup, check, set, delete and search, in Python values: what the server and the commands share.

- `operations`: `Service`, the five operations
- `gate`: whether a user may come in now, whatever the password; `rulefile`: the rules that say so
- `login`: how a login is decided, and what a right password brings about
- `values`: what they work with
"""

from nwauth.service.gate import Gate, Question
from nwauth.service.operations import Service
from nwauth.service.rulefile import FixedRules, RuleFile
from nwauth.service.values import BadName, Listing, NoSuchUser, Refusal, StoreRules

__all__ = [
    "BadName",
    "FixedRules",
    "Gate",
    "Listing",
    "NoSuchUser",
    "Question",
    "Refusal",
    "RuleFile",
    "Service",
    "StoreRules",
]
