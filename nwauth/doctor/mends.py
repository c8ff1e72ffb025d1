"""What can be done for users of a store, by the kind of the store: not every one takes changes from us."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from nwauth.config.routes import Route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nwauth.config.part import StoreConfig
    from nwauth.doctor.place import Place

AND_SO_ON = " (and so on)"


def new_password(place: Place, one: StoreConfig, names: Sequence[str], number: int) -> str:
    """How users of a store, `number` of them, get new passwords."""
    more = AND_SO_ON if number > 1 else ""
    if one.kind == "ldap":
        return (
            f'give new passwords in the directory; or set mode = "bind" for the store {one.name} in {place.settings}:'
            " the directory then checks them, in whatever form it has them"
        )
    if one.kind == "system":
        return f"{shlex.join(['passwd', *_operand(own_name(place, one, names[0]))])}{more}, as root"
    if one.read_only:
        managed = f"give new passwords where the users of the store {one.name} are managed: it is only read here"
        return managed + _or_allow(place, one)
    if _route(place, one).sets == "never":
        return place.nwauth("--store", one.name, "user", "passwd", *_operand(own_name(place, one, names[0]))) + more
    return place.nwauth("user", "passwd", *_operand(names[0])) + more


def another_name(place: Place, one: StoreConfig, name: str, where: str) -> str:
    """How one of two users of a store, who share a name, gets another; `where` the store is."""
    if one.kind == "ldap":
        return f"give one of the two another name in the directory: {where}"
    if one.kind == "system":
        old = own_name(place, one, name)
        words = _operand(old) if old.isascii() else [old]
        return f"give one of the two another name, as root: {shlex.join(['usermod', '-l'])} NEWNAME {shlex.join(words)}"
    return f"give one of the two another name in {where}"


def place_of_mail(place: Place, one: StoreConfig, name: str, where: str) -> str:
    """How a user of a store gets a drop path and a uid that a server can be told."""
    if one.kind == "ldap":
        return (
            f"mend the attributes of these entries, or [stores.attributes] of the store {one.name} in {place.settings}"
        )
    if one.kind == "system":
        home = shlex.join(["usermod", "-d", "/home/FOLDER", *_operand(own_name(place, one, name))])
        return f"give it a home folder without blanks, as root: {home}; or change drop_path in {place.settings}"
    return f"mend its drop path and uid in {where}: no blanks, no quotes, not empty"


def own_name(place: Place, one: StoreConfig, name: str) -> str:
    """The name that a store itself has for a user, whom the servers know with its prefix and suffix."""
    route = _route(place, one)
    return name.removesuffix(route.strip_suffix).removeprefix(route.strip_prefix)


def _route(place: Place, one: StoreConfig) -> Route:
    assert place.config is not None  # noqa: S101
    return place.config.routes.get(one.name) or Route()


def _operand(name: str) -> list[str]:
    """A name as a word of a command that must not take it for an option."""
    return ["--", name] if name.startswith("-") else [name]


def _or_allow(place: Place, one: StoreConfig) -> str:
    if "read_only" not in one.__slots__:
        return ""
    return f"; or take read_only = true out of the store {one.name} in {place.settings}, and use nwauth user passwd"
