"""Settings that are written down, and read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.config import read

if TYPE_CHECKING:
    from pathlib import Path

    from nwauth.config import Config


def written(folder: Path, toml: str) -> Config:
    """The configuration of a folder whose settings these are."""
    (folder / "nwauth.toml").write_text(toml)
    return read(str(folder), environ={})
