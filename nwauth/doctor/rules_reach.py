"""Rules that never decide, whatever login there is: of them the policy says less than it seems to."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from nwauth.doctor.finding import counted, finding
from nwauth.doctor.rules_cover import Cover, may_be_of
from nwauth.names import fold
from nwauth.policy.changes import next_change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place
    from nwauth.doctor.rules_file import Reading
    from nwauth.policy.rules import Rule
    from nwauth.policy.when import When

MOST_NAMED = 4


def reach(place: Place, reading: Reading) -> Iterator[Finding]:
    """Each rule can decide something, and so can the default."""
    policy = reading.policy
    assert policy is not None  # noqa: S101
    assert place.config is not None  # noqa: S101
    now = datetime.fromtimestamp(place.now(), UTC)
    enforcing = [rule for rule in policy.rules if not rule.shadow]
    if not policy.allow and not any(rule.allow for rule in enforcing):
        yield _nobody(reading)
        return
    if policy.allow and enforcing and all(rule.allow for rule in enforcing):
        yield _without_effect(reading, enforcing)
    stores = [fold(one.name) for one in place.config.stores]
    cover = Cover(policy, stores=stores, today=now.toordinal() - 1)
    over: dict[When, str] = {}
    for at, rule in enumerate(policy.rules):
        if rule.when is not None and rule.when not in over:
            over[rule.when] = _never(rule.when, now)
        reason = _contradiction(rule) or ("" if rule.when is None else over[rule.when])
        if reason:
            yield _never_holds(reading, at, reason, is_of_time=rule.when is not None and reason == over[rule.when])
            continue
        found = cover.of_rule(at)
        if found is not None:
            yield _unreachable(reading, at, *found)
    by = cover.of_default(policy.zone)
    if by is not None:
        yield _default(reading, by)


# --- conditions that do not hold -------------------------------------------------------------------------------------


def _contradiction(rule: Rule) -> str:
    """Why no user is of the rule, in words; "" where one may be."""
    if rule.users is None or rule.domains is None:
        return ""
    if any(may_be_of(user, domain) for user in rule.users for domain in rule.domains):
        return ""
    more = " and more" if len(rule.users) > 1 else ""
    domains = " or ".join(rule.domains[:MOST_NAMED])
    return f"user = {rule.users[0]}{more} is not of domain = {domains}"


def _never(when: When, now: datetime) -> str:
    """Why the hours never come, in words; "" where they do."""
    if when.last is None and not when.days_off.spans:  # then each week has them
        return ""
    if when.at(now) or next_change(now, [when], when.at) is not None:
        return ""
    if when.last is None:
        return "all its days to come are excepted"
    last = date.fromordinal(when.last)
    if when.last < now.astimezone(when.zone).toordinal():
        return f"its last day, {last}, is over"
    if when.days_off.spans:
        return f"all its days up to {last} are excepted"
    return f"no day up to {last} has these hours"


def _never_holds(reading: Reading, at: int, reason: str, *, is_of_time: bool) -> Finding:
    key = "when" if is_of_time else "user"
    line = reading.line_of_rule(at, key)
    where = reading.in_line(line)
    return finding(
        "rule-never-holds",
        f"{reading.where(line)}rule {_quoted(reading, at)} never holds: {reason}",
        mend=f"take the rule out, or {where} give it other days" if is_of_time else f"{where} mend user, or domain",
        file=reading.file,
        line=line,
    )


# --- earlier rules ---------------------------------------------------------------------------------------------------


def _unreachable(reading: Reading, at: int, by: tuple[int, ...], is_blind: bool) -> Finding:  # noqa: FBT001
    policy = reading.policy
    assert policy is not None  # noqa: S101
    rule = policy.rules[at]
    line = reading.line_of_rule(at)
    verb = "covers" if len(by) == 1 else "together cover"
    whole = "the rest of it" if is_blind else "all of it"
    never = "decides only where the server does not say " + _unsaid(rule) + ": " if is_blind else "is never reached: "
    if all(policy.rules[one].allow == rule.allow for one in by) and not rule.shadow and not is_blind:
        mend = f"take it out: {'that rule does' if len(by) == 1 else 'those rules do'} the same"
    else:
        mend = f"put it before {reading.called(by[0])}, or take it out"
    return finding(
        "rule-unreachable",
        f"{reading.where(line)}rule {_quoted(reading, at)} {never}{_named(reading, by)} {verb} {whole}",
        mend=mend,
        file=reading.file,
        line=line,
        why="It never tells what it would have done." if rule.shadow else None,
    )


def _unsaid(rule: Rule) -> str:
    words = [word for word, given in (("the address", rule.hosts), ("the service", rule.services)) if given is not None]
    return " or ".join(words)


def _default(reading: Reading, by: tuple[int, ...]) -> Finding:
    policy = reading.policy
    assert policy is not None  # noqa: S101
    line = reading.line_of("policy.default")
    verb = "decides" if len(by) == 1 else "together decide"
    last, default = policy.rules[by[-1]], "allow" if policy.allow else "deny"
    if len(by) > 1:
        mend = "give one of them the condition that it lacks, or take one out that says what default does"
    elif last.allow == policy.allow:
        mend = f"take the rule {reading.called(by[0])} out: default says the same"
    else:
        mend = (
            f'{reading.in_line(line)} write default = "{last.action}" in place of "{default}", and take the rule'
            f" {reading.called(by[0])} out; or give it the condition that it lacks"
        )
    return finding(
        "default-unreachable",
        f"{reading.where(line)}the default is never reached: {_named(reading, by)} {verb} about every login",
        mend=mend,
        file=reading.file,
        line=line,
    )


def _named(reading: Reading, by: tuple[int, ...]) -> str:
    shown = [reading.called(at) for at in by[:MOST_NAMED]]
    more = [f"{len(by) - MOST_NAMED:,} more"] if len(by) > MOST_NAMED else []
    *first, last = [*shown, *more]
    rules = "rules" if first else "rule"
    return f"{rules} {', '.join(first)} and {last}" if first else f"{rules} {last}"


def _quoted(reading: Reading, at: int) -> str:
    assert reading.policy is not None  # noqa: S101
    return f'"{reading.policy.rules[at].name}"'


# --- the whole -------------------------------------------------------------------------------------------------------


def _nobody(reading: Reading) -> Finding:
    line = reading.line_of("policy.default")
    return finding(
        "nobody-may-log-in",
        f'{reading.where(line)}default is "deny", and there is no rule that allows (mode "shadow" allows nobody)',
        mend=f'{reading.in_line(line)} write default = "allow", or add a [[rule]] with allow = true',
        file=reading.file,
        line=line,
    )


def _without_effect(reading: Reading, rules: list[Rule]) -> Finding:
    line = reading.line_of("policy.default")
    number = counted(len(rules), "rule")
    only = "allows" if len(rules) == 1 else "only allow"
    return finding(
        "rules-without-effect",
        f'{reading.where(line)}default is "allow", and {number} {only}: {reading.among(rules)}',
        mend=f'{reading.in_line(line)} write default = "deny", or take the rules out',
        file=reading.file,
        line=line,
    )
