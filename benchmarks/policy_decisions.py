"""Microseconds of a decision in process: policy_decisions.py CORE mixed|minute|odd|both RULES.

No two logins in a row are of one user, class, address or minute, so that nothing that is kept makes the figure.  A
decision is all that the gate does for a login that has been found: the account's state, its classes, the rules.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from datetime import UTC, datetime, timedelta

import data
from policy_data import ADDRESSES, CLASSES, HEAD, address, hours, rules

from nwauth.model import Info, User
from nwauth.policy.reading import read_policy
from nwauth.service import FixedRules, Gate, Question
from nwauth.service.values import silent

LOGINS = 20_000
ROUND = 2000
SECONDS = 2.0
MINUTE = timedelta(minutes=1)
SERVICES = ("imap", "pop", "smtp", "")


def rules_of(kind: str, count: int) -> str:
    if kind == "mixed":
        return rules(count)
    when = {"minute": 1, "odd": 0, "both": 1}[kind]
    odd = {"minute": 0, "odd": 1, "both": 1}[kind]
    return "".join(
        f'[[rule]]\nname = "rule {i}"\ndeny = true\n'  # so that all that is left to ask are its hours, or its users
        + (f'when = "{hours(i)}"\n' if when else "")
        + (f'user = ["u*e?*{i:03}*@d?m*.test.*com"]\n' if odd else "")
        for i in range(count)
    )


class Clock:
    """A clock on which a minute passes with each round, or with each look at it."""

    def __init__(self, *, each_time: bool) -> None:
        self.instant = datetime(2027, 3, 1, tzinfo=UTC)
        self.each_time = each_time

    def __call__(self) -> datetime:
        if self.each_time:
            self.go_on()
        return self.instant

    def go_on(self) -> None:
        self.instant += MINUTE


def main() -> None:
    core, kind, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    if core >= 0:
        os.sched_setaffinity(0, {core})
    gate = Gate(FixedRules(read_policy((HEAD + rules_of(kind, count)).encode(), file="policy.toml")))
    pick = random.Random(1).randrange
    asked = []
    for i in range(LOGINS):
        info = Info(f'mailaccess="class{pick(CLASSES)}, a{i}"')
        user = User(name=data.name(pick(10**6)), stored_password="", info=info)
        asked.append(Question(user, address=address(pick(ADDRESSES)), service=SERVICES[pick(4)]))
    clock = Clock(each_time=kind in {"minute", "both"})
    done, took = 0, 0.0
    while took < SECONDS:
        some = asked[done % LOGINS : done % LOGINS + ROUND]
        began = time.perf_counter()
        for question in some:
            gate.refusal(question, clock, silent)
        took += time.perf_counter() - began
        done += ROUND
        clock.go_on()
    json.dump({"us": took / done * 1e6, "decisions": done}, sys.stdout)


main()
