"""The rules of a policy, compiled: which one decides about a login (spec/policy.md section 1).

Every condition is asked once for all rules: the answer is a bit mask, with bit i set where it holds for rule i.  Where
all masks have a bit, the rule's every condition holds, and the lowest one decides.  So a decision costs a few look-ups,
however many rules there are, and `steps` tells from the same masks why the others did not decide.
"""

from __future__ import annotations

from bisect import bisect_right

from nwauth.model import Record
from nwauth.names import fold, split_name
from nwauth.policy.changes import next_change
from nwauth.policy.hosts import UNKNOWN, Hosts, read_address
from nwauth.policy.hosttable import HostTable
from nwauth.policy.hourtable import HourTable
from nwauth.policy.patterns import PatternTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime, tzinfo
    from typing import Final

    from nwauth.model import User
    from nwauth.policy.hosts import Address
    from nwauth.policy.throttle.settings import ThrottleSettings
    from nwauth.policy.trials import Trial
    from nwauth.policy.when import Dates, When

CONDITIONS = ("user", "class", "domain", "store", "service", "from", "when")
DEFAULT = "default"  # the class of a user who has none, and the name of the decision where no rule decides
ANY = "any"
_SERVICES = {"pop3": "pop", "pop3s": "pops", "imap4": "imap", "imap4s": "imaps"}  # those of two names, by one of them
_EVERYWHERE = Hosts(anywhere=True)
_ALL = -1  # a mask of all rules, however many there are
_MOST_KEPT = 4096  # answers about changes to come


class Login(Record):
    """Who logs in: folded name, folded classes, store and service ("" where the server did not say), the address."""

    __slots__ = ("address", "classes", "name", "service", "store")

    def __init__(
        self, *, name: str, classes: tuple[str, ...], store: str, service: str = "", address: Address | None = None
    ) -> None:
        self.name: Final = name
        self.classes: Final = classes
        self.store: Final = store
        self.service: Final = service
        self.address: Final = address


