"""The tests that stand among the access rules, made as the service decides about a login."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from nwauth.build import build
from nwauth.doctor.finding import cannot_look, finding
from nwauth.doctor.rules_people import untraced
from nwauth.errors import NwauthError
from nwauth.model import Info, User
from nwauth.names import fold
from nwauth.policy.instants import BadInstant, read_instant
from nwauth.policy.rules import DEFAULT
from nwauth.service import FixedRules, Gate, Question

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final

    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place
    from nwauth.doctor.rules_file import Reading
    from nwauth.policy.hosts import Address
    from nwauth.policy.rules import Policy, Step
    from nwauth.policy.trials import Trial
    from nwauth.service import Refusal, Service

MOST_STEPS = 6
WORDS = {True: "allow", False: "deny"}
DONE = {True: "allowed", False: "denied"}


def trials(place: Place, reading: Reading) -> Iterator[Finding]:
    """Every test comes out as it says."""
    policy = reading.policy
    assert policy is not None  # noqa: S101
    assert place.config is not None  # noqa: S101
    if not policy.trials:
        return
    config = untraced(place.config)
    field = config.policy.class_field
    service = build(config).changed(gate=Gate(FixedRules(policy), class_field=field))
    bench = _Bench(service, policy, field=field, store=config.stores[0].name, now=place.now())
    try:
        for trial in policy.trials:
            try:
                yield from bench.made(reading, trial)
            except NwauthError as error:
                yield cannot_look(f"{trial.place} of {reading.file}", error)
    finally:
        service.store.close()


class _Bench:
    """Makes tests; whoever is only of a class is in the first store."""

    def __init__(self, service: Service, policy: Policy, *, field: str, store: str, now: float) -> None:
        self._service: Final = service
        self._policy: Final = policy
        self._field: Final = field
        self._store: Final = store
        self._now: Final = datetime.fromtimestamp(now, UTC).astimezone(policy.zone)

    def made(self, reading: Reading, trial: Trial) -> Iterator[Finding]:
        """What is wrong with one.  Raises NwauthError."""
        line = reading.line_of(trial.place)
        where = f"{reading.where(line)}the test"
        user = self._user(trial)
        if user is None:
            yield finding(
                "test-user",
                f"{where} is of {trial.user}, and there is no such user",
                mend=f"{reading.in_line(line)} name a user that there is, or a class in its place",
                file=reading.file,
                line=line,
            )
            return
        try:
            instant = read_instant(trial.at, zone=self._policy.zone, now=self._now) if trial.at else self._now
        except BadInstant as error:
            fault = f"{where} cannot be made now: at: {error}"
            yield finding("test-fails", fault, mend="give it a date", file=reading.file, line=line)
            return
        steps: dict[str, Any] = {}
        asked = Question(user, address=_text(trial.address), service=trial.service)
        refusal = self._service.gate.refusal(asked, lambda: instant, lambda *_: None, trace=steps.__setitem__)
        rule = steps["decision"].rule if refusal is None or "decision" in steps else refusal.rule
        allowed = refusal is None
        if allowed == trial.allow and (not trial.rule or fold(trial.rule) == fold(rule)):
            return
        wanted = f"{WORDS[trial.allow]} was expected" + (f' by "{trial.rule}"' if trial.rule else "")
        yield finding(
            "test-fails",
            f"{where} fails: {_login(trial, instant)}: {wanted}, and it is {DONE[allowed]} {_by(rule, refusal)}"
            + _why(steps.get("rules", []), trial.rule),
            mend="mend the rules, or the test if they are meant so; nwauth explain shows every step of a login",
            file=reading.file,
            line=line,
            users=[user.name] if user.name else (),
        )

    def _user(self, trial: Trial) -> User | None:
        """The user of the store, or nobody in particular.  Raises NwauthError."""
        if trial.user:
            return self._service.lookup(trial.user, command="check")
        info = Info().updated({self._field: ",".join(trial.classes)})
        return User(name="", stored_password="", info=info, store=self._store)


def _text(address: Address | None) -> str | None:
    if address is None:
        return None
    return str((IPv4Address if address[0] == 4 else IPv6Address)(address[1]))


def _login(trial: Trial, instant: datetime) -> str:
    """The login of a test, in words."""
    who = trial.user or f"somebody of class {', '.join(trial.classes)}"
    service = f" by {trial.service}" if trial.service else ""
    return f"{who} from {_text(trial.address) or 'unknown'}{service} at {instant.strftime('%a %Y-%m-%d %H:%M')}"


def _by(rule: str, refusal: Refusal | None) -> str:
    if rule == DEFAULT:
        return "by default"
    plain = refusal is None or refusal.reason == "denied by a rule"
    return f'by "{rule}"' + ("" if plain or refusal is None else f" ({refusal.reason})")


def _why(steps: list[Step], wanted: str) -> str:
    """What the rules up to the deciding one had to say, and the one that was to decide."""
    told = []
    is_decided = False
    for step in steps:
        if not is_decided or fold(step.rule.name) == fold(wanted):
            told.append(f'"{step.rule.name}" {_outcome(step, is_decided=is_decided)}')
        is_decided = is_decided or step.decides
    if not told:
        return ""
    more = len(told) - MOST_STEPS
    shown = told if more <= 0 else [*told[: MOST_STEPS // 2], f"{more:,} more", *told[-MOST_STEPS // 2 :]]
    return f"; rule by rule: {', '.join(shown)}"


def _outcome(step: Step, *, is_decided: bool) -> str:
    if step.failed:
        return f"does not hold ({step.failed})"
    if step.decides:
        return "decides"
    return "holds, and is a shadow" if step.rule.shadow else "holds too" if is_decided else "holds"
