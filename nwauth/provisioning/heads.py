"""What a plan says of all its users, in front of them: the scope, the defaults, when passwords are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nwauth.errors import Refused
from nwauth.model import APP_PASSWORDS, Record
from nwauth.policy import account
from nwauth.protocol import BadRequest, check_field
from nwauth.provisioning.parts import HEAD_KEYS, NO_INFO, PASSWORD_WORDS, BadPlan, kind_of, named, shown
from nwauth.provisioning.values import NO_FIELD, NoText, check_key, text_of, whole

if TYPE_CHECKING:
    from typing import Final

UPDATES = ("on_create", "always")


class Head(Record):
    """The head of a plan; `scope` "": it says none."""

    __slots__ = ("always", "defaults", "scope")

    def __init__(self, *, always: bool, scope: str, defaults: dict[str, str]) -> None:
        self.always: Final = always
        self.scope: Final = scope
        self.defaults: Final = defaults


def head_of(values: dict[str, Any]) -> Head:
    """Raises BadPlan where what it says cannot be used."""
    unknown = sorted(set(values) - HEAD_KEYS)
    if unknown:
        raise BadPlan(f"found {shown(unknown[0])}, wanted {', '.join(sorted(HEAD_KEYS))}")
    update = values.get("update_password", "on_create")
    if update not in UPDATES:
        raise BadPlan(f"update_password: found something else, wanted {' or '.join(UPDATES)}")
    return Head(
        always=update == "always",
        scope=_scope(values["scope"]) if "scope" in values else "",
        defaults=_defaults(values.get("defaults", {})),
    )


def _scope(scope: Any) -> str:
    if not isinstance(scope, dict) or set(scope) != {"match"}:
        raise BadPlan('scope: found something else, wanted match = "PATTERN" alone')
    pattern = scope["match"]
    if not isinstance(pattern, str) or not pattern:
        found = kind_of(pattern) if pattern != "" else "nothing"
        raise BadPlan(f"scope.match: found {found}, wanted a pattern, as *@test.com")
    try:
        return whole(pattern)
    except NoText as error:
        raise BadPlan(f"scope.match: {error}") from None


def _defaults(said: Any) -> dict[str, str]:
    if not isinstance(said, dict):
        raise BadPlan(f"defaults: found {kind_of(said)}, wanted a table of fields")
    defaults: dict[str, str] = {}
    seen: dict[str, str] = {}
    for field, value in said.items():
        where = f"defaults.{named(field)}"
        try:
            text = _default(field, value)
        except (NoText, BadRequest, Refused) as error:
            raise BadPlan(f"{where}: {str(error).removeprefix('malformed info: ')}") from None
        if field.lower() in seen:
            raise BadPlan(f"{where}: found beside {named(seen[field.lower()])}, which is the same field")
        seen[field.lower()] = field
        defaults[field] = text
    return defaults


def _default(field: str, value: Any) -> str:
    """Raises Refused where a field or its value cannot be a default."""
    check_key(field)
    if field in NO_INFO:
        raise Refused("it is said of each user by itself, wanted an info field")
    if field.lower() == APP_PASSWORDS:
        raise Refused(f"{APP_PASSWORDS} belongs to one user: say it of each user, not under [defaults]")
    if field.lower() in PASSWORD_WORDS:
        raise Refused(NO_FIELD)
    text = text_of(value)
    check_field(field, text)
    account.check_dates({field: text})
    if not text:
        raise Refused("found nothing, wanted a value")
    return text
