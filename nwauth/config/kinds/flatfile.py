"""``kind = "flatfile"``: a folder with ``nwauth.txt`` and ``nwauth.add``."""

from __future__ import annotations

from nwauth.config.part import MAX_SECONDS, SHARED_SCHEME, StoreConfig, settling_patience

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, Self

    from nwauth.options import Options
    from nwauth.passwords.values import Settings

MAX_BYTES = 2**40


class FlatfileConfig(StoreConfig):
    """A folder of flat files (spec/stores.md section 1).

    `new_scheme` and `upgrade` are what holds, not what was asked: a shared folder gets `SHARED_SCHEME` and no
    upgrade whatever is given here, a read-only one no upgrade.  `max_journal_bytes` None: a tenth of ``nwauth.txt``,
    from 1 to 2 MiB.
    """

    __slots__ = (
        "max_journal_bytes",
        "name",
        "new_scheme",
        "path",
        "patience_seconds",
        "read_only",
        "settle_seconds",
        "shared",
        "upgrade",
    )
    kind: Final = "flatfile"
    star_is_clear: Final = True

    def __init__(
        self,
        *,
        path: str,
        name: str = "flatfile",
        shared: bool = True,
        settle_seconds: float = 2.0,
        max_journal_bytes: int | None = None,
        new_scheme: str = "argon2id",
        upgrade: bool = True,
        read_only: bool = False,
        patience_seconds: float = 0.0,
    ) -> None:
        self.path: Final = path
        self.name: Final = name
        self.shared: Final = shared
        self.settle_seconds: Final = settle_seconds
        self.max_journal_bytes: Final = max_journal_bytes
        self.new_scheme: Final = SHARED_SCHEME if shared else new_scheme
        self.upgrade: Final = upgrade and not shared and not read_only
        self.read_only: Final = read_only
        self.patience_seconds: Final = patience_seconds

    def patient(self, seconds: float) -> Self:
        return self.changed(patience_seconds=settling_patience(seconds, self.settle_seconds))


def read(table: Options, passwords: Settings) -> FlatfileConfig:
    """The settings of one ``[[stores]]`` of this kind.  Raises ConfigError."""
    from nwauth.passwords.values import SCHEMES_MADE

    given = FlatfileConfig(path="")
    shared = table.boolean("shared", given.shared)
    read_only = table.boolean("read_only", given.read_only)
    upgrade = table.boolean("upgrade", None)
    scheme = table.choice("scheme", None, SCHEMES_MADE)
    if shared and upgrade:
        raise table.error(
            "upgrade", "found true with shared = true, wanted false: what shares the folder reads only ssha"
        )
    if shared and scheme not in {None, SHARED_SCHEME}:
        raise table.error("scheme", f'found "{scheme}" with shared = true, wanted "{SHARED_SCHEME}" or shared = false')
    if read_only and upgrade:
        raise table.error("upgrade", "found true with read_only = true, wanted false: an upgrade is a write")
    return FlatfileConfig(
        path=table.path("path", "."),
        name=table.text("name", given.name, wanted="a name") or given.name,
        shared=shared,
        settle_seconds=table.number("settle_seconds", given.settle_seconds, minimum=0, maximum=MAX_SECONDS),
        max_journal_bytes=table.integer("max_journal_bytes", None, minimum=1, maximum=MAX_BYTES, or_word="auto"),
        new_scheme=scheme or passwords.scheme,
        upgrade=passwords.upgrade if upgrade is None else upgrade,
        read_only=read_only,
    )
