"""Which names of which commands a store is asked for, and what it takes (spec/stores.md section 6)."""

from __future__ import annotations

from nwauth.config.part import Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

    from nwauth.options import Options

COMMANDS = ("lookup", "check", "set", "del", "search")
SETS = ("new", "existing", "never")


class Route(Part):
    """How a store takes part among several.

    `match` are patterns of names, by command: none, where it is not asked.  `sets` is one of `SETS`: whether it takes
    new users, changes of its own only, or neither; `deletes`: whether it takes deletions.  `falls_through`: the stores
    after it hold other people, and are asked while it is down.
    """

    __slots__ = ("deletes", "falls_through", "match", "migrate_to", "sets", "strip_prefix", "strip_suffix")

    def __init__(
        self,
        *,
        match: Mapping[str, tuple[str, ...]] | None = None,
        sets: str = "new",
        deletes: bool = True,
        falls_through: bool = False,
        strip_prefix: str = "",
        strip_suffix: str = "",
        migrate_to: str | None = None,
    ) -> None:
        self.match: Final = dict(match or dict.fromkeys(COMMANDS, ("*",)))
        self.sets: Final = sets
        self.deletes: Final = deletes
        self.falls_through: Final = falls_through
        self.strip_prefix: Final = strip_prefix
        self.strip_suffix: Final = strip_suffix
        self.migrate_to: Final = migrate_to

    def is_plain(self) -> bool:
        """Whether the store is asked for every name as it stands, and takes what it can."""
        return self == Route(falls_through=self.falls_through)


def read_route(table: Options, *, takers: list[str]) -> Route:
    """The route of one ``[[stores]]``; `takers` are the earlier ones that take new users.  Raises ConfigError."""
    match = _patterns(table, "match", ("*",))
    by_command = {command: _patterns(table, f"match_{command}", match) for command in COMMANDS}
    for command in ("lookup", "check", "search"):
        if not table.boolean(f"do_{command}", True):
            by_command[command] = ()
    return Route(
        match=by_command,
        sets=_sets(table),
        deletes=table.boolean("do_del", True),
        falls_through=table.boolean("fall_through_when_down", False),
        strip_prefix=table.text("strip_prefix", ""),
        strip_suffix=table.text("strip_suffix", ""),
        migrate_to=_target(table, takers),
    )


def _patterns(table: Options, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    found = table.texts(key, default, or_one=True)
    if not all(found):
        raise table.error(key, 'found an empty pattern, wanted names with * and ?, as "*@test.com"')
    if not found:  # nobody would be known, and mail bounce; what is meant so has a word of its own
        raise table.error(key, 'found no pattern, wanted one at least, as "*@test.com"')
    return found


def _sets(table: Options) -> str:
    """``do_set``: true, false, or "existing", as MultiAuth has it."""
    found = table.boolean_or("do_set", True, ("existing",))
    return found if isinstance(found, str) else "new" if found else "never"


def _target(table: Options, takers: list[str]) -> str | None:
    target = table.text("migrate_to", None)
    if target is not None and target not in takers:
        wanted = f"an earlier store that takes new users: {', '.join(takers) or 'there is none'}"
        raise table.error("migrate_to", f'found "{target}", wanted {wanted}')
    return target
