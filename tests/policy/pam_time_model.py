"""What pam_time decides, written down separately and naively: one login, one minute, line by line.

Measured against Linux-PAM 1.5.2; `test_imports_pam_itself` compares it with the module of the machine it runs on.
"""

from __future__ import annotations

import re

DAYS = {"mo": {0}, "tu": {1}, "we": {2}, "th": {3}, "fr": {4}, "sa": {5}, "su": {6}}
DAYS |= {"wk": {0, 1, 2, 3, 4}, "wd": {5, 6}, "al": {0, 1, 2, 3, 4, 5, 6}}


def lets_in(content: str, *, service: str, user: str, weekday: int, clock: int, tty: str = "dovecot") -> bool:
    """Whether all lines let the login in; `clock` is 1730 for half past five.  The content must be without faults."""
    joined = re.sub(r"\\\n", "", re.sub(r"#[^\n]*", "", content))
    for line in joined.split("\n"):
        if not line.strip():
            continue
        services, ttys, users, times = (field.strip() for field in line.split(";"))
        fits = (
            value_of(services, lambda word: is_named(word, service))
            and value_of(ttys, lambda word: is_named(word, tty))
            and value_of(users, lambda word: is_named(word, user))
        )
        if fits and not value_of(times, lambda word: is_in(word, weekday, clock)):
            return False
    return True


def value_of(field: str, agrees: object) -> bool:
    assert callable(agrees)
    result, negated, operator = False, False, "|"
    for token in re.findall(r"[!&|]|[^!&|\s]+", field):
        if token == "!":
            negated = not negated
        elif token in "&|":
            operator = token
        else:
            value = bool(agrees(token)) != negated
            result = (result and value) if operator == "&" else (result or value)
            negated = False
    return result


def is_named(pattern: str, name: str) -> bool:
    if "*" not in pattern:
        return pattern == name
    before, after = pattern.split("*")
    return name[: len(before)] == before and (not after or name[-len(after) :] == after)


def is_in(word: str, weekday: int, clock: int) -> bool:
    letters, start, end = re.fullmatch(r"([A-Za-z]+)(\d{4})-(\d{4})", word).groups()  # type: ignore[union-attr]
    marked: set[int] = set()
    for at in range(0, len(letters), 2):
        marked ^= DAYS[letters[at : at + 2].lower()]
    first, last = int(start), int(end)
    if first < last:
        return weekday in marked and first <= clock < last
    return (weekday in marked and clock >= first) or ((weekday - 1) % 7 in marked and clock <= last)
