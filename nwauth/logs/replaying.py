"""Logins of a log decided again, by other rules: which would have come out differently (spec/policy.md section 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nwauth.names import fold
from nwauth.policy import account, apps
from nwauth.policy.rules import DEFAULT
from nwauth.service import Question

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from typing import Final

    from nwauth.logs.lines import Line
    from nwauth.service import Service

# Refused by something that the rules have no part in.
NOT_BY_RULES = account.REFUSING_FIELDS | {"throttle"}
WORDS = {True: "allow", False: "deny"}


class Kind(NamedTuple):
    """Logins that would come out differently in the same way: by which rule they did, and by which they would."""

    user: str
    was: str
    was_rule: str
    now: str
    rule: str


class Seen:
    """How often, and when."""

    def __init__(self, when: datetime) -> None:
        self.count = 0
        self.first = self.last = when

    def take(self, when: datetime) -> None:
        """Once more."""
        self.count += 1
        self.first, self.last = min(self.first, when), max(self.last, when)


class Replay:
    """Decides again about the lines it takes, by the rules of `service`.

    `different` are those that would come out differently; `same` counts the others, `others` those that no rule decided
    (a wrong password, the account's state), `gone` those of users, or by app passwords, who are not there any more.
    """

    def __init__(self, service: Service) -> None:
        self.different: Final[dict[Kind, Seen]] = {}
        self.same = self.others = self.gone = 0
        self._service: Final = service

    def take(self, line: Line) -> None:
        """Decide again about a line.

        Raises:
            Unavailable: a store, or the policy file, cannot be asked now.
        """
        facts = line.facts
        was = _decided(facts)
        if was is None:
            self.others += 1
            return
        user = self._service.lookup(facts.get("user", ""), command="check")
        rules = self._service.gate.in_force()
        if user is None:
            self.gone += 1
            return
        ip, used, app = facts.get("ip"), facts.get("service", ""), facts.get("app")
        by = next((one for one in apps.of(user.info) if one.label == app), None)
        if app is not None and by is None:  # taken away since, with the class that it had
            self.gone += 1
            return
        asked = Question(user, address=None if ip == "unknown" else ip, service=fold(used), app=by)
        if rules is None:
            now, rule = True, DEFAULT
        else:
            decision = rules.policy.decide(self._service.gate.login(asked), line.when)
            now, rule = decision.allowed, decision.rule
        if now == was:
            self.same += 1
            return
        kind = Kind(user.name, WORDS[was], facts.get("rule", DEFAULT), WORDS[now], rule)
        self.different.setdefault(kind, Seen(line.when)).take(line.when)


def checks(block: bytes) -> Iterator[bytes]:
    """Of a block of whole lines, those that may be answered checks."""
    for line in block.split(b"\n"):
        if b"check" in line and b"result" in line:
            yield line + b"\n"


def _decided(facts: dict[str, str]) -> bool | None:
    """Whether the login was allowed; None where no rule decided."""
    result, rule = facts.get("result"), facts.get("rule")
    if facts.get("command") != "check" or "user" not in facts:
        return None
    if result == "ok":
        return True
    return False if result == "no" and rule is not None and rule not in NOT_BY_RULES else None
