"""An external module."""

from __future__ import annotations

import os

from nwauth.config import FILE_NAME
from nwauth.errors import ConfigError
from nwauth.stores.process import ProcessStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nwauth.config.kinds.process import ProcessConfig
    from nwauth.stores.base import Store
    from nwauth.stores.health import Notice


def make(config: ProcessConfig, notice: Notice | None) -> Store:
    """The store that `config` describes.

    Raises:
        ConfigError: it would have root run what somebody else can write down.
    """
    _must_be_roots(config.path)
    return ProcessStore(
        config.command,
        name=config.name,
        folder=config.folder,
        environment=config.environment,
        timeout_seconds=config.timeout_seconds,
        address=config.address,
        send_fields=config.send_fields,
        lists_in_order=config.lists_in_order,
        dead_texts=config.dead_texts,
        read_only=config.read_only,
        notice=notice,
    )


def _must_be_roots(folder: str) -> None:
    """Raises ConfigError where a child of root would run what the owner of the settings has it run."""
    if os.geteuid() != 0:
        return
    for path in (folder, os.path.join(folder, FILE_NAME)):
        if os.path.exists(path) and os.stat(path).st_uid != 0:
            raise ConfigError(
                f"this child runs as root, and the owner of {path} could have it run anything: chown root {path}, or"
                " have the mail server start its children as that account"
            )
