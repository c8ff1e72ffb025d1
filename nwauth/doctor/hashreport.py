"""Users by what their password fields are worth, for ``nwauth hash report``: one pass over them, in flat memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from nwauth.build import rules
from nwauth.config.part import BY_THE_STORE
from nwauth.doctor.listed import built
from nwauth.errors import NotSupported, NwauthError
from nwauth.passwords.inspecting import Inspector, Standing
from nwauth.policy import account
from nwauth.policy.apps import of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, tzinfo

    from nwauth.config import Config
    from nwauth.config.part import StoreConfig
    from nwauth.model import User

CREATED = "created"  # the info field of NWAuth, in seconds since 1970; a column or attribute mapped to it may be a date
DIGITS = 11  # of such a number; more is none
YEAR_DAYS = 365.25
ONE_DAY = timedelta(days=1)  # the zone of `created` may be ahead of ours
AGES = (("under_1_year", 1), ("1_to_2_years", 2), ("2_to_5_years", 5), ("over_5_years", 1 << 30))
UNKNOWN_AGE = "unknown"
MOST_NAMES = 5
NEVER_RENEWED = ("netwin-weak",)  # many passwords fit one
COUNTS = ("weak", "uncheckable", "no_login", "hit_today", "hit_then", "renewed_by_login")


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What was seen of one user.

    `hit_today`: weak_after would refuse the login if it were in force today, `hit_then`: on its date; an account that
    is over by then is not hit.  `renewed_by_login`: the next login stores the password anew, which saves it.
    """

    user: str
    store: str
    scheme: str
    weak: bool
    uncheckable: bool
    no_login: bool
    hit_today: bool
    hit_then: bool
    renewed_by_login: bool
    created: date | None
    reason: str

    @property
    def is_concerned(self) -> bool:
        """Whether there is anything to be done."""
        return self.weak or self.uncheckable or self.no_login


@dataclass(slots=True)
class Line:
    """Numbers of users: of a store or of all, of a scheme or of all."""

    store: str | None
    scheme: str | None
    users: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    ages: dict[str, int] = field(default_factory=lambda: dict.fromkeys([*(name for name, _ in AGES), UNKNOWN_AGE], 0))
    oldest: date | None = None
    names: list[str] = field(default_factory=list)

    def add(self, one: Looked, age: str) -> None:
        """Count a user."""
        self.users += 1
        for name in COUNTS:
            self.counts[name] += getattr(one, name)
        self.ages[age] += 1
        if one.created is not None and (self.oldest is None or one.created < self.oldest):
            self.oldest = one.created
        if one.is_concerned and len(self.names) < MOST_NAMES:
            self.names.append(one.user)

    def take(self, other: Line) -> None:
        """Add the numbers of another line."""
        self.users += other.users
        for name in COUNTS:
            self.counts[name] += other.counts[name]
        for name, number in other.ages.items():
            self.ages[name] += number
        if other.oldest is not None and (self.oldest is None or other.oldest < self.oldest):
            self.oldest = other.oldest
        self.names += other.names[: MOST_NAMES - len(self.names)]


