"""The files of the folder: who can read them, whose they are, and whether there is room for more."""

from __future__ import annotations

import os
import re
import shlex
from glob import escape, glob
from pwd import getpwuid
from stat import S_ISREG
from typing import TYPE_CHECKING

from nwauth.changes.lines import FILE as CHANGES
from nwauth.doctor.finding import finding
from nwauth.owner import was_root
from nwauth.stores.textfile.files import open_own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nwauth.config import FlatfileConfig, StoreConfig
    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place

USER_FILES = ("nwauth.txt", "nwauth.add", "nwauth.rejected")
OTHER_FILES = ("nwauth.toml", "nwauth.lock", "nwauth.idx", "nwauth.log", CHANGES)
SECRETS = {  # of the folder, by what they hold
    "nwauth.key": "it holds the secret behind tag= in the log",
    "nwauth.throttle": "it holds who gave wrong passwords, and from where",
}
SPARE_BYTES = 16 << 20
MIB = 1 << 20
REMOUNT = "find out why (dmesg tells of a failing disk) and remount it"
# A password in a URL or a setting, but for one that is taken from the environment.
PASSWORD = re.compile(rb"://[^/@\s\"':]*:(?!\$\{)[^@\s\"']+@|^\s*bind_password\s*=\s*[\"'](?!\$\{)")


def open_to_others(place: Place) -> Iterator[Finding]:
    """No other account can read users' lines, or a password among the settings."""
    for path in _user_files(place):
        yield from _not_private(path, "it holds the users' password fields")
    for name, holds in SECRETS.items():
        path = os.path.join(place.folder, name)
        if os.path.exists(path):
            yield from _not_private(path, holds)
    line = _password_line(place.settings)
    if line:
        yield from _not_private(place.settings, f"line {line} of it holds a password", line=line)
    for folder in _folders(place):
        yield from _changeable_folder(folder)
        for path in _there(folder, OTHER_FILES):
            if not (line and path == place.settings):
                yield from _changeable(path)


def _not_private(path: str, holds: str, *, line: int = 0) -> Iterator[Finding]:
    """One finding where others can read or write a file, and reach it."""
    real = os.path.realpath(path)
    if not os.path.isfile(real):  # what it is instead is told by who cannot read it
        return
    owner = os.stat(os.path.dirname(path)).st_uid
    if owner not in (0, os.stat(real).st_uid):
        if os.path.islink(path):  # what was typed about it would be done to another's file
            yield finding(
                "leads-away",
                f"{path} leads to {real}, which belongs to {account(os.stat(real).st_uid)}",
                mend=f"see where it leads with ls -l {shlex.quote(path)}, and take the link away",
                file=path,
            )
        return
    mode = os.stat(real).st_mode & 0o006
    if mode and os.stat(os.path.dirname(real)).st_mode & 0o001:
        can = {4: "read", 2: "write", 6: "read and write"}[mode]
        yield finding(
            "open-to-others",
            f"everybody on this machine can {can} {path}: {holds}",
            mend=as_owner(owner, ["chmod", "o-rwx", path]),
            file=path,
            line=line,
        )


def _changeable(path: str) -> Iterator[Finding]:
    """One finding where others can write a file that holds no secret, and reach it."""
    real = os.path.realpath(path)
    owner, status, above = os.stat(os.path.dirname(path)).st_uid, os.stat(real), os.stat(os.path.dirname(real))
    if path != real and owner not in (0, status.st_uid):  # a link to another's file is not gone by
        return
    if S_ISREG(status.st_mode) and status.st_mode & 0o002 and above.st_mode & 0o001:
        yield writable(
            path,
            f"write {path}",
            owner=owner,
            why="Every account of this machine can change what nwauth goes by, or what its log says.",
        )


def _changeable_folder(folder: str) -> Iterator[Finding]:
    """One finding where others can put files of their own into a folder, and reach it."""
    status = os.stat(folder)
    if status.st_mode & 0o003 == 0o003 and os.stat(os.path.dirname(folder)).st_mode & 0o001:
        yield writable(
            folder,
            f"put files into the folder {folder}",
            owner=status.st_uid,
            why="Every account of this machine can put users, settings and access rules of its own there.",
        )


def writable(path: str, what: str, *, owner: int, why: str) -> Finding:
    """That others can write something: `what` they can do then, and whose command takes it from them."""
    return finding(
        "open-to-others",
        f"everybody on this machine can {what}",
        mend=as_owner(owner, ["chmod", "o-w", path]),
        file=path,
        why=why,
    )


