"""May a user come in now, whatever the password: account state, the account's mask, the rules, the throttle.

All of it binds logins alone, never look-ups (spec/policy.md).
"""

from __future__ import annotations

from nwauth.errors import Unavailable
from nwauth.model import Record
from nwauth.policy import account
from nwauth.service.values import Refusal, silent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, tzinfo
    from typing import Final

    from nwauth.model import User
    from nwauth.policy.apps import AppPassword
    from nwauth.policy.rules import Decision, Login, Policy
    from nwauth.policy.throttle.counts import Throttle
    from nwauth.policy.throttle.tag import Tags
    from nwauth.service.rulefile import FixedRules, InForce, RuleFile
    from nwauth.service.values import Report

    Clock = Callable[[], datetime]
    Alarm = Callable[[dict[str, object]], object]

CHECKS_WITHOUT_ADDRESS = 100
SWITCH = {
    "from": "the server sends no address: DMail does so by itself, SurgeMail needs g_authent_addip true",
    "service": "the server does not say the service: start the module with -service NAME",
}
THROTTLE, DEFAULT = "throttle", "default"  # what is logged as the rule where none of the policy's is


class Question(Record):
    """A login as the gate is asked about it: the user, and what the server said; `app`: by that app password."""

    __slots__ = ("address", "app", "service", "user")

    def __init__(self, user: User, *, address: str | None, service: str, app: AppPassword | None = None) -> None:
        self.user: Final = user
        self.app: Final = app
        self.address: Final = address
        self.service: Final = service


