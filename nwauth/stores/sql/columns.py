"""Which column of somebody else's table holds what."""

from __future__ import annotations

from nwauth.model import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Final


class Columns(Record):
    """Which column holds what; None where the table has none.

    `info` maps info fields to columns, both ways; `info_text` holds all other info as it stands.  `read_only` lists
    columns that are never written.
    """

    __slots__ = ("drop_path", "info", "info_text", "ip_mask", "name", "password", "read_only", "uid")

    def __init__(
        self,
        *,
        name: str,
        password: str,
        drop_path: str | None = None,
        uid: str | None = None,
        ip_mask: str | None = None,
        info: Mapping[str, str] | None = None,
        info_text: str | None = None,
        read_only: Sequence[str] = (),
    ) -> None:
        self.name: Final = name
        self.password: Final = password
        self.drop_path: Final = drop_path
        self.uid: Final = uid
        self.ip_mask: Final = ip_mask
        self.info: Final = tuple((info or {}).items())
        self.info_text: Final = info_text
        self.read_only: Final = tuple(read_only)

    def mapped(self) -> list[str]:
        """Every column that is named, in a fixed order."""
        single = [self.name, self.password, self.drop_path, self.uid, self.ip_mask, self.info_text]
        return [column for column in single if column is not None] + [column for _, column in self.info]
