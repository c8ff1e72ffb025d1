"""App passwords of the users of a service: found by what was typed, made, and taken away."""

from __future__ import annotations

from nwauth.errors import Refused
from nwauth.model import APP_PASSWORDS
from nwauth.policy import apps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from nwauth.model import Info, User
    from nwauth.policy.apps import AppPassword


def matching(user: User, password: bytes) -> AppPassword | None:
    """The app password of `user` that this is; None: it is none.  All are compared: no time tells which."""
    from nwauth.passwords.apps import fits, plain

    typed = plain(password)
    found = None
    for one in apps.of(user.info) if typed is not None else ():
        if typed is not None and not one.fault and fits(one.field, typed):
            found = one
    return found


def named(user: User, label: str) -> AppPassword:
    """The app password of this name.

    Raises:
        Refused: there is none.
    """
    for one in apps.of(user.info):
        if one.label.lower() == label.lower():
            return one
    raise Refused(f"{user.name!a} has no app password {label!a}")


def with_one_more(info: Info, one: AppPassword) -> Info:
    """The info with another app password.

    Raises:
        Refused: the name is taken, or there are `apps.MOST` already, or the limits cannot be read back.
    """
    apps.check_limits(one)
    there = apps.of(info)
    if any(other.label.lower() == one.label.lower() for other in there):
        raise Refused(f"there is an app password {one.label!a} already: delete it first, nobody can read it back")
    if len(there) >= apps.MOST:
        raise Refused(f"there are {len(there)} app passwords already, and {apps.MOST} are the most: delete one first")
    return info.updated({APP_PASSWORDS: apps.written([*there, one])})


def without(info: Info, labels: Iterable[str]) -> Info:
    """The info without the app passwords of these names.

    Raises:
        Refused: there is none of one of these names.
    """
    there = apps.of(info)
    gone = {label.lower() for label in labels}
    for label in labels:
        if all(one.label.lower() != label.lower() for one in there):
            found = ", ".join(ascii(one.label) for one in there) or "none at all"
            raise Refused(f"there is no app password {label!a}: found {found}")
    return info.updated({APP_PASSWORDS: apps.written(one for one in there if one.label.lower() not in gone)})
