"""The folder of the journal of changes, and of what undo restores."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nwauth.config import Config


def changes_folder(config: Config) -> str:
    """The folder of the journal of changes: that of the settings.

    Where that is root's, and the command works as the owner of a store's folder, it is that one: he may write there.
    """
    for folder in (config.folder, *(store.path for store in config.stores)):
        try:
            if os.stat(folder).st_uid == os.geteuid():
                return folder
        except OSError:  # no such folder
            continue
    return config.folder
