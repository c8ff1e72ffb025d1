"""What comes next in the first ten minutes: told by ``init``, and where the first user is added and tried."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from nwauth.commands.shown import as_text, shown_path, visible
from nwauth.errors import NwauthError
from nwauth.stores.around import innermost
from nwauth.stores.flatfile import FlatfileStore

if TYPE_CHECKING:
    from nwauth.commands.session import Session
    from nwauth.dmail.values import DmailConf

MOST_BYTES = 4096  # of flat files that may hold one user alone


def note_next_steps(session: Session, folder: str, *, dmail: DmailConf | None = None) -> None:
    """Behind ``init``: the first user, what to tell the mail server, and what else to see to.

    `dmail`: the settings were made to fit it, and it stays as it is about names: users are called what it asks for.
    """
    names = "    authent_domain true\n    lowercase_username true\n" if dmail is None else ""
    name = "NAME@DOMAIN" if dmail is None or dmail.authent_domain else "NAME"
    check_all = "doctor" if dmail is None else f"doctor --dmail-conf {_word(dmail.file)}"
    line = f"{_this_command()} -path {as_text(folder)}"
    first = "Now try a login:\n"
    if session.takers():  # the system's accounts and password files of others get no users from here
        first = f"Now add a user, and try a login:\n    {_typed(session, f'user add {name}')}\n"
    session.note(
        f"\n{first}"
        f"    {_typed(session, f'test {name}')}\n"
        "Then tell the mail server, and restart it. In dmail.conf:\n"
        "    authent_method external\n"
        f"    authent_process {visible(line)}\n"
        f"{names}"
        "In surgemail.ini:\n"
        f'    g_authent_process "{visible(line)}"\n'
        "At the end, check all of it:\n"
        f"    {_typed(session, check_all)}"
    )
    if os.stat(folder).st_uid == 0:
        place = shown_path(folder)
        session.note(f"{place} belongs to root: if the mail server runs as another, chown -R ACCOUNT: {place}")


def note_first_user(session: Session, name: str) -> None:
    """Behind ``user add``, if it was the first: how the login is tried."""
    if _is_only_user(session):
        session.note(f"Try a login:\n    {_typed(session, f'test {_word(name)}')}")


def note_first_login(session: Session) -> None:
    """Behind the first login that was tried well: how the mail server gets to know of it."""
    if _is_only_user(session):
        session.note(
            f"To see the lines for the mail server's settings again:\n    {_typed(session, 'init')}\n"
            f"To add more users, and to check everything:\n    {_typed(session, 'user add --help')}\n"
            f"    {_typed(session, 'doctor')}"
        )


def _is_only_user(session: Session) -> bool:
    """Whether somebody at a terminal has flat files with one user in them; nothing is read of long ones."""
    store = innermost(session.store)
    if session.choices.quiet or not os.isatty(2) or not isinstance(store, FlatfileStore):
        return False
    try:
        sizes = [os.stat(path).st_size for path in (store.folder.txt, store.folder.add) if os.path.exists(path)]
        return sum(sizes) < MOST_BYTES and sum(1 for _ in store.search()) == 1
    except (OSError, NwauthError):
        return False


def _typed(session: Session, words: str) -> str:
    """A command as it is typed here: with ``--path`` where that was needed now."""
    path = session.choices.path
    return visible(f"nwauth {words}" + ("" if path is None else f" --path {_word(path)}"))


def _word(text: str) -> str:
    """`text` as a shell takes it."""
    return shlex.quote(text)


def _this_command() -> str:
    """How to call this program, whatever the folder one is in."""
    import shutil

    called = sys.argv[0]
    if os.path.basename(called) == "__main__.py":
        return as_text(f"{sys.executable} -m nwauth")
    found = called if os.sep in called else shutil.which(called) or called
    return as_text(os.path.abspath(found))
