from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.commands.common import base

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A folder with bob, whose password is "secret" in clear text, and cheap hashes."""
    return base(str(tmp_path))


@pytest.fixture
def empty(tmp_path: Path) -> str:
    """A folder yet to be made."""
    return str(tmp_path / "mail")
