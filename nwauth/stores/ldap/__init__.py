"""Users in a directory: OpenLDAP, Active Directory and others that speak LDAP (spec/stores.md section 5).

The rooms, in the order that a look-up passes them:

- `store`: `LdapStore`, the store itself: what an answer means
- `people`: which entries are users, by which names; `presets` for the two usual directories
- `entries`: what an entry is to us; `paths`: drop paths made of attributes, and what may not go into one
- `filters`: search filters with marks for the name, which is put in as bytes, never as text
- `listing`: everybody, page by page
- `proof`: what a "no" needs
- `states`: why an account may not log in, as directories tell it
- `link`: kept connections to whichever of the servers answers, and the breaker that spares dead ones
- `dial`: making a connection: addresses, TLS, time; `url` says where to
- `wire`: one connection: requests out, answers in, until a moment
- `messages`: requests and answers as values; a library makes and reads them, without I/O (DECISIONS.md, "LDAP"), and
  `credential` is the one kind of value that it lacks
"""

from __future__ import annotations

from nwauth.stores.ldap.entries import Attributes
from nwauth.stores.ldap.link import Limits
from nwauth.stores.ldap.people import People
from nwauth.stores.ldap.store import LdapStore

__all__ = ["Attributes", "LdapStore", "Limits", "People"]
