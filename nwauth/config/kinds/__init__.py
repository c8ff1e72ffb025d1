"""``[[stores]]``: a module for each kind, with its settings as a class and `read`, which makes them of a table.

A module is imported when its kind is met: a child serves one or two of them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nwauth.config.part import StoreConfig
    from nwauth.options import Options
    from nwauth.passwords.values import Settings

KINDS = ("flatfile", "sql", "passwd", "system", "ldap", "process")


def read(kind: str, table: Options, passwords: Settings) -> StoreConfig:
    """The settings of a store of this kind.

    Raises:
        ConfigError: one cannot be used.
    """
    module = __import__(f"{__name__}.{kind}", fromlist=["read"])  # importlib is a start of its own
    found: StoreConfig = module.read(table, passwords)
    return found
