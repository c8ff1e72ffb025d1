"""The configuration: frozen values, and the reader of ``nwauth.toml`` (spec: every key typed, unknown keys refused).

- `values`: what can be said, and the defaults
- `reading`: from TOML to values; `stores`: the same for ``[[stores]]``, `routes` for how they go together
- `kinds`: one module a kind of store, its settings and how they are read; `part`: what they have in common
- `example`: the commented file that ``nwauth init`` writes

A folder without that file is served as NWAuth left it; then nothing is parsed and no parser imported.
"""

from __future__ import annotations

import errno
import os
from stat import S_ISDIR, S_ISREG

from nwauth.config.kinds.flatfile import FlatfileConfig
from nwauth.config.part import StoreConfig
from nwauth.config.values import FILE_NAME, Config, LogConfig, NamesConfig, PolicyConfig, ServerConfig
from nwauth.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FILE_NAME",
    "Config",
    "FlatfileConfig",
    "LogConfig",
    "NamesConfig",
    "PolicyConfig",
    "ServerConfig",
    "StoreConfig",
    "read",
]


def read(folder: str, *, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration of `folder`; without ``nwauth.toml`` its flat files, shared (so does a folder that is absent).

    Raises:
        ConfigError: the file is there and cannot be used.
    """
    folder = os.path.normpath(folder or ".")
    file = os.path.normpath(os.path.join(folder, FILE_NAME))
    try:
        with open(file, "rb", opener=without_waiting) as opened:
            content = opened.read()
    except FileNotFoundError:
        if os.path.islink(file):  # its target is gone: not the same as "never configured"
            raise ConfigError(f"{file}: found a link to {os.readlink(file)}, which is not there") from None
        return Config(folder=folder)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    from nwauth.config.reading import parsed

    return parsed(content, file=file, folder=folder, environ=environ)


NO_REGULAR, A_FOLDER = "it is no regular file", "it is a folder"


def without_waiting(path: str, flags: int) -> int:
    """An opener for `open`, of plain files alone: a read of a FIFO could hang.  Raises OSError."""
    fd = os.open(path, flags | os.O_NONBLOCK)
    mode = os.fstat(fd).st_mode
    if not S_ISREG(mode):
        os.close(fd)
        raise OSError(errno.EISDIR, A_FOLDER) if S_ISDIR(mode) else OSError(errno.EINVAL, NO_REGULAR)
    return fd
