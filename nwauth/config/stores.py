"""``[[stores]]``: the stores in their order, each with its route."""

from __future__ import annotations

from nwauth.config import kinds
from nwauth.config.routes import Route, read_route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nwauth.config.part import StoreConfig
    from nwauth.options import Options
    from nwauth.passwords.values import Settings

KEYS_OF_KINDS = {"url": "sql", "urls": "ldap", "command": "process"}  # that flatfile, the default, has not


def read_stores(options: Options, passwords: Settings) -> tuple[tuple[StoreConfig, ...], dict[str, Route]]:
    """Every ``[[stores]]`` of the file, and the routes of those that have one, by name.

    Raises:
        ConfigError: one cannot be used, two have the same name, or they do not go together.
    """
    found: list[StoreConfig] = []
    routes: dict[str, Route] = {}
    takers: list[str] = []
    for table in options.tables("stores"):
        one = kinds.read(_kind(table), table, passwords)
        if any(one.name == other.name for other in found):
            raise table.error("name", f'found "{one.name}" a second time, wanted a name for each of the [[stores]]')
        route = read_route(table, takers=takers)
        found.append(one)
        if route != Route():
            routes[one.name] = route
        if route.sets == "new" and not one.read_only:
            takers.append(one.name)
    return tuple(found), routes


def _kind(table: Options) -> str:
    """The kind of a store.  Raises ConfigError where none is given, and the default cannot be meant."""
    for key, kind in KEYS_OF_KINDS.items():
        if key in table and "kind" not in table:
            raise table.error("kind", f'found none beside {key}, wanted kind = "{kind}"')
    return table.choice("kind", "flatfile", kinds.KINDS)
