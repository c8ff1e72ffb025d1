"""The keys of plans, and what people call a password."""

from __future__ import annotations

from nwauth.model import PLAIN

HEAD_KEYS = frozenset(("scope", "defaults", "update_password"))
OWN_KEYS = tuple(PLAIN)  # of a user beside the info fields
PASSWORD_KEYS = ("password_hash", "password")
PLAN_KEYS = ("generate", "update_password")  # that no file but a plan has
NO_INFO = frozenset(("name", "state", *PASSWORD_KEYS, *PLAN_KEYS, *OWN_KEYS))

# As an info field a password lets nobody in, and is told to every server that looks the user up: what surely is one is
# refused.  What surely is a hash, import takes for one.
PASSWORD_WORDS = frozenset(
    ("pass", "passwd", "pasword", "passwort", "kennwort", "pw", "pwd", "clear_password", "plain_password", "cleartext")
)
HASH_WORDS = ("stored_password", "hash", "passwordhash", "password hash")

# What begins so may be a password or a hash: import asks.  What holds it anywhere, the journal of changes shows as a
# fingerprint.
SECRET_STEMS = ("pass", "pw", "kennwort", "secret", "hash", "mot de passe", "contrase", "crypt", "stored_pass")
