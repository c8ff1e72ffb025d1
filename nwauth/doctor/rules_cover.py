"""Whether earlier rules decide everything that a rule is about: never said of a rule that can still decide.

Every login there could be is sorted, for each condition, into kinds that all rules treat alike: the hosts between two
ends of networks, the minutes between two edges of hours on days of one sort.  A kind is a bit mask: of the rules whose
condition holds for it.  A rule is covered where, whichever kinds are put together of those that it is about, some
earlier rule is in all their masks.  So several rules may cover one together.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from nwauth.doctor.rules_globs import covers, is_whole_name, meet
from nwauth.names import split_name
from nwauth.policy.hosts import UNKNOWN, Hosts
from nwauth.policy.hosttable import HostTable
from nwauth.policy.patterns import PatternTable
from nwauth.policy.rules import ANY
from nwauth.policy.when import DAY_MINUTES, EVERY_DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import tzinfo

    from nwauth.policy.rules import Policy, Rule
    from nwauth.policy.when import When

    Masks = frozenset[int]

MOST_HOURS_ASKED = 2_000_000
MOST_COMBINATIONS = 50_000  # for one rule; then it is not found out, and nothing is said
MOST_NAMED = 48  # of more rules that cover one together, it is not found out which could be left out
WEEK_AND_A_DAY = 8
_ANOTHER = "\0"  # a word that no rule names
ADDRESSES = {4: 1 << 32, 6: 1 << 128}
EVERYTHING = Hosts(anywhere=True)
EVERYBODY = "*"


class Cover:
    """The kinds of logins that the rules of a policy tell apart; `stores` are those that there are, folded.

    `today` (an ordinal) is when it begins: what was before is of no interest.
    """

    def __init__(self, policy: Policy, *, stores: Sequence[str], today: int) -> None:
        self._rules = policy.rules
        self._today = today
        self.enforcing = self._mask(lambda rule: not rule.shadow)
        self._denying = self._mask(lambda rule: not rule.allow)
        self._classes = self._words(lambda rule: rule.classes)
        self._stores = frozenset(self._word_masks([rule.stores for rule in self._rules], stores))
        hosts = [rule.hosts or EVERYTHING for rule in self._rules]
        table = HostTable(hosts)
        ends = {(of, end) for one in hosts for of, first, last in one.spans for end in (first, last + 1)}
        there_are = {(of, end) for of, end in ends if end < ADDRESSES[of]}
        self._hosts = frozenset(map(table.holding, there_are | {(4, 0), (6, 0)}))
        self._no_host = table.holding(None) | self._denying  # it keeps nobody out of a rule that denies
        given = [rule.services for rule in self._rules]
        named = sorted({word for words in given for word in words or ()} | {_ANOTHER})
        self._services = frozenset(
            self._word_masks([None if words and ANY in words else words for words in given], named)
        )
        (unknown,) = self._word_masks(given, [UNKNOWN])
        (anything,) = self._word_masks(given, [ANY])
        self._no_service = unknown | anything | self._denying
        self._zones: dict[tzinfo, Masks] = {}
        self._names_of: dict[tuple[str, str], int] = {}
        self._user_table = PatternTable([rule.users or (EVERYBODY,) for rule in self._rules])
        self._domain_table = PatternTable([rule.domains or (EVERYBODY,) for rule in self._rules])
        self._user_globs = _globs([rule.users or (EVERYBODY,) for rule in self._rules])
        self._domain_globs = _globs([rule.domains or (EVERYBODY,) for rule in self._rules])

    def _mask(self, holds: Callable[[Rule], bool]) -> int:
        return sum(1 << at for at, rule in enumerate(self._rules) if holds(rule))

    # --- the kinds --------------------------------------------------------------------------------------------------

    def _words(self, of: Callable[[Rule], tuple[str, ...] | None]) -> Masks:
        given = [of(rule) for rule in self._rules]
        return frozenset(self._word_masks(given, {word for words in given for word in words or ()} | {_ANOTHER}))

    def _word_masks(self, given: Sequence[tuple[str, ...] | None], words: Iterable[str]) -> list[int]:
        free = sum(1 << at for at, named in enumerate(given) if named is None)
        masks: dict[str, int] = {}
        for at, named in enumerate(given):
            for word in named or ():
                masks[word] = masks.get(word, 0) | 1 << at
        return [free | masks.get(word, 0) for word in words]

    def _times(self, zone: tzinfo) -> Masks:
        """The kinds of times by the clock of a zone; hours by another clock hold at none of them, but for all hours."""
        if zone not in self._zones:
            self._zones[zone] = self._read_times(zone)
        return self._zones[zone]

    def _hours(self, zone: tzinfo) -> tuple[int, dict[When, int]]:
        """The rules that always hold, and those of each of the hours by the clock of a zone."""
        always = 0
        whens: dict[When, int] = {}
        for at, rule in enumerate(self._rules):
            if rule.when is None or _is_always(rule.when):
                always |= 1 << at
            elif rule.when.zone == zone:
                whens[rule.when] = whens.get(rule.when, 0) | 1 << at
        return always, whens

    def _read_times(self, zone: tzinfo) -> Masks:
        """Where there are too many to look at: the same hours, however many rules have them, are alike."""
        always, whens = self._hours(zone)
        days = self._days(whens)
        minutes = sorted({0}.union(*(when.edges() for when in whens)))
        if len(days) * len(minutes) * len(whens) > MOST_HOURS_ASKED:
            return frozenset([always, *(always | mask for mask in whens.values())])
        return frozenset(
            always | sum(mask for when, mask in whens.items() if when.hold(day, minute))
            for day in days
            for minute in minutes
        )

    def _days(self, whens: Iterable[When]) -> list[int]:
        """Days that stand for all from today on: a week and a day from each on which other dates begin to hold."""
        marks = {self._today}.union(*(when.turning_days() for when in whens))
        days = {mark + step for mark in marks if mark >= self._today for step in range(WEEK_AND_A_DAY)}
        return sorted(day for day in days if day <= date.max.toordinal())

    def _names(self, rule: Rule | None) -> Masks:
        """The kinds of names that a rule is about, or that there are; none where its users are of other domains."""
        users = (rule.users if rule is not None else None) or (EVERYBODY,)
        domains = (rule.domains if rule is not None else None) or (EVERYBODY,)
        return frozenset(self._naming(user, domain) for user in users for domain in domains if may_be_of(user, domain))

    def _naming(self, user: str, domain: str) -> int:
        """The rules that surely are about all names that fit both patterns."""
        known = self._names_of.get((user, domain))
        if known is not None:
            return known
        if is_whole_name(user):
            found = self._user_table.naming(user) & self._domain_table.naming(split_name(user)[1])
        else:
            whole = _of_domain(domain)
            tail = user.rpartition("@")[2] if "@" in user else EVERYBODY
            narrow = tail if is_whole_name(tail) else domain
            of_users = _union(m for glob, m in self._user_globs.items() if covers(glob, user) or covers(glob, whole))
            of_domains = (
                self._domain_table.naming(narrow)
                if is_whole_name(narrow)
                else _union(m for glob, m in self._domain_globs.items() if covers(glob, narrow))
            )
            found = of_users & of_domains
        self._names_of[user, domain] = found
        return found

    # --- the question -----------------------------------------------------------------------------------------------

    def of_rule(self, at: int) -> tuple[tuple[int, ...], bool] | None:
        """The earlier rules that leave the rule nothing to decide; None: there are none, as far as can be told.

        With True, they leave it the logins of which the server did not say the address or the service.
        """
        rule, bit = self._rules[at], 1 << at
        earlier = self.enforcing & (bit - 1)
        names, classes, stores = self._names(rule), _with(self._classes, bit), _with(self._stores, bit)
        hosts, services = _with(self._hosts, bit), _with(self._services, bit)
        zones = self._clocks(rule)
        people = [names, classes, stores]
        said = [hosts | _with({self._no_host}, bit), services | _with({self._no_service}, bit)]
        found = self._found([*people, *said], zones, bit, earlier)
        if found is not None:
            return found, False
        if rule.allow or (rule.hosts is None and rule.services is None):
            return None
        blind = [
            said[0] if rule.hosts is None or rule.hosts.unknown or rule.hosts.anywhere else hosts,
            said[1] if rule.services is None or {ANY, UNKNOWN} & {*rule.services} else services,
        ]
        found = self._found([*people, *blind], zones, bit, earlier)
        return None if found is None else (found, True)

    def of_default(self, zone: tzinfo) -> tuple[int, ...] | None:
        """The rules that leave the default nothing to decide; None: there are none, as far as can be told."""
        said = [self._hosts | {self._no_host}, self._services | {self._no_service}]
        zones = [zone, *(z for z in self._all_zones() if z != zone)]
        return self._found([self._names(None), self._classes, self._stores, *said], zones, 0, self.enforcing)

    def _all_zones(self) -> list[tzinfo]:
        return list({rule.when.zone: None for rule in self._rules if rule.when is not None})

    def _clocks(self, rule: Rule) -> list[tzinfo]:
        """The clocks to look at for a rule: its own; for one of all hours, that of any other."""
        return [rule.when.zone] if rule.when is not None else self._all_zones()

    def _found(self, kinds: list[Masks], zones: list[tzinfo], bit: int, earlier: int) -> tuple[int, ...] | None:
        """The answer by one of these clocks; without any, no rule has hours."""
        if not zones:
            return _covering(kinds, earlier)
        answers = (_covering([*kinds, _with(self._times(zone), bit)], earlier) for zone in zones)
        return next((found for found in answers if found is not None), None)


def may_be_of(user: str, domain: str) -> bool:
    """Whether a name that fits the one pattern may be of a domain that fits the other."""
    if is_whole_name(user):
        return PatternTable([[domain]]).naming(split_name(user)[1]) != 0
    return meet(user, _of_domain(domain))


def _of_domain(domain: str) -> str:
    """A pattern for all names of a domain, and perhaps some more."""
    return f"*@{domain}" if domain.strip("*") else EVERYBODY


def _globs(of_rules: Sequence[Iterable[str]]) -> dict[str, int]:
    """The patterns with wildcards, each with its rules."""
    found: dict[str, int] = {}
    for at, patterns in enumerate(of_rules):
        for pattern in patterns:
            if not is_whole_name(pattern):
                found[pattern] = found.get(pattern, 0) | 1 << at
    return found


def _is_always(when: When) -> bool:
    """Whether the hours are all there are."""
    if when.first is not None or when.last is not None or when.days_off.spans:
        return False
    return all(when.hold(1 + day, minute) for day in EVERY_DAY for minute in when.edges() | {0, DAY_MINUTES - 1})


def _with(masks: Iterable[int], bit: int) -> Masks:
    """Those in which the rule is; all of them where no rule is meant."""
    return frozenset(mask for mask in masks if mask & bit or not bit)


# --- the search ------------------------------------------------------------------------------------------------------


def _covering(kinds: list[Masks], earlier: int) -> tuple[int, ...] | None:
    """Rules among `earlier` of which, for every combination of a mask from each of `kinds`, one is in all of them."""
    if not all(kinds):
        return None  # the rule is about nothing at all: another finding tells
    relevant = earlier
    for masks in kinds:
        relevant &= _union(masks)
    if not relevant or not _is_covered(kinds, relevant):
        return None
    alone = relevant
    for masks in kinds:
        alone &= _common(masks)
    if alone:
        return ((alone & -alone).bit_length() - 1,)
    bits = [at for at in range(relevant.bit_length()) if relevant >> at & 1]
    if len(bits) <= MOST_NAMED:
        for at in reversed(bits):
            if _is_covered(kinds, relevant & ~(1 << at)):
                relevant &= ~(1 << at)
    return tuple(at for at in bits if relevant >> at & 1)


def _is_covered(kinds: list[Masks], relevant: int) -> bool:
    ordered = sorted(({mask & relevant for mask in masks} for masks in kinds), key=len)
    if any(0 in masks for masks in ordered):
        return False
    common = [relevant]  # from each place on: the rules that are in every mask
    for masks in reversed(ordered):
        common.append(common[-1] & _common(masks))
    common.reverse()
    seen: set[tuple[int, int]] = set()
    todo = [(0, relevant)]
    while todo:
        at, left = todo.pop()
        if not left:
            return False
        if left & common[at]:  # one of them holds whatever comes
            continue
        for mask in ordered[at]:
            state = at + 1, left & mask
            if state not in seen:
                seen.add(state)
                todo.append(state)
        if len(seen) > MOST_COMBINATIONS:
            return False
    return True


def _union(masks: Iterable[int]) -> int:
    found = 0
    for mask in masks:
        found |= mask
    return found


def _common(masks: Iterable[int]) -> int:
    found = -1
    for mask in masks:
        found &= mask
    return found
