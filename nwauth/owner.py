"""Root's commands work as the owner of the folder, so that they can never lock the server's children out of it."""

from __future__ import annotations

import os

# What our modules import on use, and what those import on use; tests/test_owner.py compares it with their sources.
ON_USE = (
    "_argon2_cffi_bindings",
    "_blake2",
    "argon2._utils",
    "argon2.low_level",
    "array",
    "base64",
    "bcrypt",
    "binascii",
    "ctypes",
    "datetime",
    "encodings.idna",
    "hashlib",
    "heapq",
    "hmac",
    "ipaddress",
    "itertools",
    "json",
    "linecache",
    "operator",
    "passlib.exc",
    "passlib.hash",
    "pwd",
    "re",
    "secrets",
    "select",
    "signal",
    "syslog",
    "tempfile",
    "time",
    "tomllib",
    "traceback",
    "unicodedata",
    "warnings",
)


def become_owner(folder: str) -> None:
    """If this is root and `folder` belongs to another, take the ids of its owner, for good.

    All that may be needed is imported first: the interpreter may lie where that owner cannot read.  Raises OSError.
    """
    if os.geteuid() != 0:
        return
    try:
        status = os.stat(folder)
    except OSError:
        return  # no folder: the store says so
    if status.st_uid == 0:
        return
    _import_all()
    os.setgroups(_groups_of(status.st_uid, status.st_gid))
    os.setgid(status.st_gid)
    os.setuid(status.st_uid)


def _groups_of(uid: int, gid: int) -> list[int]:
    from pwd import getpwuid

    try:
        return os.getgrouplist(getpwuid(uid).pw_name, gid)
    except KeyError:  # an id without a name
        return [gid]


def _import_all() -> None:
    """Import every module of ours and what they import on use."""
    from importlib import import_module
    from pkgutil import walk_packages

    import nwauth

    for module in walk_packages(nwauth.__path__, "nwauth."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    for name in ON_USE:
        import_module(name)
