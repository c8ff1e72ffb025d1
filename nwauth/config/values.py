"""The configuration as frozen values: what an administrator can say, with its defaults."""

from __future__ import annotations

import os

from nwauth.config.kinds.flatfile import FlatfileConfig
from nwauth.config.part import Part
from nwauth.names import BAD_CHARACTERS
from nwauth.passwords.values import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

    from nwauth.config.part import StoreConfig
    from nwauth.config.routes import Route

FILE_NAME = "nwauth.toml"
LOG_NAME = "nwauth.log"
POLICY_NAME = "policy.toml"
LEVELS = ("error", "info", "debug")
FORMATS = ("text", "ndjson")
ADDRESSES = ("auto", "always", "never")
LOG_WORDS = ("syslog", "null")  # destinations of the log that are no file


class ServerConfig(Part):
    """How a request is read; `address` is one of `ADDRESSES` (spec/protocol.md, check)."""

    __slots__ = ("address",)

    def __init__(self, *, address: str = "auto") -> None:
        self.address: Final = address


class NamesConfig(Part):
    """Which names may be added, and the domain of those that have none (spec/protocol.md section 4)."""

    __slots__ = ("allow_ats", "allow_high_ascii", "badchar", "badchar_localpart", "default_domain")

    def __init__(
        self,
        *,
        default_domain: str = "",
        allow_ats: bool = False,
        allow_high_ascii: bool = False,
        badchar: str = BAD_CHARACTERS,
        badchar_localpart: str = "",
    ) -> None:
        self.default_domain: Final = default_domain
        self.allow_ats: Final = allow_ats
        self.allow_high_ascii: Final = allow_high_ascii
        self.badchar: Final = badchar
        self.badchar_localpart: Final = badchar_localpart


class LogConfig(Part):
    """Where the log goes (a path, or one of `LOG_WORDS`), how much of it, and its form."""

    __slots__ = ("file", "format", "level")

    def __init__(self, *, file: str, level: str = "error", format: str = "text") -> None:  # noqa: A002, the key's name
        self.file: Final = file
        self.level: Final = level
        self.format: Final = format


class PolicyConfig(Part):
    """The file of the access rules, whether it was named and so must be there, and the info field with the classes."""

    __slots__ = ("class_field", "file", "named")

    def __init__(self, *, file: str, named: bool = False, class_field: str = "mailaccess") -> None:
        self.file: Final = file
        self.named: Final = named
        self.class_field: Final = class_field


class Config(Part):
    """Everything an administrator can say.  `file` is None where there is no ``nwauth.toml`` in `folder`.

    `routes` are by the stores' names; one that has none is asked for every name.
    """

    __slots__ = ("file", "folder", "log", "names", "passwords", "policy", "routes", "server", "stores")

    def __init__(
        self,
        *,
        folder: str,
        file: str | None = None,
        stores: tuple[StoreConfig, ...] = (),
        routes: Mapping[str, Route] | None = None,
        server: ServerConfig | None = None,
        names: NamesConfig | None = None,
        passwords: Settings | None = None,
        log: LogConfig | None = None,
        policy: PolicyConfig | None = None,
    ) -> None:
        self.folder: Final = folder
        self.file: Final = file
        self.stores: Final[tuple[StoreConfig, ...]] = stores or (FlatfileConfig(path=folder),)
        self.routes: Final = dict(routes or {})
        self.server: Final = server or ServerConfig()
        self.names: Final = names or NamesConfig()
        self.passwords: Final = passwords or Settings()
        self.log: Final = log or LogConfig(file=os.path.join(folder, LOG_NAME))
        self.policy: Final = policy or PolicyConfig(file=os.path.join(folder, POLICY_NAME))

    def is_plain(self) -> bool:
        """Whether there is one store, which is asked for every name as it stands."""
        if len(self.stores) > 1:
            return False
        route = self.routes.get(self.stores[0].name)
        return route is None or route.is_plain()
