"""Drop files beside the users whose they are: by a sort of both, in flat memory."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from nwauth.dmail.asking import DSMTP, drop_file, sent_name
from nwauth.dmail.values import lowered
from nwauth.doctor.dropfolders import CUT_SHORT
from nwauth.doctor.finding import MOST_USERS, counted, finding
from nwauth.doctor.place import RESTART
from nwauth.model import Info, User
from nwauth.names import fold
from nwauth.stores.sorting import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nwauth.dmail.values import DmailConf, Domain
    from nwauth.doctor.dropfolders import Found
    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place

MOST_SUSPECTS = 10_000  # each is a look-up


class Drops:
    """The drop files by the folded names that the servers ask for, met with the users, who come in the same order."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._conf = conf = place.asking
        self._default = place.config.names.default_domain if place.config is not None else ""
        self.errors: list[Found] = []
        self.number_astray = self.number_shared = 0
        self.astray: list[tuple[str, str, str]] = []  # user, drop file, the one that is opened
        self.shared: list[tuple[str, str, str]] = []  # user, one who is meant, the other
        self.in_one: list[tuple[str, str, str]] = []  # user, the other one, the drop file of both
        self._last_shared = ""
        self._virtual = [domain for domain in conf.domains if domain.lead] if conf is not None else []
        self._queue = in_order(self._askers()) if conf is not None else iter(())
        self._next = next(self._queue, None)
        self._suspects: list[tuple[str, str, Domain]] = []  # user of the main domain, whom it may be too, and where

    def take(self, key: str, user: User) -> None:
        """Look at the drop files of a user; users come in the order of their folded names."""
        conf = self._conf
        if conf is None:
            return
        if self._virtual:
            self._suspect(user.name) if conf.authent_domain else self._look_at_leads(key, user.name)
        while self._next is not None:
            wanted = fold(self._next.name)
            if wanted > key:
                return
            if wanted == key:
                self._compare(user, self._next)
            self._next = next(self._queue, None)

    def end(self, lookup: Callable[..., User | None]) -> None:
        """No more users are listed; those of a store that lists none are looked up one by one."""
        while self._next is not None:
            user = lookup(self._next.name)
            if user is not None:
                self._compare(user, self._next)
            self._next = next(self._queue, None)
        for name, other, domain in self._suspects:
            if lookup(other, was_listed=True) is not None or lookup(other) is not None:
                self.in_one.append((name, other, f"{domain.drop_path.rstrip('/')}/{name.rpartition('@')[0]}"))

    def findings(self) -> Iterator[Finding]:
        """What came of it."""
        for found in self.errors:
            yield (
                self._missing(found)
                if found.is_missing
                else finding(
                    "cannot-look",
                    f"cannot look into the drop folder {found.path}: {found.error}",
                    mend="run nwauth doctor again"
                    if found.error == CUT_SHORT
                    else f"run nwauth doctor as root; or mend the path in {self._conf_file}",
                    file=found.path,
                )
            )
        if self.astray:
            yield self._astray()
        if self.shared:
            yield self._shared()
        if self.in_one:
            yield self._in_one()

    # --- one by one ------------------------------------------------------------------------------------------------

    def _askers(self) -> Iterator[User]:
        """For each drop file the user whom the servers ask for when they open it: as name, domain (uid) and path."""
        conf = self._conf
        assert conf is not None  # noqa: S101
        for found in self._place.drops():
            if found.error:
                self.errors.append(found)
                continue
            for at, domain in enumerate(conf.domains):
                if domain.drop_path.rstrip("/") != found.folder:
                    continue
                local = _local(conf, domain, os.path.basename(found.path))
                name = sent_name(conf, domain, local, DSMTP) if local else ""
                if name and "@" not in name and self._default:
                    name = f"{name}@{self._default}"
                if name:
                    yield User(name=name, stored_password="", info=Info(""), uid=str(at), drop_path=found.path)

    def _compare(self, user: User, asked: User) -> None:
        """A drop file lies where that of the stored name would; and nobody else's mail is meant."""
        conf = self._conf
        assert conf is not None  # noqa: S101
        if user.drop_path != "config":  # it has one of its own
            return
        domain = conf.domains[int(asked.uid)]
        if conf.authent_domain:
            local = user.name.rpartition("@")[0]
        else:
            bare = user.name.partition("@")[0] if self._default else user.name
            local = bare[len(domain.lead) :]
            if not domain.lead and self._lead_of(bare):
                self._share(user.name, self._meant(bare), f"{bare}@{domain} ({asked.drop_path})")
                return
        wanted = drop_file(conf, domain, local)
        if wanted is not None and wanted != asked.drop_path and lowered(wanted) == lowered(asked.drop_path):
            self.number_astray += 1
            if len(self.astray) < MOST_USERS:
                self.astray.append((user.name, asked.drop_path, wanted))

    def _lead_of(self, name: str) -> Domain | None:
        """The further domain whose prefix a name has, and whose drop files lie elsewhere."""
        conf = self._conf
        assert conf is not None  # noqa: S101
        main = conf.domains[0].drop_path.rstrip("/")
        for domain in self._virtual:
            if lowered(name).startswith(lowered(domain.lead)) and domain.drop_path.rstrip("/") != main:
                return domain
        return None

    def _meant(self, name: str) -> str:
        domain = self._lead_of(name)
        assert domain is not None  # noqa: S101
        return f"{name[len(domain.lead) :]}@{domain}"

    def _look_at_leads(self, key: str, name: str) -> None:
        """No name has the prefixes of two domains."""
        fitting = [one for one in self._virtual if key.startswith(lowered(one.lead)) and len(key) > len(one.lead)]
        if len(fitting) > 1:
            self._share(name, *(f"{name[len(one.lead) :]}@{one}" for one in fitting[:2]))

    def _suspect(self, name: str) -> None:
        """Keep a user of the main domain whose drop file would be that of a user of a further one."""
        conf = self._conf
        assert conf is not None  # noqa: S101
        local, _, of = name.rpartition("@")
        main = conf.domains[0]
        for domain in self._virtual if conf.drop_prefix and main.is_called(of) else ():
            has_lead = lowered(local).startswith(lowered(domain.lead)) and len(local) > len(domain.lead)
            is_near = domain.drop_path.rstrip("/") == main.drop_path.rstrip("/")
            if has_lead and is_near and len(self._suspects) < MOST_SUSPECTS:
                self._suspects.append((name, f"{local[len(domain.lead) :]}@{domain.name}", domain))

    def _share(self, name: str, one: str, other: str) -> None:
        if self._last_shared == name:
            return
        self._last_shared = name
        self.number_shared += 1
        if len(self.shared) < MOST_USERS:
            self.shared.append((name, one, other))

    # --- told --------------------------------------------------------------------------------------------------------

    @property
    def _conf_file(self) -> str:
        return self._conf.file if self._conf is not None else "dmail.conf"

    def _astray(self) -> Finding:
        name, path, wanted = self.astray[0]
        number = self.number_astray
        more = f" (and {number - 1:,} more)" if number > 1 else ""
        moved = shlex.join(["mv", "-n", path, wanted])
        if os.path.lexists(wanted):
            moved = f"cat {shlex.quote(path)} >> {shlex.quote(wanted)} && rm {shlex.quote(path)}"
        return finding(
            "drop-file-case",
            f"{counted(number, 'drop file')} {'is' if number == 1 else 'are'} not spelled as the user: {path} for"
            f" {name}{more}; what is opened is {wanted}",
            mend=f"stop DSMTP and DPOP; {moved}{' (and so on)' if more else ''}; start them",
            file=path,
            users=[user for user, _, _ in self.astray],
        )

    def _shared(self) -> Finding:
        name, one, other = self.shared[0]
        more = f" (and {self.number_shared - 1:,} more)" if self.number_shared > 1 else ""
        return finding(
            "prefix-clash",
            f"the user {name} is met by mail for {one} and for {other}{more}",
            mend=f"give one of the two people another name, and move what is theirs in the drop file; then {RESTART}",
            users=[user for user, _, _ in self.shared],
        )

    def _missing(self, found: Found) -> Finding:
        """A folder that is not there."""
        conf = self._conf
        assert conf is not None  # noqa: S101
        domains = [one for one in conf.domains if one.drop_path.rstrip("/") == found.folder]
        what = f"the drop folder of {' and '.join(map(str, domains))} is not there: {found.folder}: {found.error}"
        make = shlex.join(["mkdir", "-p", found.folder])
        return finding(
            "no-drop-folder",
            what,
            mend=f"{make}, owned by whom the servers run as; or mend the path in {self._conf_file}; then {RESTART}",
            file=found.folder,
        )

    def _in_one(self) -> Finding:
        name, other, path = self.in_one[0]
        more = f" (and {len(self.in_one) - 1:,} more)" if len(self.in_one) > 1 else ""
        return finding(
            "one-drop-folder",
            f"the mail of {name} and of {other} is in one drop file, {path}{more}",
            mend=f"give one of the two another name, or {other.rpartition('@')[2]} a folder of its own; then {RESTART}",
            file=path,
            users=[user for user, _, _ in self.in_one],
        )


def _local(conf: DmailConf, domain: Domain, file: str) -> str:
    """The local name whose drop file has this name in a domain's folder; empty: nobody's there."""
    lead = domain.lead if conf.drop_prefix else ""
    return file[len(lead) :] if lowered(file).startswith(lowered(lead)) else ""
