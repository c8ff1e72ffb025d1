"""Whether flat files become nwauth's own: what ``nwauth init`` asks before others can no longer read what it writes."""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING

import click

from nwauth.commands.shown import shown_path
from nwauth.commands.terminal import ask_yes, is_interactive
from nwauth.config import FILE_NAME
from nwauth.errors import Refused
from nwauth.stores.textfile import files

if TYPE_CHECKING:
    from nwauth.commands.session import Session

MOST_BYTES = 1 << 20  # of settings
ONE_WAY = (
    "{folder} holds a user base that NWAuth, SurgeMail or others may still read. Made nwauth's own, it gets passwords"
    " that they cannot read, at every change and at the users' next logins, and there is no way back; --shared keeps"
    " it as it is."
)
OWN_ALREADY = "note: {folder} is nwauth's own already ({folder}/{name} says shared = false): its users stay as they are"


def confirm_one_way(session: Session, folder: str | None, *, shared: bool) -> None:
    """If there is a base of NWAuth's: say what shared = false means for it, and ask.

    Raises:
        Refused: the answer is no.
        click.UsageError: there is nobody to ask.
    """
    if shared or folder is None or not holds_base(folder):
        return
    text = ONE_WAY.format(folder=shown_path(folder))
    if session.choices.yes:
        session.note(f"note: {text}")
        return
    if not is_interactive():
        raise click.UsageError(f"{text} Say which: --shared, or --yes to make it nwauth's own")
    if not ask_yes(f"{text}\nMake it nwauth's own?"):
        raise Refused("nothing was made; --shared keeps the base readable for the others")


def confirm_elsewhere(session: Session, folder: str | None, *, shared: bool) -> None:
    """The same of flat files in another folder than that of the settings; they may be nwauth's own there already.

    Raises:
        Refused: the answer is no.
        click.UsageError: there is nobody to ask.
    """
    if folder is not None and not shared and _is_own(folder):
        session.note(OWN_ALREADY.format(folder=shown_path(folder), name=FILE_NAME))
    else:
        confirm_one_way(session, folder, shared=shared)


def _is_own(folder: str) -> bool:
    """Whether settings in the folder say of its flat files that they are nwauth's own.

    No more of them is made use of: root looks here before it is the owner of any folder.
    """
    try:
        fd = files.open_own(os.path.join(folder, FILE_NAME), os.O_RDONLY)
        with open(fd, "rb") as file:
            stores = tomllib.loads(file.read(MOST_BYTES).decode()).get("stores", [])
    except (OSError, ValueError):
        return False
    return any(_is_own_store(one, folder) for one in (stores if isinstance(stores, list) else []))


def _is_own_store(one: object, folder: str) -> bool:
    if not isinstance(one, dict) or one.get("kind", "flatfile") != "flatfile" or one.get("shared") is not False:
        return False
    path = os.path.join(folder, str(one.get("path", ".")))
    return os.path.realpath(path) == os.path.realpath(folder)


def holds_base(folder: str) -> bool:
    """Whether there are flat files."""
    return any(files.identify(os.path.join(folder, name)) for name in ("nwauth.txt", "nwauth.add"))