def _folders(place: Place) -> list[str]:
    """The folder of nwauth, and those of flat files."""
    return [path for path in sorted({one.path for one in place.flat} | {place.folder}) if os.path.isdir(path)]


def _password_line(path: str) -> int:
    """The first line with a password in it; 0: none."""
    try:
        with open(open_own(path, os.O_RDONLY, links=True), "rb") as file:
            for number, line in enumerate(file, 1):
                if not line.lstrip().startswith(b"#") and PASSWORD.search(line):
                    return number
    except FileNotFoundError:
        pass
    return 0


def _user_files(place: Place) -> Iterator[str]:
    """The files that hold users' lines, and are there."""
    for one in place.flat:
        yield from _there(one.path, USER_FILES)
    for other in place.config.stores if place.config is not None else ():
        if other.kind == "sql":
            path = str(getattr(other, "url", "")).partition(":///")
            if path[0].startswith("sqlite") and os.path.isfile(path[2].partition("?")[0]):
                yield path[2].partition("?")[0]
        if other.kind == "passwd":
            yield from filter(os.path.isfile, _passwd_files(other))


def _passwd_files(store: StoreConfig) -> Iterator[str]:
    """The files that hold the password fields of a passwd store: its shadows, or where it has none, those of users."""
    template = str(getattr(store, "shadow", None) or getattr(store, "files", ""))
    yield from glob(escape(template).replace(escape("{domain}"), "*").replace("{domain}", "*"))


def _there(folder: str, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            yield path


# --- owners ----------------------------------------------------------------------------------------------------------


def owners(place: Place) -> Iterator[Finding]:
    """Every file belongs to whom the folder belongs to: it is as that account that root's commands work."""
    for folder in _folders(place):
        owner = os.stat(folder).st_uid
        for path in _there(folder, USER_FILES + OTHER_FILES):
            found = os.stat(path).st_uid
            if found != owner and not os.path.islink(path):
                yield finding(
                    "another-owner",
                    f"{path} belongs to {account(found)}, and its folder to {account(owner)}",
                    mend=_chown(folder, path, is_roots=owner == 0),
                    file=path,
                )


def _chown(folder: str, path: str, *, is_roots: bool) -> str:
    """Files go to the owner of the folder; but a folder of root's goes to the one who has files in it."""
    model, other = (path, folder) if is_roots else (folder, path)
    return shlex.join(["chown", "-h", f"--reference={model}", other])


def as_owner(uid: int, words: list[str]) -> str:
    """A command as the owner of a folder should type it: as root it would follow what that owner puts in its way."""
    return shlex.join([*(["runuser", "-u", account(uid), "--"] if was_root() and uid else []), *words])


def account(uid: int) -> str:
    """The name of an account, or its number."""
    try:
        return getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


# --- room ------------------------------------------------------------------------------------------------------------


def room(place: Place, statvfs: Callable[[str], os.statvfs_result] = os.statvfs) -> Iterator[Finding]:
    """Lines can be added, and the user file be written anew."""
    for one in place.flat:
        if os.path.isdir(one.path):
            yield from _room_in(one, statvfs(one.path))


def _room_in(one: FlatfileConfig, there: os.statvfs_result) -> Iterator[Finding]:
    folder, quoted = one.path, shlex.quote(one.path)
    if one.read_only:
        return
    if there.f_flag & os.ST_RDONLY:
        yield finding(
            "cannot-write",
            f"the disk of {folder} is mounted read-only",
            mend=f"{REMOUNT}; or set read_only = true for the store",
            file=folder,
        )
        return
    if os.stat(folder).st_uid == os.geteuid() and not os.access(folder, os.W_OK | os.X_OK):
        yield finding(
            "cannot-write", f"{folder} cannot be written by its owner", mend=f"chmod u+rwx {quoted}", file=folder
        )
    free = there.f_bavail * there.f_frsize
    wanted = sum(os.path.getsize(path) for path in _there(folder, USER_FILES[:2]))
    if free < MIB or (there.f_files and not there.f_favail):
        what = "has no room left" if free < MIB else "can take no more files"
        yield finding(
            "no-room", f"the disk of {folder} {what}", mend=f"make room there; df {quoted} shows it", file=folder
        )
    elif free < wanted + SPARE_BYTES:
        yield finding(
            "little-room",
            f"the disk of {folder} has {free // MIB:,} MiB left, and nwauth wants {(wanted + SPARE_BYTES) // MIB:,}",
            mend=f"make room there; df {quoted} shows it",
            file=folder,
        )
