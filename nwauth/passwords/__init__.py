"""Passwords: what a stored field is, whether a password fits it, and new fields.

The only part of nwauth that knows hashing libraries.  The rules, each stated once:

* **Three outcomes.**  `Passwords.verify` says yes, no, or raises `Unavailable`: this machine cannot tell (no
  libcrypt for a ``$y$`` field, a missing library, a field whose cost would hang the child).  A damaged field is
  a no with its reason, never an exception; an unknown form is no login, and never clear text.
* **Long passwords.**  A password is 1 to 511 bytes without NUL, because libcrypt takes no more; any other is
  wrong, for every scheme, before a library sees it, and is refused when it is to be stored; so is one that holds a
  control character, which no line of the protocol could bring back.  Verification follows
  the scheme's own definition: DES reads 8 bytes and bcrypt 72, as the program that made the field did.  A new
  field of either for a longer password is refused, and neither scheme is upgraded from when the password
  typed is longer than what it reads.
* **Other programs' stores.**  Where another program reads the field too, a changed password keeps the scheme, the tag
  and the form of the field that it replaces (`Passwords.hash_like`); a tag that we write ourselves is in lower case, as
  NWAuth's ``{ssha}``.
* **Non-ASCII.**  Passwords are bytes and are used as they came, never normalised or re-coded.
* **Weak** is every scheme that computes one cheap round: clear text, DES, NetWin's own, the MD5 family, and every
  plain digest, salted or not (``{ssha}`` too: it is what shared folders must hold, and no more than that).

One table (`table.SCHEMES`) says what there is.  Nothing heavy is imported before the first field that needs it.
"""

from nwauth.passwords.checking import Passwords
from nwauth.passwords.table import Identity, SchemeInfo, complete, scheme_name
from nwauth.passwords.values import SCHEMES_KEPT, SCHEMES_MADE, Settings, Verdict

__all__ = [
    "SCHEMES_KEPT",
    "SCHEMES_MADE",
    "Identity",
    "Passwords",
    "SchemeInfo",
    "Settings",
    "Verdict",
    "complete",
    "scheme_name",
]