class Gate:
    """Asks the rules of `rule_file`; None: there can be none.  `class_field` is the info field that names classes.

    A serving child gives `alarm`, to be told what an administrator must know, and the makers of what it keeps: of the
    throttle, by the rules in force, and of the tags that tell wrong passwords from each other.
    """

    def __init__(
        self,
        rule_file: RuleFile | FixedRules | None = None,
        *,
        class_field: str = "mailaccess",
        alarm: Alarm | None = None,
        throttle_of: Callable[[Policy], Throttle | None] | None = None,
        tags_of: Callable[[], Tags] | None = None,
    ) -> None:
        self.class_field: Final = class_field
        self._rule_file: Final = rule_file
        self._alarm: Final = alarm
        self._throttle_of: Final = throttle_of
        self._throttle: Throttle | None = None
        self._login_of: Callable[..., Login] | None = None  # imported with the first rules: an import takes its time
        self._throttled: Policy | None = None
        self._tags_of: Final = tags_of
        self._without_address = 0  # checks so far; negative: one had an address, or it was told
        self._told: set[tuple[str, str]] = set()

    def in_force(self) -> InForce | None:
        """The rules in force; None: there is no policy.

        Raises:
            Unavailable: the policy file cannot be used, and there are no last good rules.
        """
        return None if self._rule_file is None else self._rule_file.current()

    def zone(self) -> tzinfo:
        """The zone of the rules in force; where there are none, the machine's.

        Raises:
            Unavailable: as `in_force`.
        """
        return self.zone_of(self.in_force())

    @staticmethod
    def zone_of(rules: InForce | None) -> tzinfo:
        """The same, of these rules."""
        from nwauth.policy.zones import machine_zone

        return machine_zone() if rules is None else rules.policy.zone

    def close(self) -> None:
        """Give back what is open."""
        if self._throttle is not None:
            self._throttle.close()
            self._throttle = self._throttled = None

    def begin(self) -> None:
        """Read the rules, so that what is wrong with them is told when a child starts, and not at the first login."""
        try:
            self.in_force()
        except Unavailable:
            return

    def throttle(self, rules: InForce, address: str | None) -> Throttle | None:
        """What counts wrong passwords, in a serving child whose policy has it; a login from `address` begins."""
        if self._alarm is not None and self._without_address >= 0:
            self._notice_address(rules.policy, address)
        if rules.policy is not self._throttled:
            if self._throttled is None or self._throttled.throttle != rules.policy.throttle:
                self.close()
                self._throttle = None if self._throttle_of is None else self._throttle_of(rules.policy)
            self._throttled = rules.policy
        return self._throttle

    def tag(self, key: str, password: bytes) -> str | None:
        """What tells a wrong password for the folded name `key` from another one, for the log; None: nothing does."""
        tag = None if self._tags_of is None else self._tags_of().tag(key, password)
        return None if tag is None else f"{tag:03x}"

    def refusal(self, asked: Question, now: Clock, report: Report, *, trace: Report = silent) -> Refusal | None:
        """Why the user may not come in; None: nothing is against it.  `trace` is told every step.

        Raises:
            Unavailable: as `in_force`.
        """
        return self.refusal_by(self.in_force(), asked, now, report, trace=trace)

    def refusal_by(
        self, rules: InForce | None, asked: Question, now: Clock, report: Report, *, trace: Report = silent
    ) -> Refusal | None:
        """The same, by rules that were in force when the login began."""
        user = asked.user
        if rules is not None and trace is not silent:
            trace("rules", rules.policy.steps(self.login(asked), now()))
        refused = account.refusal(user.info, now if rules is None else lambda: now().astimezone(rules.policy.zone))
        if refused is not None:
            trace("account", refused)
            return Refusal(refused.field, refused.reason)
        trace("account", None)
        if user.ip_mask:
            outside = _outside(user.ip_mask, asked.address)
            trace("ip_mask", outside)
            if outside is not None:
                return outside
        if asked.app is not None:
            refused = asked.app.refusal(now, asked.address, None if rules is None else rules.policy.zone)
            trace("app", refused)
            if refused is not None:
                return Refusal(refused.field, refused.reason)
        if rules is None:
            return None
        decision = rules.policy.decide(self.login(asked), now)
        trace("decision", decision)
        return self._told_of(decision, rules.policy, report)

    def login(self, asked: Question) -> Login:
        """The login as rules see it."""
        if self._login_of is None:
            from nwauth.policy.rules import login_of

            self._login_of = login_of
        return self._login_of(
            asked.user,
            address=asked.address,
            service=asked.service,
            class_field=self.class_field,
            classes=None if asked.app is None else asked.app.classes,
        )

    def until(self, asked: Question, instant: datetime) -> datetime | None:
        """When the answer of `refusal` is next another one (a reason or none), in UTC; None: never.

        Raises:
            Unavailable: as `in_force`.
        """
        return self.until_by(self.in_force(), asked, instant)

    def until_by(self, rules: InForce | None, asked: Question, instant: datetime) -> datetime | None:
        """The same, by rules that were in force when it was asked."""
        from nwauth.policy.changes import next_change

        zone = self.zone_of(rules)
        limits = account.limits(asked.user.info, zone)
        if asked.app is not None:
            limits += asked.app.limits(zone)
        if not limits:
            if account.refusal(asked.user.info, lambda: instant) or _outside(asked.user.ip_mask, asked.address):
                return None
            if asked.app is not None and asked.app.refusal(lambda: instant, asked.address, zone):
                return None
            return None if rules is None else rules.policy.until(self.login(asked), instant)
        quiet = Gate(class_field=self.class_field)
        return next_change(
            instant,
            () if rules is None else rules.policy.hours_of(self.login(asked)),
            lambda moment: quiet.refusal_by(rules, asked, lambda: moment.astimezone(zone), silent) is None,
            limits=limits,
        )

    # --- parts ----------------------------------------------------------------------------------------------------

    def _told_of(self, decision: Decision, policy: Policy, report: Report) -> Refusal | None:
        """What a decision comes to; shadows and what the server did not say are told."""
        if decision.shadowed:
            report("shadow", ", ".join(decision.shadowed))
        if decision.allowed:
            if decision.rule != DEFAULT:
                report("rule", decision.rule)
            return None
        reason = "no rule allows it" if decision.rule == DEFAULT else "denied by a rule"
        if decision.blind:
            reason = f"{reason} about the {'address' if decision.blind == 'from' else 'service'}, which is unknown"
            self._sound(decision.rule, decision.blind)
        return Refusal(decision.rule, reason, text=decision.text if policy.reveal else "")

    def _sound(self, rule: str, condition: str) -> None:
        """Tell of the first refusal by a rule for what the server did not say."""
        if self._alarm is not None and (rule, condition) not in self._told:
            self._told.add((rule, condition))
            self._alarm({"rule": rule, "condition": condition, "reason": SWITCH[condition]})

    def _notice_address(self, policy: Policy, address: str | None) -> None:
        """Tell, once, that there are rules about hosts and no request ever has an address."""
        if address is not None:
            self._without_address = -1
            return
        self._without_address += 1
        if self._without_address >= CHECKS_WITHOUT_ADDRESS and policy.asks_hosts and self._alarm is not None:
            self._without_address = -1
            found = f"there are rules about hosts, but the first {CHECKS_WITHOUT_ADDRESS} logins had no address"
            self._alarm({"reason": f"{found}: {SWITCH['from']}"})


def _outside(mask: str, address: str | None) -> Refusal | None:
    """Why the mask of an account keeps a login from there out; None: it does not."""
    from nwauth.policy import hosts

    reason = hosts.refusal(mask, address)
    return None if reason is None else Refusal("ip_mask", reason)
