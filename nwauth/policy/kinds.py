"""The logins that rules can tell apart: one of each kind stands for all."""

from __future__ import annotations

from nwauth.names import fold
from nwauth.policy.hosts import UNKNOWN, Hosts
from nwauth.policy.hosttable import HostTable
from nwauth.policy.rules import ANY, Login

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from nwauth.policy.hosts import Address
    from nwauth.policy.rules import Policy, Rule
    from nwauth.policy.when import When

WHO = ("user", "class", "domain", "store")  # the conditions about the user
_EVERYWHERE = Hosts(anywhere=True)


def concerned(policy: Policy, login: Login) -> tuple[Rule, ...]:
    """The rules that can hold for such a user: from somewhere, by some service, at some time."""
    return tuple(step.rule for step in policy.steps(login, _any_time()) if step.failed not in WHO)


def kinds(policy: Policy, login: Login, *, everywhere: bool, by_all: bool, mask: Hosts | None = None) -> list[Login]:
    """One login of each kind that is decided about in its own way.

    With `everywhere` the address of `login` does not count: one of each region that rules and `mask` tell apart stands
    for it, and the unknown one; with `by_all` so it is with services.
    """
    rules = concerned(policy, login)
    table = HostTable([rule.hosts or _EVERYWHERE for rule in rules] + ([] if mask is None else [mask]))
    found: dict[object, Login] = {}
    for service in _services(rules) if by_all else [login.service]:
        bits = 0
        for address in _addresses(table, rules, mask) if everywhere else [login.address]:
            one = Login(name=login.name, classes=login.classes, store=login.store, service=service, address=address)
            if address is None:  # the rules have their own mind about the unknown
                steps = tuple(step.failed in ("", "when") for step in policy.steps(one, _any_time()))
                found.setdefault((steps, mask is None or mask.hold(None)), one)
                continue
            bits = bits or _by_service(policy, one, len(rules))
            found.setdefault(table.holding(address) & bits, one)
    return list(found.values())


def _by_service(policy: Policy, login: Login, count: int) -> int:
    """Of which of the `count` rules that concern the user the service is one, as bits; further bits are all set.

    `Policy.steps` tells the first condition that fails, and asks for the service before the address.
    """
    told = [step.failed != "service" for step in policy.steps(login, _any_time()) if step.failed not in WHO]
    return sum(1 << at for at, holds in enumerate(told) if holds) | -1 << count


def hours_of(policy: Policy, login: Login) -> tuple[When, ...]:
    """The hours that what is told about such a login depends on, those of shadows too."""
    steps = policy.steps(login, _any_time())
    return tuple(step.rule.when for step in steps if step.failed in ("", "when") and step.rule.when is not None)


def _any_time() -> datetime:
    from datetime import UTC, datetime

    return datetime(2000, 1, 1, tzinfo=UTC)


def _addresses(table: HostTable, rules: Sequence[Rule], mask: Hosts | None) -> list[Address | None]:
    """The unknown address, and one of each set of rules that may hold for a known one."""
    ends: set[Address] = {(4, 0), (6, 0)}
    for hosts in [*(rule.hosts for rule in rules), mask]:
        for version, first, last in () if hosts is None else hosts.spans:
            ends.add((version, first))
            if last + 1 < 1 << (32 if version == 4 else 128):
                ends.add((version, last + 1))
    found: dict[int, Address] = {}
    for end in sorted(ends):
        found.setdefault(table.holding(end), end)
    return [None, *found.values()]


def _services(rules: Iterable[Rule]) -> list[str]:
    """The unknown service, each one that a rule names, and one that none names."""
    named = sorted({word for rule in rules for word in rule.services or ()} - {ANY, UNKNOWN})
    other = "other"
    while fold(other) in named:
        other += "-"
    return ["", *named, other]
