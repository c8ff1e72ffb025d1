"""What is looked at in each user: the password field, dates and hosts, and whether the servers ask for the name."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from typing import TYPE_CHECKING

from nwauth.doctor.apps import Apps
from nwauth.doctor.fields import Fields
from nwauth.doctor.finding import MOST_USERS, counted, examples, finding
from nwauth.doctor.mends import new_password
from nwauth.doctor.rules_crowd import crowd_of
from nwauth.doctor.slips import Slips
from nwauth.errors import Refused
from nwauth.names import fold
from nwauth.passwords import Passwords
from nwauth.passwords.inspecting import Inspector
from nwauth.policy import account, hosts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.config.part import StoreConfig
    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place
    from nwauth.model import User

MOST_COSTS = 20  # so many kinds of fields are tried
SALT_CHARACTERS = 4  # a shorter word is a cost: $2b$12$...
UNKNOWN, CLEAR, NETWIN, LOCKED = "unknown", "clear", "netwin-weak", "no-login"


class People:
    """Counts while the users go by; of each kind the first few are kept."""

    def __init__(self, place: Place) -> None:
        assert place.config is not None  # noqa: S101
        self._inspector = Inspector(place.config.passwords, native=place.native)
        self.fields: Fields[tuple[str, str]] = Fields()  # the name and the field of some of them
        self.damaged: Fields[str] = Fields()  # of a known form, and not whole: the names of some
        self.uncheckable: Fields[str] = Fields()  # the same, of those that nothing here can check
        self.without: Counter[str] = Counter()  # users of a store without a field
        self.by_cost: dict[str, tuple[str, str]] = {}  # the same, one for each scheme with its parameters
        self.dated = self.masked = self.bad_dates = self.bad_masks = self.never_asked = 0
        self.apps = Apps()
        self.slips = Slips(place.config.policy.class_field)
        self.names: dict[str, list[str]] = {}
        self._reach = _Reach(place)
        self.crowd = crowd_of(place)

    def end(self) -> None:
        """Everybody has gone by."""
        if self.crowd is not None:
            self.crowd.is_whole = True

    def take(self, user: User, one: StoreConfig) -> None:
        """Look at a user of a store."""
        field = user.stored_password
        if field:  # a store that verifies by its own means gives none
            standing = self._inspector.look(field, star_is_clear=one.star_is_clear)
            if standing.no_login and standing.scheme not in (UNKNOWN, NETWIN, LOCKED):
                self.damaged.add(one.name, standing.scheme, user.name)
            elif standing.uncheckable:
                self.uncheckable.add(one.name, standing.scheme, user.name)
            else:
                self.fields.add(one.name, standing.scheme, (user.name, field))
            if len(self.by_cost) < MOST_COSTS:
                self.by_cost.setdefault(_cost_of(field), (user.name, field))
        else:
            self.without[one.name] += 1
        if user.ip_mask:
            self._take_mask(user)
        if user.info.text and "valid_" in user.info.text.lower():
            self._take_dates(user)
        self.apps.take(user)
        if user.info.text:
            self.slips.take(user)
        if self.crowd is not None:
            self.crowd.take(user)
        if not self._reach.asks_for(user.name) and not _has_more_names(one):
            self.never_asked += 1
            self._keep("never-asked", user.name)

    def _take_mask(self, user: User) -> None:
        self.masked += 1
        self._keep("masked", user.name)
        if (hosts.refusal(user.ip_mask, None) or "").startswith("ip_mask cannot be read"):
            self.bad_masks += 1
            self._keep("bad-mask", user.name)

    def _take_dates(self, user: User) -> None:
        fields = user.info.fields()
        if not any(fields.get(key, "").strip() for key in fields if key.lower() in account.DATE_FIELDS):
            return
        self.dated += 1
        self._keep("dated", user.name)
        try:
            account.check_dates(fields)
        except Refused:
            self.bad_dates += 1
            self._keep("bad-date", user.name)

    def _keep(self, kind: str, name: str) -> None:
        names = self.names.setdefault(kind, [])
        if len(names) < MOST_USERS:
            names.append(name)


def _has_more_names(one: StoreConfig) -> bool:
    """Whether a user of the store may be asked for by another name than the listed one: a directory's uid, or mail."""
    return len(getattr(getattr(one, "people", None), "names", ())) > 1


def _cost_of(field: str) -> str:
    """What a field begins with, up to its salt: two that begin alike take the same time."""
    if field[:1] != "$":
        return field.partition("}")[0] if field[:1] == "{" else ""
    words = field.split("$", 4)
    return "$".join(words[:2] + [word for word in words[2:4] if "=" in word or len(word) < SALT_CHARACTERS])


class _Reach:
    """Whether the servers ever ask for a name, as dmail.conf and the default domain have it."""

    def __init__(self, place: Place) -> None:
        conf, config = place.asking, place.config
        self._conf = conf
        self._default = "" if config is None else fold(config.names.default_domain)
        self._by_domain = conf is not None and conf.authent_domain
        self.is_open = conf is None or (conf.authent_domain and not conf.main_domain)
        self._known: dict[str, bool] = {}

    def asks_for(self, name: str) -> bool:
        if self.is_open:
            return True
        domain = name.rpartition("@")[2] if "@" in name else ""
        if domain not in self._known:
            self._known[domain] = self._asks_in(domain)
        return self._known[domain]

    def _asks_in(self, domain: str) -> bool:
        """Whether names of this domain are asked for; empty: names without one."""
        assert self._conf is not None  # noqa: S101
        if not self._by_domain:
            return fold(domain) == self._default
        return any(one.is_called(domain) for one in self._conf.domains)


