"""``nwauth init``: a user base, a commented nwauth.toml, and what to tell the mail server."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from nwauth.commands.command import command, dry_run_option
from nwauth.commands.session import as_text, shown_path, take_ids
from nwauth.commands.table import visible
from nwauth.commands.terminal import ask_yes, is_interactive
from nwauth.config import FILE_NAME, commented_example
from nwauth.errors import Refused, Unavailable
from nwauth.stores.flatfile import FlatfileStore, files

if TYPE_CHECKING:
    from nwauth.commands.session import Session

COLUMNS = ("path", "what", "change", "dry_run")
ONE_WAY = (
    "{folder} holds a user base that NWAuth, SurgeMail or others may still read. Made nwauth's own, it gets passwords"
    " that they cannot read, at every change and at the users' next logins, and there is no way back; --shared keeps"
    " it as it is."
)


@command("init", examples=("nwauth init --path /var/lib/nwauth", "nwauth init --path /usr/local/dmail --shared"))
@click.option("--shared", is_flag=True, help="NWAuth, SurgeMail or others go on reading this folder.")
@dry_run_option
def init(session: Session, *, shared: bool, dry_run: bool) -> int:
    """Make the folder, an empty user base in it, and nwauth.toml, which explains every setting.

    What is there already is kept; so the command can be run again at any time. A base that NWAuth has left is served as
    it is; that others can no longer read what is then written is said, and asked about. Ends with the lines that the
    mail server needs.
    """
    if session.choices.store is not None:
        raise click.UsageError("--store: this version makes flat files only, in the folder of --path")
    session.place = folder = os.path.abspath(session.folder)
    rows = [_make_folder(folder, dry_run=dry_run)]
    take_ids(folder)
    rows.append(_make_configuration(session, folder, shared=shared, dry_run=dry_run))
    rows.append(_make_base(session, dry_run=dry_run))
    for row in rows:
        row["dry_run"] = dry_run
    if dry_run or not session.choices.quiet:
        session.results.records(COLUMNS, rows, _told)
    if not dry_run:
        _note_next_steps(session, folder)
    return 0


def _made(path: str, what: str, *, there: bool) -> dict[str, object]:
    return {"path": as_text(path), "what": what, "change": "kept" if there else "made"}


def _told(row: object) -> str:
    assert isinstance(row, dict)  # noqa: S101
    verb = row["change"] if row["change"] == "kept" or not row["dry_run"] else "would be made"
    return visible(f"{row['path']}: {row['what']}, {verb}")


def _make_folder(folder: str, *, dry_run: bool) -> dict[str, object]:
    """The folder itself; what is above it must be there: a slip in the path must not make a tree.

    Raises:
        Refused: it cannot be made there.
    """
    if os.path.isdir(folder):
        return _made(folder, "the folder", there=True)
    above = os.path.dirname(folder)
    if os.path.lexists(folder) or not os.path.isdir(above):
        found = "no folder above it" if not os.path.lexists(folder) else "something else of that name"
        raise Refused(
            f"{shown_path(folder)}: found {found}, wanted a folder, or room for one: make {shown_path(above)} first"
        )
    if not dry_run:
        take_ids(above)
        try:
            os.mkdir(folder, 0o700)
        except OSError as error:
            raise Unavailable(f"cannot make the folder: {error.strerror}") from None
    return _made(folder, "the folder", there=False)


def _make_configuration(session: Session, folder: str, *, shared: bool, dry_run: bool) -> dict[str, object]:
    """``nwauth.toml``, unless there is one; before the base, so that what is begun here is finished by the next run."""
    path = os.path.join(folder, FILE_NAME)
    if os.path.lexists(path):
        stands = session.store_config.shared
        if shared and not stands:
            session.note(f"note: {shown_path(path)} is kept: it says shared = false; change it there if you mean it")
        return _made(path, "settings", there=True)
    holds_base = any(files.identify(os.path.join(folder, name)) for name in ("nwauth.txt", "nwauth.add"))
    if holds_base and not shared and not dry_run:
        _confirm_one_way(session, folder)
    what = "settings, shared = true" if shared else "settings, shared = false"
    there = False if dry_run else not write_new(path, commented_example(shared=shared).encode())
    return _made(path, what, there=there)


def _confirm_one_way(session: Session, folder: str) -> None:
    """Say what shared = false means for a base of NWAuth's, and ask.

    Raises:
        Refused: the answer is no.
        click.UsageError: there is nobody to ask.
    """
    text = ONE_WAY.format(folder=shown_path(folder))
    if session.choices.yes:
        session.note(f"note: {text}")
        return
    if not is_interactive():
        raise click.UsageError(f"{text} Say which: --shared, or --yes to make it nwauth's own")
    if not ask_yes(f"{text}\nMake it nwauth's own?"):
        raise Refused("nothing was made; --shared keeps the base readable for the others")


def write_new(path: str, content: bytes) -> bool:
    """Write a file that is not there yet, whole or not at all, for the folder's owner alone; False: there is one.

    Raises:
        Unavailable: it cannot be written; nothing is left behind.
    """
    folder = os.path.dirname(path)
    temporary = os.path.join(folder, f".{os.path.basename(path)}.{os.urandom(6).hex()}")
    fd = files.create_like(temporary, None)
    try:
        files.write_all(fd, content)
        os.fsync(fd)
        os.link(temporary, path)  # unlike a rename it never takes the place of a file
        files.sync_folder(folder)
    except FileExistsError:
        return False
    except OSError as error:
        raise files.trouble("write", path, error) from error
    finally:
        os.close(fd)
        os.unlink(temporary)
    return True


def _make_base(session: Session, *, dry_run: bool) -> dict[str, object]:
    """The empty user file, unless there is a base."""
    store = session.service.store
    assert isinstance(store, FlatfileStore)  # noqa: S101, the only kind there is
    there = any(files.identify(path) for path in (store.folder.txt, store.folder.add))
    if not dry_run:
        with session.logged("init") as facts:
            there = not store.make()
            facts["change"] = "none" if there else "made"
    return _made(store.folder.txt, "the user base", there=there)


def _note_next_steps(session: Session, folder: str) -> None:
    """What to tell the mail server, and what else to see to."""
    line = f"{_this_command()} -path {as_text(folder)}"
    session.note(
        "\nIn dmail.conf:\n"
        "    authent_method external\n"
        f"    authent_process {visible(line)}\n"
        "In surgemail.ini:\n"
        f'    g_authent_process "{visible(line)}"'
    )
    if os.stat(folder).st_uid == 0:
        session.note(f"{shown_path(folder)} belongs to root: chown -R it to the account that the mail server runs as")


def _this_command() -> str:
    """How to call this program, whatever the folder one is in."""
    import shutil

    called = sys.argv[0]
    if os.path.basename(called) == "__main__.py":
        return as_text(f"{sys.executable} -m nwauth")
    found = called if os.sep in called else shutil.which(called) or called
    return as_text(os.path.abspath(found))
