"""A line of the shadow format, ``name:password:last change:min:max:warn:inactive:expire:``, in days since 1970.

Who is kept out, and who not, follows pam_unix: an account past its date, a password past its age or due to be changed.
"""

from __future__ import annotations

from nwauth.errors import Unavailable
from nwauth.names import ENCODING, ERRORS
from nwauth.stores.passwd.lines import checked

NAME, PASSWORD, LAST_CHANGE, _MIN, MAX, _WARN, _INACTIVE, EXPIRE = range(8)
DAY_SECONDS = 86_400


def password_of(line: bytes) -> str:
    """The password field of a shadow line."""
    return line.decode(ENCODING, ERRORS).rstrip("\r").split(":", 2)[PASSWORD]


def refusal(line: bytes, today: int) -> str | None:
    """Why the account may not log in `today`; None: its ages do not say so.

    Raises:
        Unavailable: one of them is no number.
    """
    fields = line.decode(ENCODING, ERRORS).rstrip("\r").split(":")
    expire, last_change, most = (_days(fields, at) for at in (EXPIRE, LAST_CHANGE, MAX))
    if expire is not None and today >= expire:
        return f"the account has expired (day {expire} in the shadow file, today is {today})"
    if last_change == 0:
        return "the password must be changed first (last change 0 in the shadow file)"
    if last_change is not None and most is not None and today > last_change + most:
        return f"the password has expired (changed on day {last_change} for {most} days, today is {today})"
    return None


def _days(fields: list[str], at: int) -> int | None:
    """A field in days; None: it is empty, -1 or not there."""
    text = fields[at].strip() if len(fields) > at else ""
    if not text:
        return None
    try:
        days = int(text)
    except ValueError:
        raise Unavailable(
            f"the shadow line of {fields[NAME]!a} holds {text[:20]!a} in field {at + 1}, wanted a number of days"
        ) from None
    return None if days < 0 else days


def changed(line: bytes, *, name: str, password: str | None, today: int) -> bytes:
    """`line` with another name, and with another password, changed `today`, where one is given; all else as it stands.

    Raises:
        Refused: a line cannot hold them.
    """
    text = line.decode(ENCODING, ERRORS)
    body = text.rstrip("\r")
    fields = body.split(":")
    fields[NAME] = name
    if password is not None:
        fields[PASSWORD] = password
        if len(fields) > LAST_CHANGE:
            fields[LAST_CHANGE] = str(today)
    return checked(":".join(fields) + text[len(body) :])


def new_line(*, name: str, password: str, today: int) -> bytes:
    """The line of a new user, with no limits.  Raises Refused: a line cannot hold it."""
    return checked(f"{name}:{password}:{today}::::::")
