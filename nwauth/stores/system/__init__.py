"""The accounts of the operating system, and PAM (spec/stores.md section 4).

The rooms, in the order that a question passes them:

- `store`: `SystemStore`, the store itself; how a name is found without regard to case
- `accounts`: one account by its name, and all of them; what proves that there is none
- `sources`: the sources that ``/etc/nsswitch.conf`` names, each asked alone
- `libc`: the C library's side: structs, and calls whose buffer grows
- `means`: how a password is verified: by PAM, or with the field of the shadow file
- `shadow`: whether an account may log in as far as the shadow file says: expired, its password too old
- `asking`: a password asked of PAM, in a process of its own with a time limit
- `pam`: the conversation with libpam, which runs there; `stack`: whether PAM has a service file to go by

Nothing here is loaded before the first question.
"""

from __future__ import annotations

from nwauth.stores.system.store import SystemStore

__all__ = ["SystemStore"]