class HashReport:
    """Looks at all users of a configuration's stores; `weak_after` None: as the settings have it.

    `now` is aware, in the zone that `weak_after` is meant in: the machine's, as for a login.  `zone` is that of the
    accounts' own dates, the policy's; None: the same.  `apps` counts app passwords, `with_apps` users with some.
    `unlisted` names stores that give no listing, `errors` those that could not be listed whole, with the reason.
    """

    def __init__(
        self,
        config: Config,
        *,
        now: datetime,
        zone: tzinfo | None = None,
        weak_after: date | None = None,
        native: bool = True,
    ) -> None:
        self.weak_after = weak_after or config.passwords.weak_after
        self.users = 0
        self.apps = self.with_apps = 0
        self.unlisted: list[str] = []
        self.errors: dict[str, Exception] = {}
        self._config = config
        self._now = now
        self._zone = zone or now.tzinfo
        self._inspector = Inspector(config.passwords, native=native)
        self._lines: dict[tuple[str, str], Line] = {}
        self._renewing: dict[str, bool] = {one.name: self._renews(one) for one in config.stores}
        self._then = max(now, _midnight(self.weak_after, now)) if self.weak_after is not None else None

    @property
    def is_in_force(self) -> bool:
        """Whether weak passwords are refused today already."""
        return self.weak_after is not None and self._now.date() >= self.weak_after

    def _renews(self, one: StoreConfig) -> bool:
        """Whether a login stores a weak password in a scheme that is none."""
        wanted = rules(self._config, one).upgrade_to
        return wanted is not None and wanted != "ssha"

    def run(self) -> Iterator[Looked]:
        """Everybody, store by store; who is taken from it is counted."""
        for one in self._config.stores:
            store = built(self._config, one)
            try:
                for user in store.search():
                    yield self._take(user, one)
            except NotSupported:
                self.unlisted.append(one.name)
            except (NwauthError, OSError) as error:
                self.errors[one.name] = error
            finally:
                store.close()

    def _take(self, user: User, one: StoreConfig) -> Looked:
        self.users += 1
        if user.info.text and user.info.names_a_secret():
            apps = len(of(user.info))
            self.apps += apps
            self.with_apps += apps > 0
        looked = self._look(user, one)
        key = one.name, looked.scheme
        if key not in self._lines:
            self._lines[key] = Line(store=one.name, scheme=looked.scheme)
        self._lines[key].add(looked, self._age(looked.created))
        return looked

    def _look(self, user: User, one: StoreConfig) -> Looked:
        standing = self._standing(user.stored_password, one)
        refusable = standing.weak and not standing.uncheckable and not standing.no_login
        return Looked(
            user=user.name,
            store=one.name,
            scheme=standing.scheme,
            weak=standing.weak,
            uncheckable=standing.uncheckable,
            no_login=standing.no_login,
            hit_today=refusable and self._is_open(user, self._now),
            hit_then=refusable and self._then is not None and self._is_open(user, self._then),
            renewed_by_login=refusable and self._renewing[one.name] and standing.scheme not in NEVER_RENEWED,
            created=self._made(user),
            reason=standing.reason,
        )

    def _made(self, user: User) -> date | None:
        """When the account was made; a day to come is none."""
        created = _created(user)
        return None if created is not None and created > self._now.date() + ONE_DAY else created

    def _standing(self, stored: str, one: StoreConfig) -> Standing:
        if one.keeps_from_us(stored):
            return Standing(scheme=BY_THE_STORE, weak=False)
        return self._inspector.look(stored, star_is_clear=one.star_is_clear)

    def _is_open(self, user: User, when: datetime) -> bool:
        """Whether the account itself lets its user in then."""
        return account.refusal(user.info, lambda: when.astimezone(self._zone)) is None

    def _age(self, created: date | None) -> str:
        if created is None:
            return UNKNOWN_AGE
        years = (self._now.date() - created).days / YEAR_DAYS
        return next(name for name, most in AGES if years < most)

    def lines(self) -> list[Line]:
        """The numbers by store and scheme, the most first; of each store; of all stores by scheme; and of all."""
        found: list[Line] = []
        by_scheme: dict[str, Line] = {}
        whole = Line(store=None, scheme=None)
        for one in self._config.stores:
            own = [line for (store, _), line in self._lines.items() if store == one.name]
            total = Line(store=one.name, scheme=None)
            for line in own:
                total.take(line)
                by_scheme.setdefault(str(line.scheme), Line(store=None, scheme=line.scheme)).take(line)
            found += [*_sorted(own), total]
            whole.take(total)
        return [*found, *_sorted(list(by_scheme.values())), whole]


def _sorted(lines: list[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: (-line.users, str(line.scheme)))


def _midnight(day: date, now: datetime) -> datetime:
    """When the day begins, in the zone of `now`."""
    return datetime(day.year, day.month, day.day, tzinfo=now.tzinfo)


def _created(user: User) -> date | None:
    """The day on which the account was made; None where nobody wrote it down."""
    text = (user.info.get(CREATED) or "").strip() if user.info.text else ""
    if text.isascii() and text.isdigit() and len(text) <= DIGITS:
        return datetime.fromtimestamp(int(text), tz=UTC).date() if int(text) else None
    try:
        return datetime.fromisoformat(text[:8] if text[:8].isdigit() else text[:10]).date()
    except ValueError:
        return None
