"""The rules of a policy in order, for ``nwauth policy show``."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from nwauth.commands.output import BOLD, colored, terminal_width
from nwauth.commands.shown import visible
from nwauth.commands.table import layout
from nwauth.policy.kinds import concerned
from nwauth.policy.rules import CONDITIONS, DEFAULT
from nwauth.policy.when import Dates
from nwauth.policy.zones import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from nwauth.commands.policy_show import Subject
    from nwauth.commands.session import Session
    from nwauth.policy.rules import Policy, Rule

COLUMNS = ("number", "name", "action", "mode", *CONDITIONS, "text")
HEAD = ("#", "RULE", "ACTION", "MODE", "CONDITIONS")
COLORS = {"allow": "32", "deny": "31"}
MIN_WORDS_WIDTH = 20


def show_rules(session: Session, policy: Policy, subject: Subject | None) -> None:
    """Show them all, or those that can concern somebody: programs get one object, or (csv, tsv) the rules alone."""
    chosen = {rule.name for rule in (policy.rules if subject is None else concerned(policy, subject.login))}
    rules = [(number, rule) for number, rule in enumerate(policy.rules, start=1) if rule.name in chosen]
    rows = [_row(number, rule) for number, rule in rules]
    match session.results.form:
        case "table":
            session.results.text("\n".join(_told(session, policy, subject, rules)))
        case "csv" | "tsv":
            session.results.rows(COLUMNS, rows)
        case _:
            session.results.record(_settings(policy) | {"rules": rows})


def _row(number: int, rule: Rule) -> dict[str, Any]:
    """A rule as programs get it: these keys are a promise."""
    conditions = {name: list(rule.words[name]) if name in rule.words else None for name in CONDITIONS[:-1]}
    return {
        "number": number,
        "name": rule.name,
        "action": rule.action,
        "mode": _mode(rule),
        **conditions,
        "when": None if rule.when is None else rule.when.text,
        "text": rule.text or None,
    }


def _settings(policy: Policy) -> dict[str, Any]:
    """What holds besides the rules: these keys are a promise."""
    lists: dict[str, dict[str, list[str]]] = {}
    for kind, found in (("dates", policy.lists.dates), ("hosts", policy.lists.hosts), ("users", policy.lists.users)):
        for name, entries in found.items():
            texts = _dates(entries) if isinstance(entries, Dates) else list(entries)
            lists.setdefault(name, {})[kind] = texts
    return {
        "zone": name_of(policy.zone),
        "default": "allow" if policy.allow else "deny",
        "reveal": policy.reveal,
        "throttle": _throttle(policy),
        "lists": lists,
    }


def _throttle(policy: Policy) -> dict[str, Any] | None:
    settings = policy.throttle
    if settings is None:
        return None
    names = ("window_seconds", "per_address", "per_user", "ipv6_prefix", "trust_days", "exempt_loopback")
    return {name: getattr(settings, name) for name in names} | {"exempt": list(_networks(settings.exempt.spans))}


def _networks(spans: tuple[tuple[int, int, int], ...]) -> Iterator[str]:
    from ipaddress import IPv4Address, IPv6Address, summarize_address_range

    for version, first, last in spans:
        of = IPv4Address if version == 4 else IPv6Address
        yield from map(str, summarize_address_range(of(first), of(last)))


def _dates(dates: Dates) -> list[str]:
    return [f"{_iso(first)}..{_iso(last)}" if first != last else _iso(first) for first, last in dates.spans]


def _iso(ordinal: int) -> str:
    from datetime import date

    return date.fromordinal(ordinal).isoformat()


def _mode(rule: Rule) -> str:
    return "shadow" if rule.shadow else "enforce"


# --- for a person ----------------------------------------------------------------------------------------------------


def _told(session: Session, policy: Policy, subject: Subject | None, rules: list[tuple[int, Rule]]) -> Iterator[str]:
    on, width = session.results.color, terminal_width()
    if subject is not None:
        yield colored(f"Rules that can concern {subject.title}", BOLD, on=on)
    settings = _settings(policy)
    facts = {
        "zone": settings["zone"],
        "reveal": "yes: whose password is right is told why" if policy.reveal else "no",
        "throttle": _throttle_words(settings["throttle"]),
    }
    for name, kinds in settings["lists"].items():
        for kind, entries in kinds.items():
            facts[f"@{name}"] = f"{kind}: {', '.join(entries)}"
    wide = max(len(visible(name)) for name in facts)
    for name, text in facts.items():
        yield from wrapped(f"{visible(name):{wide}}  ", visible(text), width)
    yield ""
    cells = [(str(number), visible(rule.name), rule.action, _mode(rule)) for number, rule in rules]
    cells.append(("", DEFAULT, settings["default"], ""))
    words = [_conditions(rule) for _, rule in rules] + ["where no rule decides"]
    head, *lines = layout(HEAD, [(*cell, "x") for cell in cells], width=None)
    yield colored(head, BOLD, on=on)
    for (_, _, action, _), line, text in zip(cells, lines, words, strict=True):
        first, *more = wrapped(line[:-1], text, width)
        at = first.rfind(action, 0, len(line) - 1) if action in line else 0
        yield first[:at] + colored(action, COLORS[action], on=on) + first[at + len(action) :]
        yield from more


def _conditions(rule: Rule) -> str:
    """The conditions of a rule in words."""
    words = [f"{name} {', '.join(rule.words[name])}" for name in CONDITIONS if name in rule.words]
    text = visible("; ".join(words)) or "always"
    return f'{text}; tells "{visible(rule.text)}"' if rule.text else text


def _throttle_words(settings: dict[str, Any] | None) -> str:
    if settings is None:
        return "off"
    seconds = settings["window_seconds"]
    window = f"{seconds // 60} minutes" if seconds > 60 and not seconds % 60 else f"{seconds} seconds"
    limits = [f"{settings[key] or 'any number'} {key.replace('_', ' ')}" for key in ("per_address", "per_user")]
    trust = settings["trust_days"]
    exempt = [*(["loopback"] if settings["exempt_loopback"] else []), *settings["exempt"]]
    return (
        f"wrong passwords in {window}: {', '.join(limits)} (IPv6 by /{settings['ipv6_prefix']}); "
        f"{f'addresses trusted for {trust} days' if trust else 'no addresses trusted'}; "
        f"exempt: {', '.join(exempt) or 'nobody'}"
    )


def wrapped(lead: str, text: str, width: int | None) -> list[str]:
    """`text` behind `lead`, going on below itself where the terminal ends."""
    if width is None or width - len(lead) < MIN_WORDS_WIDTH:
        return [lead + text]
    first, *more = textwrap.wrap(text, width - len(lead), break_on_hyphens=False) or [""]
    return [lead + first, *(" " * len(lead) + line for line in more)]