# --- passwords -------------------------------------------------------------------------------------------------------


def passwords(place: Place) -> Iterator[Finding]:
    """Every password field lets its user in, and is worth something to no thief."""
    survey, config = place.survey, place.config
    if survey is None or config is None:
        return
    means = Passwords(config.passwords, native=place.native)
    people = survey.people
    for one in config.stores:
        for scheme, number, samples in people.fields.of(one.name):
            identity = means.identify(samples[0][1], star_is_clear=one.star_is_clear)
            names = [name for name, _ in samples]
            if scheme in (UNKNOWN, NETWIN) and not identity.login:
                yield _locked_out(place, one, scheme, number, names)
            elif scheme == CLEAR:
                yield from _clear(place, one, number, names)
            elif identity.weak and scheme != one.new_scheme:
                yield _weak(place, one, scheme, number, names)
            elif identity.login and not identity.weak and getattr(one, "shared", False):
                yield _unread(place, one, scheme, number, names)
        for told, kept in ((_damaged, people.damaged), (_uncheckable, people.uncheckable)):
            for scheme, number, names in kept.of(one.name):
                yield told(place, one, scheme, number, names)


def _locked_out(place: Place, one: StoreConfig, scheme: str, number: int, names: list[str]) -> Finding:
    what = (
        "of no known form" if scheme == UNKNOWN else "of NWAuth 2.0, which many passwords fit and which is switched off"
    )
    mend = new_password(place, one, names, number)
    return finding(
        "unknown-passwords",
        f"{counted(number, 'user')} {_have(number)} a password field {what}: {examples(names, number)}",
        mend=mend if scheme == UNKNOWN else f"{mend}; or netwin_weak = true under [passwords] in {place.settings}",
        users=names,
    )


def _damaged(place: Place, one: StoreConfig, scheme: str, number: int, names: list[str]) -> Finding:
    return finding(
        "damaged-passwords",
        f"{counted(number, 'user')} {_have(number)} a damaged password field, {scheme}: {examples(names, number)}",
        mend=new_password(place, one, names, number),
        users=names,
    )


def _uncheckable(place: Place, one: StoreConfig, scheme: str, number: int, names: list[str]) -> Finding:
    return finding(
        "uncheckable-passwords",
        f"{counted(number, 'user')} {_have(number)} {scheme}, which cannot be checked here: {examples(names, number)}",
        mend=f"nwauth hash list says what lacks; or {new_password(place, one, names, number)}",
        users=names,
    )


def _clear(place: Place, one: StoreConfig, number: int, names: list[str]) -> Iterator[Finding]:
    if getattr(one, "password_format", "") == CLEAR:  # somebody wants it so
        return
    mend = shlex.join(["nwauth", "-path", place.folder, "-encrypt", "all"])
    if one.kind != "flatfile" or one.read_only:
        mend = new_password(place, one, names, number)
    yield finding(
        "clear-text",
        f"{counted(number, 'user')} {_have(number)} the password in clear text: {examples(names, number)}",
        mend=mend,
        users=names,
    )


def _weak(place: Place, one: StoreConfig, scheme: str, number: int, names: list[str]) -> Finding:
    first = "whoever logs in gets a better one; for the others: " if one.upgrade else ""
    return finding(
        "weak-passwords",
        f"{counted(number, 'user')} {_have(number)} a weak password field, {scheme}: {examples(names, number)}",
        mend=first + new_password(place, one, names, number),
        users=names,
    )


def _unread(place: Place, one: StoreConfig, scheme: str, number: int, names: list[str]) -> Finding:
    """Of what is not weak NWAuth is known to read nothing (reference/netwin.md section 4.4)."""
    own = f"shared = false in {place.settings}" if os.path.lexists(place.settings) else place.nwauth("init", "--yes")
    return finding(
        "unread-by-nwauth",
        f"{counted(number, 'user')} of a shared folder {_have(number)} a password field that NWAuth does not read,"
        f" {scheme}: {examples(names, number)}",
        mend=f"{new_password(place, one, names, number)}; or, where no other program reads {one.path}, {own}",
        users=names,
    )


def _have(number: int) -> str:
    return "has" if number == 1 else "have"


# --- names -----------------------------------------------------------------------------------------------------------


def addresses(place: Place) -> Iterator[Finding]:
    """The servers ask for every user by some name."""
    survey, conf = place.survey, place.asking
    if survey is None or conf is None or not survey.people.never_asked:
        return
    number, names = survey.people.never_asked, survey.people.names["never-asked"]
    default = place.config.names.default_domain if place.config is not None else ""
    if conf.authent_domain:
        domains = ", ".join(str(domain) for domain in conf.domains)
        what = f"no domain of {conf.file} in the name ({domains})"
        mend = place.nwauth("user", "rename", names[0], f"{names[0].partition('@')[0]}@{conf.main_domain}")
        if place.config is not None and all(one.read_only for one in place.config.stores):
            mend = f'give the store strip_suffix = "@{conf.main_domain}" in {place.settings}'
    elif default:
        what = (
            f"another domain in the name, or none, than default_domain puts behind each that is asked for ({default})"
        )
        mend = f"in {place.settings} take out default_domain; or rename them"
    else:
        what = f"a domain in the name, and {conf.file} has authent_domain false: names are asked for without"
        mend = place.mend_setting("authent_domain", "true")
    yield finding(
        "never-asked",
        f"{counted(number, 'user')} {_have(number)} {what}: {examples(names, number)}",
        mend=mend,
        users=names,
    )


def drop_files(place: Place) -> Iterator[Finding]:
    """Drop files lie where their owners look, and no two people share one."""
    if place.survey is not None:
        yield from place.survey.drops.findings()
