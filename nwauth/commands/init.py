"""``nwauth init``: a user base, a commented nwauth.toml, and what to tell the mail server."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from nwauth.commands import init_dmail
from nwauth.commands.command import command, dry_run_option
from nwauth.commands.dmail_option import dmail_conf_option
from nwauth.commands.ids import take_ids
from nwauth.commands.init_shared import confirm_elsewhere, confirm_one_way, holds_base
from nwauth.commands.next_steps import note_next_steps
from nwauth.commands.session import PATIENT_SECONDS
from nwauth.commands.shown import as_text, shown_path, visible
from nwauth.config import FILE_NAME, FlatfileConfig
from nwauth.config.example import commented_example
from nwauth.config.kinds.sql import SqlConfig, url_of_word
from nwauth.errors import ConfigError, Refused, Unavailable
from nwauth.stores.textfile import files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.commands.session import Session
    from nwauth.config import StoreConfig
    from nwauth.dmail.matching import Plan
    from nwauth.dmail.values import DmailConf
    from nwauth.stores.base import Store

COLUMNS = ("path", "what", "change", "dry_run")


@command(
    "init",
    examples=(
        "nwauth init --path /var/lib/nwauth",
        "nwauth init --path /usr/local/dmail --shared",
        "nwauth init --path /var/lib/nwauth --store sqlite:///users.db",
        "nwauth init --path /var/lib/nwauth --dmail-conf dmail.conf",
    ),
)
@click.option("--shared", is_flag=True, help="NWAuth, SurgeMail or others go on reading this folder.")
@dmail_conf_option(looked_for=False, text=init_dmail.HELP)
@dry_run_option
def init(session: Session, *, shared: bool, dmail: DmailConf | None, dry_run: bool) -> int:
    """Make the folder, an empty user base, and an nwauth.toml that explains every setting.

    The user base is flat files in the folder. With --store URL it is a database, whose tables are made, or brought up
    to what this version needs: sqlite:///FILE (from the folder), postgresql://USER:PASSWORD@HOST/DATABASE,
    mysql://USER:PASSWORD@HOST/DATABASE. On a server, the database itself must exist already.

    With --dmail-conf the settings match those of DMail: a store for each password file of a domain, the system's users
    where the servers use them, the folder or the module that they start.

    What exists already is kept, so the command can be run again at any time. Files that NWAuth has left are served as
    they are; before anything is written that NWAuth cannot read, it asks. At the end it prints the lines that the mail
    server needs.
    """
    url = _url(session, shared=shared)
    if url is not None and dmail is not None:
        raise click.UsageError("--store URL and --dmail-conf each say where the users are: wanted one of them")
    session.place = folder = os.path.abspath(session.folder)
    plan = None if dmail is None else init_dmail.plan_for(session, dmail, folder, shared=shared)
    if plan is not None and plan.folder != folder and not dry_run and not _has_settings(folder):
        confirm_elsewhere(session, plan.folder, shared=shared)
    rows = [_make_folder(folder, dry_run=dry_run)]
    take_ids(folder)
    # A URL is tried before it is written down: what cannot be used is typed once more, not mended in a file.
    tables = None
    if url is not None and not dry_run and not _has_settings(folder):
        with _removed_again(folder if rows[0]["change"] == "made" else None):
            tables = _make_tables_first(folder, url)
    rows.append(_make_configuration(session, folder, shared=shared, url=url, plan=plan, dry_run=dry_run))
    flat = folder if plan is None else plan.folder
    rows += [tables] if tables else _make_bases(session, folder, url=url, flat=flat, dry_run=dry_run)
    for row in rows:
        row["dry_run"] = dry_run
    if dry_run or session.prints_changes:
        session.results.records(COLUMNS, rows, _told)
    if not dry_run:
        note_next_steps(session, folder, dmail=dmail)
    if plan is not None:
        init_dmail.note_plan(session, plan)
    return 0


def _url(session: Session, *, shared: bool) -> str | None:
    """The database of ``--store``: here, where there is no store yet, it takes a URL."""
    url, session.choices.store = session.choices.store, None
    if url is not None and ":" not in url:
        raise click.UsageError(f"--store: found {visible(url)!r}, wanted a database's URL, such as sqlite:///users.db")
    if url is not None and url.lower().startswith(("ldap:", "ldaps:")):
        raise click.UsageError(
            '--store: found a directory, wanted a database\'s URL: write a store of kind = "ldap" into nwauth.toml'
        )
    if url is not None and shared:
        raise click.UsageError("--shared is about flat files, --store URL about a database: wanted one of them")
    return url


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
        except FileExistsError:  # another has made it meanwhile
            return _made(folder, "the folder", there=True)
        except OSError as error:
            raise Unavailable(f"cannot make the folder: {error.strerror}") from None
    return _made(folder, "the folder", there=False)


@contextmanager
def _removed_again(folder: str | None) -> Iterator[None]:
    """Where what follows fails, the folder that was made for it goes, unless something stands in it."""
    try:
        yield
    except BaseException:
        if folder is not None:
            with suppress(OSError):
                os.rmdir(folder)
        raise


def _make_configuration(
    session: Session, folder: str, *, shared: bool, url: str | None, plan: Plan | None, dry_run: bool
) -> dict[str, object]:
    """``nwauth.toml``, unless there is one; before the base, so that what is begun here is finished by the next run."""
    path = os.path.join(folder, FILE_NAME)
    if os.path.lexists(path):
        _must_agree(session, path, shared=shared, url=url)
        if plan is not None:
            init_dmail.note_difference(session, path, plan)
        return _made(path, "settings", there=True)
    if url is not None:
        there = False if dry_run else not write_new(path, commented_example(url=url).encode())
        return _made(path, "settings of a database", there=there)
    if not dry_run and (plan is None or plan.folder == folder):
        confirm_one_way(session, folder, shared=shared)
    what = "settings, shared = true" if shared else "settings, shared = false"
    if plan is not None:
        what = f"settings that match {visible(as_text(plan.file))}" + (", shared = true" if shared else "")
    text = commented_example(shared=shared) if plan is None else init_dmail.settings_text(plan)
    there = False if dry_run else not write_new(path, text.encode())
    return _made(path, what, there=there)


def _must_agree(session: Session, path: str, *, shared: bool, url: str | None) -> None:
    """Say where the settings that stand there are not what the command line asks for.

    Raises:
        Refused: they name another database.
    """
    stands = session.store_config
    if isinstance(stands, FlatfileConfig):
        if shared and not stands.shared:
            session.note(f"note: {shown_path(path)} is kept: it says shared = false; change it there if you mean it")
        same = url is None
    else:
        same = url is None or (
            isinstance(stands, SqlConfig) and url_of_word(url, file=path, folder=os.path.dirname(path)) == stands.url
        )
    if not same:
        raise Refused(f"{shown_path(path)} is kept, and names another store: change it there, or take another --path")


def write_new(path: str, content: bytes) -> bool:
    """Write a file that is not there yet, whole or not at all, for the folder's owner alone; False: there is one.

    Raises:
        Unavailable: it cannot be written; nothing is left behind.
    """
    folder = os.path.dirname(path)
    temporary = os.path.join(folder, f".{os.path.basename(path)}.{os.urandom(6).hex()}")
    try:
        fd = files.create_like(temporary, None)
    except Unavailable as error:
        if not isinstance(error.__cause__, OSError):
            raise
        raise files.trouble("create", path, error.__cause__) from error
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


def _make_bases(
    session: Session, folder: str, *, url: str | None, flat: str | None, dry_run: bool
) -> list[dict[str, object]]:
    """The empty user bases of the stores that take new users, where they lack; `flat` is the folder of flat files.

    There is none where the users are what this command does not make, as in password files that others write.
    """
    if dry_run and not _has_settings(folder):
        if url is not None:
            return [_made(url.rpartition("@")[2].partition("?")[0], "the user base", there=False)]
        if flat is None:
            return []
        return [_made(os.path.join(flat, "nwauth.txt"), "the user base", there=holds_base(flat))]
    made = [_make_base(session, settings, dry_run=dry_run) for settings in session.takers()]
    return [row for row in made if row is not None]


def _make_base(session: Session, settings: StoreConfig, *, dry_run: bool) -> dict[str, object] | None:
    """The empty user base of one store; None where this command makes none of its kind."""
    if isinstance(settings, FlatfileConfig):
        store = session.store_of(settings)
        there = holds_base(store.place()) if dry_run else _make_tables(session, store, dry_run=False)
        return _made(os.path.join(store.place(), "nwauth.txt"), "the user base", there=there)
    if isinstance(settings, SqlConfig):
        session.place = None
        store = session.store_of(settings)
        return _made(store.place(), "the user base", there=_make_tables(session, store, dry_run=dry_run))
    return None


def _owner(folder: str) -> int | None:
    try:
        return os.stat(folder).st_uid
    except OSError:
        return None  # who makes the database says so


def _has_settings(folder: str) -> bool:
    return os.path.lexists(os.path.join(folder, FILE_NAME))


def _make_tables_first(folder: str, url: str) -> dict[str, object] | None:
    """The tables in the database of a URL that no settings name yet; None where they can be made only afterwards."""
    from nwauth.build import store
    from nwauth.config.reading import parsed

    settings = os.path.join(folder, FILE_NAME)
    try:
        config = parsed(commented_example(url=url).encode(), file=settings, folder=folder)
        base = store(config, config.stores[0].patient(PATIENT_SECONDS))
    except ConfigError as error:
        raise click.UsageError(f"--store: {str(error).rpartition('url: ')[2]}") from None
    if os.geteuid() == 0 and _owner(config.stores[0].path) not in (None, _owner(folder)):
        return None  # root writes the settings as it is, and then takes the ids of the database file's owner
    try:
        return _made(base.place(), "the user base", there=not base.make())
    finally:
        base.close()


def _make_tables(session: Session, store: Store, *, dry_run: bool) -> bool:
    """Whether all was there already."""
    if dry_run:
        try:
            store.lookup("")
        except Unavailable as error:
            if "nwauth init" not in str(error):  # what lacks is what would be made
                raise
            return False
        return True
    with session.logged("init") as facts:
        there = not store.make()
        facts["change"] = "none" if there else "made"
    return there
