"""An external module."""

from __future__ import annotations

from nwauth.stores.process import ProcessStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nwauth.config.kinds.process import ProcessConfig
    from nwauth.stores.base import Store
    from nwauth.stores.health import Notice


def make(config: ProcessConfig, notice: Notice | None) -> Store:
    """The store that `config` describes."""
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
