"""Users with classes, and policies whose rules have conditions of every kind, for the rows of access policy."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import data

if TYPE_CHECKING:
    from bench import Bench

USERS = 10_000
CLASSES = 50
ADDRESSES = 100_000
DENIED = data.name(0)
CONFIGURATION = "[passwords]\nmemo_seconds = 0\nupgrade = false\n"
HEAD = '[policy]\nzone = "Pacific/Auckland"\ndefault = "allow"\n'
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def address(number: int) -> str:
    """In 10.128.0.0/9, where no rule denies."""
    return f"10.{128 + number % 100}.{number // 100 % 250}.{1 + number // 25_000}"


def hours(number: int) -> str:
    """Hours that no other number up to some thousands has."""
    start, length = number % 719, 1 + number // 719
    first, last = divmod(start, 60), divmod(start + 60 * length, 60)
    return f"{DAYS[number % 5]}-{DAYS[number % 5 + 2]} {first[0]:02}:{first[1]:02}-{last[0]:02}:{last[1]:02}"


def rules(count: int) -> str:
    """Rules in turn of six forms; logins meet some conditions of each, and only the last one denies to anybody."""
    forms = [f'[[rule]]\nname = "rule {i}"\n{_conditions(i)}\n' for i in range(count - 1)]
    return "".join([*forms, f'[[rule]]\nname = "last"\ndeny = true\nuser = ["{DENIED}"]\n'])


def _conditions(i: int) -> str:
    some, net = f"class{i % CLASSES}", f"10.{i // 250 % 128}.{i % 250}.0/24"
    return (
        f'deny = true\nclass = ["{some}"]\nfrom = ["{net}"]\nwhen = "{hours(i)}"',
        f'deny = true\nuser = ["temp{i}_*", "guest{i}@*"]\nwhen = "{hours(i)}"',
        f'deny = true\nmode = "shadow"\nclass = ["{some}", "others"]\nfrom = ["10.128.{i % 250}.0/24"]',
        f'deny = true\nuser = ["*@closed{i}.test.com"]\nfrom = ["any"]',
        f'deny = true\nclass = ["{some}"]\nservice = ["pop"]\nwhen = "{hours(i)}"\nfrom = ["{net}", "unknown"]',
        f'allow = true\nclass = ["{some}"]\nfrom = ["10.200.{i % 250}.0/24"]\nwhen = "{hours(i)}"',
    )[i % 6]


class Folder:
    """What a child serves: the same users, and a policy of its own; `policy` of "" is none."""

    def __init__(self, bench: Bench, name: str, policy: str) -> None:
        self.has_rules, self.has_throttle = "[[rule]]" in policy, "[throttle]" in policy
        self.path = os.path.join(bench.work, f"policy-{name}")
        os.makedirs(self.path, exist_ok=True)
        users = os.path.join(self.path, "nwauth.txt")
        pool = data.des_pool()
        slow = data.SLOW["sha512"](data.SLOW_PASSWORD)
        order = random.Random(USERS).sample(range(USERS), USERS)
        lines = [f'{data.name(i)}:{pool[i % data.POOL]}:mailaccess="class{i % CLASSES}" quota="100"\n' for i in order]
        lines.insert(USERS // 2, f'{data.slow_name("sha512")}:{slow}:mailaccess="class1" quota="100"\n')
        self._write(users, "".join(lines))
        data.age(users)
        self._write(os.path.join(self.path, "nwauth.toml"), CONFIGURATION)
        if policy:
            rules_file = os.path.join(self.path, "policy.toml")
            self._write(rules_file, HEAD + policy)
            data.age(rules_file)

    @staticmethod
    def _write(path: str, text: str) -> None:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(path, 0o600)

    def forget(self) -> None:
        """Begin with a throttle that has counted nothing."""
        for name in os.listdir(self.path):
            if name.startswith("nwauth.throttle"):
                os.unlink(os.path.join(self.path, name))

    def serve(self, bench: Bench) -> list[str]:
        return [*bench.nwauth, "-path", self.path]
