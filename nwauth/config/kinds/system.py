"""``kind = "system"``: the accounts of the operating system."""

from __future__ import annotations

from nwauth.config.part import StoreConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from nwauth.options import Options
    from nwauth.passwords.values import Settings

PASSWORDS = ("auto", "pam", "shadow")
MOST_UID = 2**32 - 3
MAX_WAIT_SECONDS = 9.0  # the mail server waits for 10
WANTED_PATH = '"config", or a path that begins with / or {home}, in it {home} and {name}, no blanks or quotes'
_SERVICE_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_.-")


class SystemConfig(StoreConfig):
    """The system's accounts (spec/stores.md section 4), which are never changed here.

    `path` is the folder whose owner root becomes: that of the settings.  `max_uid` None: no limit.  `walk`: whether all
    accounts may be listed to find one without regard to case.  `passwords` is one of `PASSWORDS`.
    """

    __slots__ = (
        "drop_path",
        "max_uid",
        "min_uid",
        "name",
        "pam_service",
        "pam_timeout_seconds",
        "passwords",
        "path",
        "unix_case",
        "walk",
    )
    kind: Final = "system"
    new_scheme: Final = "yescrypt"  # the time that an unknown user costs is that of current systems' passwords

    def __init__(
        self,
        *,
        path: str,
        name: str = "system",
        min_uid: int = 1000,
        max_uid: int | None = None,
        unix_case: bool = False,
        walk: bool = True,
        drop_path: str = "config",
        passwords: str = "auto",
        pam_service: str = "nwauth",
        pam_timeout_seconds: float = 8.0,
    ) -> None:
        self.path: Final = path
        self.name: Final = name
        self.min_uid: Final = min_uid
        self.max_uid: Final = max_uid
        self.unix_case: Final = unix_case
        self.walk: Final = walk
        self.drop_path: Final = drop_path
        self.passwords: Final = passwords
        self.pam_service: Final = pam_service
        self.pam_timeout_seconds: Final = pam_timeout_seconds

    @property
    def verifies(self) -> bool:
        from nwauth.stores.system import pam

        return self.passwords == "pam" or (self.passwords == "auto" and pam.is_installed())


def read(table: Options, _passwords: Settings) -> SystemConfig:
    """The settings of one ``[[stores]]`` of this kind.  Raises ConfigError."""
    given = SystemConfig(path="")
    if not table.boolean("read_only", True):
        raise table.error(
            "read_only", "found false, wanted true: the system's accounts are changed by useradd, passwd..."
        )
    min_uid = table.integer("min_uid", given.min_uid, minimum=0, maximum=MOST_UID)
    max_uid = table.integer("max_uid", None, minimum=0, maximum=MOST_UID)
    if max_uid is not None and max_uid < min_uid:
        raise table.error("max_uid", f"found {max_uid}, wanted min_uid ({min_uid}) or more")
    return SystemConfig(
        path=table.folder,
        name=table.text("name", given.name, wanted="a name") or given.name,
        min_uid=min_uid,
        max_uid=max_uid,
        unix_case=table.boolean("unix_case", given.unix_case),
        walk=table.boolean("walk", given.walk),
        drop_path=_drop_path(table, given.drop_path),
        passwords=table.choice("passwords", given.passwords, PASSWORDS),
        pam_service=_pam_service(table, given.pam_service),
        pam_timeout_seconds=table.number(
            "pam_timeout_seconds", given.pam_timeout_seconds, minimum=0.5, maximum=MAX_WAIT_SECONDS
        ),
    )


def _drop_path(table: Options, default: str) -> str:
    found = table.text("drop_path", default, wanted=WANTED_PATH)
    fixed = found.replace("{home}", "").replace("{name}", "")
    is_word = found.isprintable() and not any(character in ' "{}' for character in fixed)
    if found != default and not (is_word and found.startswith(("/", "{home}"))):
        raise table.error("drop_path", f"found {found!a}, wanted {WANTED_PATH}")
    return found


def _pam_service(table: Options, default: str) -> str:
    found = table.text("pam_service", default, wanted="a name")
    if not found or found.startswith(".") or not _SERVICE_CHARACTERS.issuperset(found):
        raise table.error(
            "pam_service", f"found {found!a}, wanted the name of a file in /etc/pam.d, in a-z, 0-9, _, - and ."
        )
    return found
