"""``nwauth explain``: every step of the decision about a login, without a password."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nwauth.commands.command import command, user_name
from nwauth.commands.moments import given_instant, in_words, login_options
from nwauth.commands.output import colored
from nwauth.commands.shown import visible
from nwauth.commands.table import layout
from nwauth.names import fold
from nwauth.service import Question
from nwauth.service.apps import named
from nwauth.service.login import LOCKED

if TYPE_CHECKING:
    from datetime import datetime, tzinfo
    from typing import Any

    from nwauth.commands.session import Session
    from nwauth.policy.apps import AppPassword
    from nwauth.policy.rules import Step
    from nwauth.service import Refusal

    Record = dict[str, Any]

EXIT_ALLOWED, EXIT_DENIED = 0, 1
COLORS = {"allow": "32", "deny": "31"}
SAID = {"allow": "allowed", "deny": "denied"}
MOST_SHOWN = 3  # entries of a condition, for a person


@command(
    "explain", examples=("nwauth explain bob@test.com", "nwauth explain bob@test.com --from 10.20.0.7 --at 'Fri 23:30'")
)
@user_name("user")
@click.option("--app", metavar="APP", help="A login by this app password of the user.")
@login_options("As if it were that time, in the policy's zone: '2027-01-31 18:00', 'Fri 23:30'.")
def explain(
    session: Session, *, user: str, app: str | None, address: str | None, used: str | None, moment: str | None
) -> int:
    """Show every step of the decision about a login: would this user be let in, from there, at that time?

    The password is taken as right and not asked for. The rules are those that the server's children have in force now;
    the throttle is left out (see nwauth throttle show). Exit status 0 allowed, 1 denied or no such user, 75 cannot
    tell.
    """
    gate = session.service.gate
    rules = gate.in_force()
    zone = gate.zone_of(rules)
    instant = given_instant(moment, zone)
    steps: Record = {}
    service = session.service.changed(now=lambda: instant)
    refusal = service.explain(user, steps.__setitem__, address=address, service=used or "", app=app)
    by = None if app is None or steps["user"] is None else named(steps["user"], app)
    record = _record(session, user, steps, refusal, by)
    record |= {"from": address, "service": used, "at": instant.isoformat(), "zone": str(zone)}
    if steps["user"] is not None and refusal is not LOCKED:
        asked = Question(steps["user"], address=address, service=fold(used or ""), app=by)
        until = gate.until_by(rules, asked, instant)
        then = None if until is None else gate.until_by(rules, asked, until)
        record |= {"until": _shown_iso(until, zone), "then_until": _shown_iso(then, zone)}
    if rules is not None and rules.reason:
        session.note(f"note: the last good rules are in force: {visible(rules.reason)}")
    record["rules"] = [_rule(step) for step in steps.get("rules", ())]
    session.results.record(record, "\n".join(_told(session, record, zone, has_policy=rules is not None)))
    return EXIT_ALLOWED if refusal is None else EXIT_DENIED


def _record(session: Session, user: str, steps: Record, refusal: Refusal | None, by: AppPassword | None) -> Record:
    """What the steps came to; keys of what was not reached are there too."""
    found, account, mask = steps["user"], steps.get("account"), steps.get("ip_mask")
    decision = steps.get("decision")
    classes: list[str] = []
    if found is not None:
        classes += session.service.gate.login(Question(found, address=None, service="", app=by)).classes
    app = steps.get("app")
    return {
        "user": user,
        "decision": "allow" if refusal is None else "deny",
        "rule": (refusal.rule or None) if refusal is not None else None if decision is None else decision.rule,
        "reason": None if refusal is None else refusal.reason,
        "until": None,
        "then_until": None,
        "name": steps["name"] if found is None else found.name,
        "store": None if found is None else found.store,
        "classes": classes,
        "account": None if found is None else "ok" if account is None else account.reason,
        "ip_mask": None if found is None or not found.ip_mask else "ok" if mask is None else mask.reason,
        "app": None if by is None else by.label,
        "app_limits": None if by is None or "app" not in steps else "ok" if app is None else app.reason,
        "shadow": [] if decision is None else list(decision.shadowed),
    }


def _rule(step: Step) -> Record:
    """A rule, and what it had to say."""
    rule = step.rule
    return {
        "name": rule.name,
        "action": rule.action,
        "mode": "shadow" if rule.shadow else "enforce",
        "outcome": "decides" if step.decides else "fails" if step.failed else "holds",
        "failed": step.failed or None,
        "wanted": list(rule.words.get(step.failed, ())),
    }


# --- for a person ----------------------------------------------------------------------------------------------------


def _told(session: Session, record: Record, zone: tzinfo, *, has_policy: bool) -> list[str]:
    """The verdict, the steps that led to it, and what comes next."""
    at = _read_iso(record["at"])
    lines = [_verdict(session, record, zone)]
    facts = {
        "name": record["name"],
        "when": f"{in_words(at, zone)} ({zone})",
        "from": record["from"] or "unknown",
        "service": record["service"] or "unknown",
        "store": record["store"],
        "class": ", ".join(record["classes"]) or None,
        "account": record["account"],
        "ip_mask": record["ip_mask"],
        "app": record["app"] if record["app_limits"] in (None, "ok") else record["app_limits"],
    }
    lines += [f"  {key:8} {visible(value)}" for key, value in facts.items() if value is not None]
    if record["rules"]:
        lines += [f"  {'rules' if not at else '':8} {row}" for at, row in enumerate(_rows(record["rules"]))]
    elif record["account"] == "ok":
        lines.append(f"  {'rules':8} {'none that asks anything' if has_policy else 'none: there is no policy file'}")
    if record["until"] is not None:
        other = SAID["deny" if record["decision"] == "allow" else "allow"]
        then = record["then_until"]
        end = "" if then is None else f" until {in_words(_read_iso(then), zone)}"
        lines.append(f"  {'next':8} {other} from {in_words(_read_iso(record['until']), zone)}{end}")
    return lines


def _verdict(session: Session, record: Record, zone: tzinfo) -> str:
    word = colored(SAID[record["decision"]], COLORS[record["decision"]], on=session.results.color)
    if record["name"] is not None and record["store"] is None:
        return f"{word}: {record['reason']}"
    rule = record["rule"]
    by = "" if rule is None else " by default" if rule == "default" else f' by "{visible(rule)}"'
    until = "" if record["until"] is None else f" until {in_words(_read_iso(record['until']), zone)}"
    plain = record["reason"] in (None, "denied by a rule", "no rule allows it")
    reason = "" if plain else f": {visible(record['reason'])}"
    return f"{word}{by}{until}{reason}"


def _rows(rules: list[Record]) -> list[str]:
    """A line for each rule."""
    cells = [
        (str(number), visible(rule["name"]), rule["action"], _outcome(rule))
        for number, rule in enumerate(rules, start=1)
    ]
    return list(layout(["", "", "", ""], cells, width=None))[1:]


def _outcome(rule: Record) -> str:
    shadow = "shadow, " if rule["mode"] == "shadow" else ""
    if rule["outcome"] != "fails":
        words = {"decides": "decides", "holds": "would decide" if shadow else "holds too, but comes later"}
        return shadow + words[rule["outcome"]]
    wanted = [visible(word) for word in rule["wanted"]]
    more = f" and {len(wanted) - MOST_SHOWN} more" if len(wanted) > MOST_SHOWN else ""
    return f"{shadow}no: {rule['failed']} is not {', '.join(wanted[:MOST_SHOWN])}{more}"


def _shown_iso(instant: datetime | None, zone: tzinfo) -> str | None:
    return None if instant is None else instant.astimezone(zone).isoformat()


def _read_iso(text: str) -> datetime:
    from datetime import datetime

    return datetime.fromisoformat(text)