class Rule(Record):
    """A rule as it stands in the file; a condition of None always holds.

    `words` are the conditions as they were written.  `shadow`: it decides nothing, and only tells what it would.
    """

    __slots__ = (
        "allow", "classes", "domains", "hosts", "name", "services", "shadow", "stores", "text", "users", "when",
        "words",
    )  # fmt: skip

    def __init__(
        self,
        *,
        name: str,
        allow: bool,
        shadow: bool = False,
        text: str = "",
        users: tuple[str, ...] | None = None,
        classes: tuple[str, ...] | None = None,
        domains: tuple[str, ...] | None = None,
        stores: tuple[str, ...] | None = None,
        services: tuple[str, ...] | None = None,
        hosts: Hosts | None = None,
        when: When | None = None,
        words: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.name: Final = name
        self.allow: Final = allow
        self.shadow: Final = shadow
        self.text: Final = text
        self.users: Final = users
        self.classes: Final = classes
        self.domains: Final = domains
        self.stores: Final = stores
        self.services: Final = services
        self.hosts: Final = hosts
        self.when: Final = when
        self.words: Final = dict(words or {})

    @property
    def action(self) -> str:
        """``allow`` or ``deny``."""
        return "allow" if self.allow else "deny"

    @property
    def wants_address(self) -> bool:
        """Whether it asks from where, and an unknown address is no answer."""
        return self.hosts is not None and not (self.hosts.anywhere or self.hosts.unknown)

    @property
    def wants_service(self) -> bool:
        """Whether it asks for the service, and an unknown one is no answer."""
        return self.services is not None and not {ANY, UNKNOWN} & {*self.services}


class Decision(Record):
    """Whether a login is allowed, and by which rule.

    `text` is what the user may be told.  `shadowed` are the rules that would have decided otherwise, were they no
    shadows.  `blind` names the condition (``from``, ``service``) that holds only because the server did not say.
    """

    __slots__ = ("allowed", "blind", "rule", "shadowed", "text")

    def __init__(
        self, *, allowed: bool, rule: str, text: str = "", shadowed: tuple[str, ...] = (), blind: str = ""
    ) -> None:
        self.allowed: Final = allowed
        self.rule: Final = rule
        self.text: Final = text
        self.shadowed: Final = shadowed
        self.blind: Final = blind


class Step(Record):
    """What a rule had to say about a login: `failed` is the condition that does not hold, "" where all do."""

    __slots__ = ("decides", "failed", "rule")

    def __init__(self, *, rule: Rule, failed: str, decides: bool) -> None:
        self.rule: Final = rule
        self.failed: Final = failed
        self.decides: Final = decides


class Lists(Record):
    """What the lists of a policy hold, by folded name: dates, and the entries for hosts and users as written."""

    __slots__ = ("dates", "hosts", "users")

    def __init__(self) -> None:
        self.dates: Final[dict[str, Dates]] = {}
        self.hosts: Final[dict[str, tuple[str, ...]]] = {}
        self.users: Final[dict[str, tuple[str, ...]]] = {}


class Policy:
    """Rules in order, and what happens where none decides.  Immutable."""

    def __init__(
        self,
        rules: Iterable[Rule] = (),
        *,
        allow: bool,
        zone: tzinfo,
        reveal: bool = False,
        throttle: ThrottleSettings | None = None,
        lists: Lists | None = None,
        trials: Iterable[Trial] = (),
    ) -> None:
        self.rules: Final = tuple(rules)
        self.allow: Final = allow
        self.zone: Final = zone
        self.reveal: Final = reveal
        self.throttle: Final = throttle
        self.lists: Final = lists or Lists()
        self.trials: Final = tuple(trials)
        self.asks_hosts: Final = any(rule.hosts is not None for rule in self.rules)
        self._by_default: Final = Decision(allowed=allow, rule=DEFAULT)
        self._shadows: Final = self._mask(lambda rule: rule.shadow)
        self._users: Final = PatternTable([rule.users or ("*",) for rule in self.rules])
        self._asks_domains: Final = any(rule.domains is not None for rule in self.rules)
        self._domains: Final = PatternTable([rule.domains or ("*",) for rule in self.rules])
        self._classes: Final = _Words([rule.classes for rule in self.rules])
        self._stores: Final = _Words([rule.stores for rule in self.rules])
        self._services: Final = _Words([rule.services for rule in self.rules])
        self._hosts: Final = HostTable([rule.hosts or _EVERYWHERE for rule in self.rules])
        # What the server did not say keeps nobody out of a rule that denies, and lets nobody into one that allows.
        self._blind_hosts: Final = self._mask(lambda rule: not rule.allow and rule.wants_address)
        self._blind_services: Final = self._mask(lambda rule: not rule.allow and rule.wants_service)
        self._hours: Final = HourTable([rule.when for rule in self.rules])
        self._kept: dict[int, tuple[list[datetime], list[datetime | None]]] = {}
        self._number_kept = 0

    def _mask(self, holds: Callable[[Rule], bool]) -> int:
        return sum(1 << at for at, rule in enumerate(self.rules) if holds(rule))

    # --- deciding -------------------------------------------------------------------------------------------------

    def decide(self, login: Login, instant: datetime | Callable[[], datetime] | None) -> Decision:
        """Whether the login is allowed at `instant`, an aware time; None will do where no rule asks for the time.

        A clock in its place is looked at only where a rule's hours are all that is left to ask.
        """
        lasting = self._lasting(login)
        if lasting & ~self._hours.always:
            lasting &= self._holding(instant() if callable(instant) else instant)
        return self._decision(lasting, login)

    def steps(self, login: Login, instant: datetime | None) -> list[Step]:
        """What each rule had to say, in order: one that is behind the deciding rule too."""
        masks = (*self._facets(login), self._holding(instant))
        all_hold = -1
        for mask in masks:
            all_hold &= mask
        deciding = _first(all_hold & ~self._shadows)
        return [
            Step(
                rule=rule,
                failed=next((name for name, mask in zip(CONDITIONS, masks, strict=True) if not mask >> at & 1), ""),
                decides=at == deciding,
            )
            for at, rule in enumerate(self.rules)
        ]

    def until(self, login: Login, instant: datetime) -> datetime | None:
        """When such a login is next decided otherwise, allowed or not, in UTC; None: never."""
        from datetime import UTC

        instant = instant.astimezone(UTC)  # in one zone, times are compared by their wall time alone
        lasting = self._lasting(login)
        starts, ends = self._kept.setdefault(lasting, ([], []))  # from when to when the decision does not change
        at = bisect_right(starts, instant)
        if at:
            end = ends[at - 1]
            if end is None or instant < end:
                return end
        end = next_change(instant, self.hours_of(login), lambda moment: self._allows(lasting, moment))
        starts.insert(at, instant)
        ends.insert(at, end)
        self._number_kept += 1
        if self._number_kept > _MOST_KEPT:
            self._kept, self._number_kept = {}, 0
        return end

    def hours_of(self, login: Login) -> tuple[When, ...]:
        """The hours that the decision about such a login depends on."""
        lasting = self._lasting(login) & ~self._shadows
        surely = _first(lasting & self._hours.always)
        if surely is not None:  # those behind it never decide
            lasting &= (1 << surely) - 1
        return tuple(rule.when for at, rule in enumerate(self.rules) if lasting >> at & 1 and rule.when is not None)

    def _allows(self, lasting: int, instant: datetime) -> bool:
        at = _first(lasting & self._holding(instant) & ~self._shadows)
        return self.allow if at is None else self.rules[at].allow

    def _decision(self, holding: int, login: Login) -> Decision:
        """What those rules decide of which every condition holds."""
        at = _first(holding & ~self._shadows)
        shadows = holding & self._shadows
        if at is None and not shadows:
            return self._by_default
        if at is None:
            rule, allowed = None, self.allow
        else:
            rule, allowed = self.rules[at], self.rules[at].allow
            shadows &= (1 << at) - 1
        return Decision(
            allowed=allowed,
            rule=DEFAULT if rule is None else rule.name,
            text="" if rule is None else rule.text,
            shadowed=self._shadowed(shadows, allowed=allowed) if shadows else (),
            blind="" if at is None or allowed else self._blind(at, login),
        )

    def _shadowed(self, shadows: int, *, allowed: bool) -> tuple[str, ...]:
        return tuple(rule.name for at, rule in enumerate(self.rules) if shadows >> at & 1 and rule.allow != allowed)

    def _blind(self, at: int, login: Login) -> str:
        if login.address is None and self._blind_hosts >> at & 1:
            return "from"
        return "service" if not login.service and self._blind_services >> at & 1 else ""

    # --- masks ----------------------------------------------------------------------------------------------------

    def _facets(self, login: Login) -> tuple[int, int, int, int, int, int]:
        """Of which rules each condition but `when` holds, in the order of `CONDITIONS`."""
        name, service, address = login.name, login.service, login.address
        return (
            self._users.naming(name),
            self._classes.holding(login.classes),
            self._domains.naming(split_name(name)[1]) if self._asks_domains else _ALL,
            self._stores.holding((login.store,)),
            self._services.holding((service, ANY))
            if service
            else self._services.holding((UNKNOWN, ANY)) | self._blind_services,
            self._hosts.holding(address) if address is not None else self._hosts.holding(None) | self._blind_hosts,
        )

    def _lasting(self, login: Login) -> int:
        """The rules of which all conditions but `when` hold."""
        users, classes, domains, stores, services, hosts = self._facets(login)
        return users & classes & domains & stores & services & hosts

    def _holding(self, instant: datetime | None) -> int:
        """The rules that hold at that time."""
        return self._hours.always if instant is None else self._hours.holding(instant)


def service_key(folded: str) -> str:
    """A service by the one of its names that rules compare; one that is called unknown is not said: ""."""
    return "" if folded == UNKNOWN else _SERVICES.get(folded, folded)


def login_of(user: User, *, address: str | None, service: str, class_field: str, classes: str | None = None) -> Login:
    """The login of a user as rules see it; `address` in text, `service` folded, `classes` in place of the user's."""
    return Login(
        name=fold(user.name),
        classes=classes_of(classes or (user.info.get(class_field) if user.info.text else None)),
        store=fold(user.store),
        service=service_key(service),
        address=None if address is None else read_address(address),
    )


class _Words:
    """The rules that name a word, or none at all."""

    def __init__(self, of_rules: list[tuple[str, ...] | None]) -> None:
        self._free: Final = sum(1 << at for at, words in enumerate(of_rules) if words is None)
        self._by_word: Final[dict[str, int]] = {}
        for at, words in enumerate(of_rules):
            for word in words or ():
                self._by_word[word] = self._by_word.get(word, 0) | 1 << at

    def holding(self, words: tuple[str, ...]) -> int:
        """The rules that name one of these words, or none."""
        mask = self._free
        for word in words:
            mask |= self._by_word.get(word, 0)
        return mask


def classes_of(text: str | None) -> tuple[str, ...]:
    """The classes that an info field names, folded; `DEFAULT` where it names none."""
    if not text:
        return (DEFAULT,)
    if "," not in text:  # the usual case
        word = text.strip()
        return (fold(word) if word else DEFAULT,)
    return tuple(fold(word) for piece in text.split(",") if (word := piece.strip())) or (DEFAULT,)


def _first(mask: int) -> int | None:
    """The lowest bit that is set; None where none is."""
    return (mask & -mask).bit_length() - 1 if mask else None
