"""What is set in nwauth.toml, or said in policy.toml, and has no effect."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from nwauth.config import read, without_waiting
from nwauth.config.kinds.ldap import LdapConfig
from nwauth.config.routes import COMMANDS
from nwauth.doctor.finding import finding
from nwauth.names import fold
from nwauth.options import parsed_toml
from nwauth.policy.faults import Places

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from nwauth.config import Config
    from nwauth.config.part import StoreConfig
    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place
    from nwauth.doctor.rules_file import Reading

    Tables = Mapping[str, Any]
    Idle = Iterator[tuple[str, str]]  # a dotted key that is given, and why it has no effect

OF_NEW_NAMES = ("allow_ats", "allow_high_ascii", "badchar", "badchar_localpart")
OF_NEW_USERS = ("new_gid", "new_home", "new_shell", "new_uid")
OF_CHANGES = ("do_del", "do_set", "match_del", "match_set")
LISTED = re.compile(r"@([^\s,;@\"']+)")


def settings(place: Place) -> Iterator[Finding]:
    """Every key of nwauth.toml has an effect, and every store is asked for somebody."""
    config = place.config
    if config is None or config.file is None or len(config.stores) < len(read(config.folder).stores):
        return
    with open(place.settings, "rb", opener=without_waiting) as file:
        content = file.read()
    tables, places = parsed_toml(content, place.settings), Places(content.decode().removeprefix("\ufeff"))
    for key, why in (*_of_passwords(config, tables), *_of_all(config, tables), *_of_stores(config, tables)):
        line = places.line_of(key) or places.line_of(re.sub(r"\[\d+\]", "", key))
        yield finding(
            "idle-setting",
            f"{place.settings}: {f'line {line}: ' if line else ''}{key} has no effect: {why}",
            mend=f"take it out of {f'line {line} of ' if line else ''}{place.settings}, or mend what keeps it from"
            " having one",
            file=place.settings,
            line=line,
        )
    yield from _unasked(place, config)


def _of_passwords(config: Config, tables: Tables) -> Idle:
    """The scheme of new passwords; costs are left alone, which ``nwauth hash make`` goes by, too."""
    given = tables.get("passwords", {})
    own = [one for one in config.stores if not one.verifies]
    made = {one.new_scheme for one in own} | ({config.passwords.scheme} if not own else set())
    if "scheme" in given and config.passwords.scheme not in made:
        yield "passwords.scheme", f"no store takes it: new passwords are {_among(made)}"
    if given.get("upgrade") is True and not any(one.upgrade for one in config.stores):
        yield "passwords.upgrade", "no store takes upgrades: each is shared, or only read"


def _among(words: set[str]) -> str:
    return " or ".join(sorted(words))


def _of_all(config: Config, tables: Tables) -> Idle:
    if all(one.read_only for one in config.stores):
        for key in OF_NEW_NAMES:
            if key in tables.get("names", {}):
                yield f"names.{key}", "it is about new users, and every store is only read"
    if config.log.file == "null":
        for key in ("format", "level"):
            if key in tables.get("log", {}):
                yield f"log.{key}", 'file = "null": there is no log'
    if "class_field" in tables.get("policy", {}) and not os.path.lexists(config.policy.file):
        yield "policy.class_field", f"there are no access rules ({os.path.abspath(config.policy.file)} is not there)"


def _of_stores(config: Config, tables: Tables) -> Idle:
    given = tables.get("stores", [])
    for at, (one, table) in enumerate(zip(config.stores, given, strict=False)):
        for key, why in _of_store(one, table, is_last=at == len(given) - 1):
            yield f"stores[{at}].{key}", why


def _of_store(one: StoreConfig, table: Tables, *, is_last: bool) -> Idle:
    if one.read_only:
        for key in (*OF_CHANGES, *OF_NEW_USERS, "max_journal_bytes"):
            if key in table:
                yield key, "the store is only read"
    for command in COMMANDS:
        if table.get(f"do_{command}") is False and f"match_{command}" in table:
            yield f"match_{command}", f"do_{command} = false"
    if is_last and table.get("fall_through_when_down") is True:
        yield "fall_through_when_down", "it is the last store: there is none to fall through to"
    if isinstance(one, LdapConfig):
        yield from _of_directory(one, table)


def _of_directory(one: LdapConfig, table: Tables) -> Idle:
    if not one.security.start_tls and all(url.lower().startswith("ldap://") for url in one.urls):
        for key in ("ca_file", "check_certificate"):
            if key in table:
                yield key, "no connection is encrypted: neither ldaps:// nor start_tls = true"
    if not one.people.compares and "password" in table.get("attributes", {}):
        yield "attributes.password", 'mode = "bind" reads no password'


def _unasked(place: Place, config: Config) -> Iterator[Finding]:
    """A store that is asked for nobody, and to which nobody moves."""
    targets = {route.migrate_to for route in config.routes.values()}
    for one in config.stores:
        route = config.routes.get(one.name)
        if route is None or one.name in targets or route.match["lookup"] or route.match["check"]:
            continue
        yield finding(
            "store-unasked",
            f"store {one.name} has do_lookup = false and do_check = false",
            mend=f"take one of them out of the store {one.name} in {place.settings}, or the store",
            file=place.settings,
        )


# --- the access rules ------------------------------------------------------------------------------------------------


def lists(_place: Place, reading: Reading) -> Iterator[Finding]:
    """Every list is named by a rule, or the throttle."""
    tables = reading.tables
    used = {fold(word) for word in _named({key: value for key, value in tables.items() if key != "lists"})}
    for name in tables.get("lists", {}):
        if fold(name) not in used:
            line = reading.line_of(f"lists.{name}")
            yield finding(
                "list-unused",
                f"{reading.where(line)}no rule names the list {name}",
                mend=f"take it out {reading.in_line(line)}; or name it in a rule, as @{name}",
                file=reading.file,
                line=line,
            )


def _named(value: object) -> Iterator[str]:
    """The lists that texts name, however deep they lie."""
    if isinstance(value, str):
        yield from LISTED.findall(value)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner)
