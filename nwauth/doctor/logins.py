"""Whether the system lets anybody be checked: what keeps all of its users out is seen before one of them is."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from nwauth.build import store as build_store
from nwauth.config.kinds.system import SystemConfig
from nwauth.doctor import servers
from nwauth.doctor.files import account
from nwauth.doctor.finding import finding
from nwauth.stores.system import SystemStore
from nwauth.stores.system.means import AS_ROOT, BY_ROOT_ALONE, Alone
from nwauth.stores.system.stack import Unset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place

NO_MODULE = "(28)"  # PAM_MODULE_UNKNOWN
IN_LOG = "journalctl -g 'PAM unable', or grep 'PAM unable' /var/log/auth.log"
OF_THIS_MACHINE = "Accounts of this machine's own cannot log in: each check of them is answered -DEAD."


def system_users(place: Place) -> Iterator[Finding]:
    """The passwords of the system's accounts can be checked, by whatever serves them."""
    if place.config is None:
        return
    for one in place.config.stores:
        if not isinstance(one, SystemConfig):
            continue
        store = build_store(place.config, one)
        assert isinstance(store, SystemStore)  # noqa: S101
        try:
            obstacle = store.obstacle()
        finally:
            store.close()
        if isinstance(obstacle, Alone):
            yield from _not_root(place, one)
        elif obstacle is not None:
            yield _pam(one, obstacle)


def _not_root(place: Place, one: SystemConfig) -> Iterator[Finding]:
    """Nothing where the children are seen to have more rights than the owner of the folder."""
    children = servers.children(place, place.running) if place.running is not None else []
    if children and all(child.uid == 0 for child in children):
        return
    folder = shlex.join(["chown", "root:", place.folder])
    yield finding(
        "cannot-check-passwords",
        f"store {one.name}: {BY_ROOT_ALONE}, and {place.folder} is served as {account(os.geteuid())}",
        mend=f"{AS_ROOT}, and leave the folder to root: {folder}, and the files in it",
        file=place.folder,
        why=OF_THIS_MACHINE,
    )


def _pam(one: SystemConfig, obstacle: Exception) -> Finding:
    if isinstance(obstacle, Unset):
        return finding("cannot-check-passwords", f"store {one.name}: {obstacle.what}", mend=obstacle.mend)
    what, _, hint = str(obstacle).partition("; what its modules say")
    if hint and NO_MODULE in what:
        mend = (
            f"install the module that lacks, or mend /etc/pam.d/{one.pam_service}; the system's log names it: {IN_LOG}"
        )
    elif hint:
        mend = "see in the system's log, as /var/log/auth.log, what its modules say, and mend that"
    else:
        mend = "mend that; then try it with nwauth test"
    return finding("cannot-check-passwords", f"store {one.name}: {what}", mend=mend)
