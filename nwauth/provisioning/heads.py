"""What a plan says of all its users, in front of them: the scope, the defaults, when passwords are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nwauth.errors import Refused
from nwauth.model import APP_PASSWORDS, Record
from nwauth.policy import account
from nwauth.protocol import BadRequest, check_field
from nwauth.provisioning.parts import kind_of, meant, named, shown
from nwauth.provisioning.values import NO_FIELD, NoText, check_key, text_of, whole
from nwauth.provisioning.words import HEAD_KEYS, NO_INFO, PASSWORD_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Final

UPDATES = ("on_create", "always")


class Head(Record):
    """The head of a plan; `scope` "": it says none."""

    __slots__ = ("always", "defaults", "scope")

    def __init__(self, *, always: bool, scope: str, defaults: dict[str, str]) -> None:
        self.always: Final = always
        self.scope: Final = scope
        self.defaults: Final = defaults


class BadHead(Refused):
    """Something that is said of all cannot be used; `key` leads there, `scope.match` as an example."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key: Final = key


def unknown(values: dict[str, Any], known: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The keys that are none of the `known`, and what is to be said of each."""
    wanted = f"{', '.join(known[:-1])} or {known[-1]}"
    for key in values:
        if key not in known:
            yield key, f"found {shown(key)}, wanted {wanted}{meant(key, known)}"


def head_of(values: dict[str, Any]) -> tuple[Head, list[BadHead]]:
    """What is said of all, as far as it can be used; and what of it cannot."""
    faults = [BadHead(key, text) for key, text in unknown(values, sorted(HEAD_KEYS))]
    update = values.get("update_password", "on_create")
    if update not in UPDATES:
        text = f"update_password: found something else, wanted {' or '.join(UPDATES)}"
        faults.append(BadHead("update_password", text))
    scope = ""
    try:
        scope = _scope(values["scope"]) if "scope" in values else ""
    except BadHead as error:
        faults.append(error)
    defaults: dict[str, str] = {}
    faults += _take_defaults(values.get("defaults", {}), defaults)
    return Head(always=update == "always", scope=scope, defaults=defaults), faults


def _scope(scope: Any) -> str:
    """Raises BadHead."""
    if not isinstance(scope, dict) or set(scope) != {"match"}:
        raise BadHead("scope", 'scope: found something else, wanted match = "PATTERN" alone')
    pattern = scope["match"]
    if not isinstance(pattern, str) or not pattern:
        found = kind_of(pattern) if pattern != "" else "nothing"
        raise BadHead("scope.match", f"scope.match: found {found}, wanted a pattern, as *@test.com")
    try:
        return whole(pattern)
    except NoText as error:
        raise BadHead("scope.match", f"scope.match: {error}") from None


def _take_defaults(said: Any, defaults: dict[str, str]) -> Iterator[BadHead]:
    """Fill `defaults` with what can be one; the rest comes back."""
    if not isinstance(said, dict):
        yield BadHead("defaults", f"defaults: found {kind_of(said)}, wanted a table of fields")
        return
    seen: dict[str, str] = {}
    for field, value in said.items():
        key, where = f"defaults.{field}", f"defaults.{named(field)}"
        try:
            text = _default(field, value)
        except (NoText, BadRequest, Refused) as error:
            yield BadHead(key, f"{where}: {str(error).removeprefix('malformed info: ')}")
            continue
        if field.lower() in seen:
            yield BadHead(key, f"{where}: found beside {named(seen[field.lower()])}, which is the same field")
        seen[field.lower()] = field
        defaults[field] = text


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
