"""``kind = "process"``: another program of this protocol."""

from __future__ import annotations

import os

from nwauth.config.part import MAX_WAIT_SECONDS, StoreConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final, Self

    from nwauth.options import Options
    from nwauth.passwords.values import Settings

PATIENT_SECONDS = 10.0  # a module that hangs is to be told of soon, whoever asks
ADDRESSES = ("auto", "always", "never")
FIELDS = ("all", "changed")
WANTED_COMMAND = (
    'an array of the program and its options, as ["/usr/local/dmail/odbcauth", "-path", "/usr/local/dmail"]'
)


class ProcessConfig(StoreConfig):
    """A module that is spawned and kept (spec/stores.md section 6).

    `command` and `environment` may hold passwords; `folder` is the one that the module is started in.  The module
    hashes by itself: it is given new passwords in the clear.
    """

    __slots__ = (
        "address",
        "command",
        "dead_texts",
        "environment",
        "folder",
        "lists_in_order",
        "name",
        "path",
        "read_only",
        "send_fields",
        "timeout_seconds",
    )
    SECRET = ("command", "environment")
    kind: Final = "process"
    new_scheme: Final = "clear"
    verifies: Final = True

    def __init__(
        self,
        *,
        path: str,
        command: tuple[str, ...],
        name: str = "process",
        folder: str = ".",
        environment: Mapping[str, str] | None = None,
        timeout_seconds: float = 5.0,
        address: str = "auto",
        send_fields: str = "all",
        lists_in_order: bool = False,
        dead_texts: tuple[str, ...] = (),
        read_only: bool = False,
    ) -> None:
        self.path: Final = path
        self.command: Final = command
        self.name: Final = name
        self.folder: Final = folder
        self.environment: Final = environment or {}
        self.timeout_seconds: Final = timeout_seconds
        self.address: Final = address
        self.send_fields: Final = send_fields
        self.lists_in_order: Final = lists_in_order
        self.dead_texts: Final = dead_texts
        self.read_only: Final = read_only

    def patient(self, seconds: float) -> Self:
        return self.changed(timeout_seconds=max(self.timeout_seconds, min(seconds, PATIENT_SECONDS)))


def read(table: Options, _passwords: Settings) -> ProcessConfig:
    """The settings of one ``[[stores]]`` of this kind.  Raises ConfigError."""
    given = ProcessConfig(path="", command=())
    return ProcessConfig(
        path=table.folder or ".",
        command=_command(table),
        name=table.text("name", given.name, wanted="a name") or given.name,
        folder=table.path("folder", "."),
        environment=_environment(table),
        timeout_seconds=table.number("timeout_seconds", given.timeout_seconds, minimum=0.1, maximum=MAX_WAIT_SECONDS),
        address=table.choice("address", given.address, ADDRESSES),
        send_fields=table.choice("send_fields", given.send_fields, FIELDS),
        lists_in_order=table.boolean("lists_in_order", given.lists_in_order),
        dead_texts=_dead_texts(table),
        read_only=table.boolean("read_only", given.read_only),
    )


def _command(table: Options) -> tuple[str, ...]:
    """The program and its words; a program with a slash is taken from the folder of the settings."""
    words = table.texts("command", ())
    if not words or not words[0]:
        raise table.error("command", f"found nothing, wanted {WANTED_COMMAND}")
    for at, word in enumerate(words):
        if "\0" in word:
            raise table.error(f"command[{at}]", "found a NUL byte, wanted a word that a program can be given")
    if "/" not in words[0]:
        if " " in words[0]:
            raise table.error("command", f"found one string with blanks, wanted {WANTED_COMMAND}")
        return words
    return os.path.abspath(os.path.join(table.folder, words[0])), *words[1:]


def _environment(table: Options) -> dict[str, str]:
    found = table.mapping("environment")
    for name, value in found.items():
        if not name or "=" in name or "\0" in name + value:
            raise table.error("environment", "found a name or value that no environment can hold")
    return found


def _dead_texts(table: Options) -> tuple[str, ...]:
    texts = table.texts("dead_texts", ())
    if any(not text.strip() for text in texts):
        raise table.error("dead_texts", "found an empty string, which stands in every text")
    return texts
