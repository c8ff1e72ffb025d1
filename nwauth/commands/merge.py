"""``nwauth merge``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nwauth.commands.command import command, dry_run_option
from nwauth.commands.shown import as_text, visible
from nwauth.errors import Refused
from nwauth.stores.around import innermost
from nwauth.stores.flatfile import FlatfileStore
from nwauth.stores.textfile import files

if TYPE_CHECKING:
    from nwauth.commands.session import Session


@command("merge", examples=("nwauth merge", "nwauth --path /var/lib/nwauth merge --dry-run"))
@click.option("--emptied", is_flag=True, help="nwauth.txt was emptied by another program, and that was meant.")
@dry_run_option
def merge(session: Session, *, emptied: bool, dry_run: bool) -> int:
    """Fold the journal nwauth.add into nwauth.txt, sorted by name.

    Serving children go on meanwhile and need not be told.  They merge by themselves when the journal has grown, so
    there is no need to do it on a schedule.  Lines that are no user's, and the older of two spellings of one name, go
    to nwauth.rejected.
    """
    store = innermost(session.store)
    if not isinstance(store, FlatfileStore):
        raise Refused(f"store {store.name} has no journal to merge (--store NAME names another)")
    if dry_run:
        session.store.lookup("")  # says whether there is a base
        journal = files.identify(store.folder.add)
        size = 0 if journal is None else journal.size
        record: dict[str, object] = {"dry_run": True, "journal_bytes": size}
        session.results.record(record, f"would fold {size:,} bytes of nwauth.add into nwauth.txt")
        return 0
    if not emptied:
        session.store.lookup("")  # waits until nobody else writes
    with session.logged("merge") as facts, session.progress("merging"):
        done = store.merge(emptied=emptied)
        facts |= {"users": done.users, "rejected": done.rejected}
    rejected = as_text(store.folder.rejected)
    record = {"dry_run": False, "users": done.users, "rejected": done.rejected, "rejected_file": rejected}
    text = f"{done.users:,} user{'s' * (done.users != 1)} in nwauth.txt"
    if done.rejected:
        text += f"\n{done.rejected:,} line{'s' * (done.rejected != 1)} rejected: {visible(rejected)}"
    if session.prints_changes:
        session.results.record(record, text)
    return 0
