"""Why an account may not log in, in the words of directories.  Whoever may not log in still exists, for mail."""

from __future__ import annotations

from nwauth.errors import Refused, Unavailable
from nwauth.stores.health import PUBLIC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# What Active Directory says behind result 49 as "data 52e", in hex: winerror.h has the numbers.
MARK = "AcceptSecurityContext error, data "
WRONG = ("52e", "525")  # wrong password, no such user
REFUSALS = {
    "52f": "the account is restricted",
    "530": "the account may not log in at this hour",
    "531": "the account may not log in from this machine (logonWorkstations)",
    "532": "the password has expired",
    "533": "the account is disabled",
    "701": "the account has expired (accountExpires)",
    "773": "the password must be changed before it can be used",
    "775": "the account is locked out",
}

SHADOW_EXPIRE = "shadowexpire"  # days since 1970: from that day on there is no login; shadow(5)
LOCKED_TIME = "pwdaccountlockedtime"  # of OpenLDAP's ppolicy
LOCK = "nsaccountlock"  # of 389 Directory Server
DAY_SECONDS = 86_400


def refusal_of_bind(text: str) -> Refused | None:
    """What lies behind result 49 with these words; None: it is the password.

    Raises:
        Unavailable: the directory says 49 where it cannot tell, as for a channel binding that it misses.
    """
    at = text.find(MARK)
    if at < 0:
        return None
    code = text[at + len(MARK) :].partition(",")[0].strip().lower()
    if code in WRONG:
        return None
    if code in REFUSALS:
        return Refused(f"{REFUSALS[code]}, says the directory (data {code})")
    raise Unavailable(f"the directory refuses the bind for a reason that is not the password: {text}", public=PUBLIC)


def asked_for(*, shadows: bool, compares: bool) -> tuple[str, ...]:
    """The attributes that tell it; a server looks at its own locks in a bind, but never at a shadow's date."""
    return ((SHADOW_EXPIRE,) if shadows else ()) + ((LOCKED_TIME, LOCK) if compares else ())


def refusal_of_entry(values: Mapping[str, tuple[bytes, ...]], *, seconds: float) -> str:
    """Why the account may not log in at `seconds` since 1970, as its entry tells it; "" where it may.

    Raises:
        Unavailable: it cannot be read.
    """
    for value in values.get(SHADOW_EXPIRE, ()):
        try:
            day = int(value)
        except ValueError:
            raise Unavailable(f"shadowExpire holds {value!r}, wanted a number of days", public=PUBLIC) from None
        if day >= 0 and seconds >= day * DAY_SECONDS:
            return "the account has expired (shadowExpire)"
    if values.get(LOCKED_TIME):
        return "the account is locked (pwdAccountLockedTime)"
    if any(value.lower() == b"true" for value in values.get(LOCK, ())):
        return "the account is locked (nsAccountLock)"
    return ""
