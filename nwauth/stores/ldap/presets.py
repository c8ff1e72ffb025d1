"""The two usual directories: who is a user there, by which attributes, and what is said with each search."""

from __future__ import annotations

from nwauth.model import Record
from nwauth.stores.ldap.messages import DOMAIN_SCOPE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


class Preset(Record):
    """`who` is a user (a filter), `names` are the attributes that hold their names.

    `controls` are the names of those that are sent with each search.  `shadows`: accounts may have shadow(5)'s dates.
    """

    __slots__ = ("controls", "names", "shadows", "who")

    def __init__(
        self, *, who: str, names: tuple[str, ...], controls: tuple[str, ...] = (), shadows: bool = False
    ) -> None:
        self.who: Final = who
        self.names: Final = names
        self.controls: Final = controls
        self.shadows: Final = shadows


# Neither filter mentions the state of an account: one that is disabled or expired exists, and gets its mail.
PRESETS = {
    "openldap": Preset(who="(|(objectClass=person)(objectClass=account))", names=("uid", "mail"), shadows=True),
    "active-directory": Preset(
        who="(&(objectCategory=person)(objectClass=user))",
        names=("sAMAccountName", "userPrincipalName"),
        # Without it every search from the root of a domain ends with references to the other partitions.
        controls=(DOMAIN_SCOPE,),
    ),
}


def default_filter(preset: Preset, names: tuple[str, ...]) -> str:
    """Whoever is a user and has the name in one of these attributes."""
    tests = "".join(f"({name}={{name}})" for name in names)
    return f"(&{preset.who}{tests if len(names) == 1 else f'(|{tests})'})"
