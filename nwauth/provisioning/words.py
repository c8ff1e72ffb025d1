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

# What the messages of the JSON parser begin with, in words.
JSON_WORDS = {
    "Expecting ',' delimiter": "found neither a comma nor the closing bracket behind a value",
    "Expecting ':' delimiter": "found no colon behind a key",
    "Expecting property name": "found no key, wanted text in double quotes (and no comma behind the last value)",
    "Illegal trailing comma": "found a comma behind the last value, wanted none",
    "Expecting value": "found no value, wanted text in double quotes, a number, true, false, [list] or {object}",
    "Extra data": "found more behind the end",
    "Unterminated string": "found text that is not closed, wanted its double quote",
    "Invalid control character": "found a control character in text, wanted \\n for a line break, \\t for a tab",
    "Invalid \\": "found a backslash that means nothing, wanted two for one",
}


def json_fault(message: str) -> str:
    """What a message of the JSON parser means, in words."""
    found = (words for begin, words in JSON_WORDS.items() if message.startswith(begin))
    return next(found, f"found no JSON: {message}")
