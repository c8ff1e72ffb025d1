"""Whether an account may log in as far as its shadow entry says: locked, expired, its password too old."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nwauth.stores.system.libc import ShadowEntry

FILE = "/etc/shadow"
DAY_SECONDS = 86_400
UNSET = -1


def is_shadowed(password: bytes) -> bool:
    """Whether this field of ``/etc/passwd`` says that the password stands in the shadow file, as libpam reads it."""
    return password == b"x" or password.startswith(b"##")


def refusal(entry: ShadowEntry, seconds: float) -> str | None:
    """Why the account may not log in at that time (`seconds` since 1970), by the rules of shadow(5); None: it may.

    The rules, and their limits to the day, are those of Linux-PAM's pam_unix.
    """
    today = int(seconds // DAY_SECONDS)
    if entry.expires != UNSET and today >= entry.expires:
        return f"the account has expired: day {entry.expires} since 1970, chage -l shows it"
    if entry.changed == 0:
        return "the password must be changed first: passwd sets a new one"
    if UNSET in (entry.changed, entry.maximum):
        return None
    age = today - entry.changed
    if age > entry.maximum:
        left_to_rot = entry.inactive != UNSET and age > entry.maximum + entry.inactive
        return f"the password has expired: {age} days old, at most {entry.maximum} are allowed" + (
            f" and {entry.inactive} more to change it" if left_to_rot else ""
        )
    return None
