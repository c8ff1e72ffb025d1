"""Users from files of other programs, and files for them.

The rooms, in the order that a file passes them on its way in:

- `encodings`: the characters of the file, as UTF-8
- `detecting`: what the file is, by what stands in it, and why
- `colons`: users of lines with colons: passwd, shadow, htpasswd, Dovecot's passwd-file, nwauth.txt
- `columns`: what each column of a file becomes
- `passwords`: which of the passwords are hashes, and which are locks
- `taking`: users as `nwauth.provisioning` wants them

and on the way out:

- `giving`: users as a file has them, what it cannot hold told
- `writing`: the forms of files
"""

from __future__ import annotations

from nwauth.provisioning.exchange.detecting import FORMS, Form, detect
from nwauth.provisioning.exchange.encodings import in_utf8
from nwauth.provisioning.exchange.taking import Taking, read_users

__all__ = ["FORMS", "Form", "Taking", "detect", "in_utf8", "read_users"]
