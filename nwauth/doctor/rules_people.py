"""Whom the access rules name: classes, users, domains and stores that nobody has."""

from __future__ import annotations

from difflib import SequenceMatcher, get_close_matches
from typing import TYPE_CHECKING

from nwauth.build import build
from nwauth.doctor.finding import MOST_USERS, counted, examples, finding
from nwauth.doctor.rules_globs import is_whole_name
from nwauth.names import fold
from nwauth.policy.rules import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nwauth.config import Config
    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place
    from nwauth.doctor.rules_crowd import Crowd
    from nwauth.doctor.rules_file import Reading
    from nwauth.policy.rules import Rule

MOST_LOOK_UPS = 1_000  # for names of rules that no listing holds
ALIKE = 0.85


def people(place: Place, reading: Reading) -> Iterator[Finding]:
    """Every class, user, domain and store that a rule names is somebody's."""
    yield from _stores(place, reading)
    survey = place.survey
    crowd = survey.people.crowd if survey is not None else None
    if survey is None or crowd is None or not crowd.is_whole:
        return
    unlisted = {one.one.name: one.error for one in survey.stores if one.error is not None or not one.is_listable}
    if not survey.users and not unlisted:  # another finding tells
        return
    absent = sorted(word for word in crowd.named if not crowd.classes[word] and word != DEFAULT)
    globs = [word for word in crowd.unmet if not is_whole_name(word)]
    if unlisted:
        yield from _untold(crowd.reading, unlisted, classes=absent, users=globs, domains=crowd.unmet_domains)
    else:
        for word in absent:
            yield _nobody_has(place, crowd, word)
        yield from _misspelt(place, crowd)
        yield from _unreadable(place, crowd)
        yield from _of_domains(crowd)
        yield from _nobody(crowd.reading, globs)
    yield from _users(place, crowd)


# --- classes ---------------------------------------------------------------------------------------------------------


def _untold(reading: Reading, unlisted: Mapping[str, Exception | None], **words: list[str]) -> Iterator[Finding]:
    """What may be somebody's of a store that cannot be listed."""
    named = {"classes": "class", "users": "user", "domains": "domain"}
    asked = [f'{named[kind]} "{word}"' for kind, found in words.items() for word in found]
    if asked:
        more = f" and {len(asked) - MOST_USERS:,} more" if len(asked) > MOST_USERS else ""
        stores = "; ".join(
            f"the store {name} cannot be listed" + ("" if error is None else f": {error}")
            for name, error in unlisted.items()
        )
        yield finding(
            "users-untold",
            f"{reading.file}: cannot tell whether anybody is meant by {', '.join(asked[:MOST_USERS])}{more}: {stores}",
            mend="see how it is spelt where the users are managed; nwauth explain USER shows the classes of a user",
            file=reading.file,
        )


def _nobody_has(place: Place, crowd: Crowd, word: str) -> Finding:
    reading = crowd.reading
    line, rules = _naming(reading, "class", word)
    there = [one for one in crowd.classes if one not in crowd.named and one != DEFAULT]
    near = get_close_matches(word, there, n=1, cutoff=0.7)
    if near:
        number = counted(crowd.classes[near[0]], "user")
        meant = f'; {number} {_have(crowd.classes[near[0]])} "{near[0]}": did you mean that?'
        mend = f'{reading.in_line(line)} write "{near[0]}" for "{word}"'
    else:
        meant = ""
        mend = (
            f"mend the class {reading.in_line(line)}; or give it to users, behind a comma to those who have others:"
            f" {_give(place, 'NAME', f'{crowd.class_field}={word}')}"
        )
    return finding(
        "class-nobody-has",
        f'{reading.where(line)}{rules} class "{word}", and no user has it in the info field {crowd.class_field}{meant}',
        mend=mend,
        file=reading.file,
        line=line,
    )


def _unreadable(place: Place, crowd: Crowd) -> Iterator[Finding]:
    """What stands for classes of some users is no field, or holds what divides no classes."""
    if crowd.number_unreadable and crowd.named:
        number = crowd.number_unreadable
        mend = _give(place, crowd.unreadable[0], f"{crowd.class_field}=CLASS")
        yield finding(
            "class-unreadable",
            f'{counted(number, "user")} {_have(number)} classes that cannot be read, wanted {crowd.class_field}="a,b":'
            f" {', '.join(crowd.unreadable[:3])}",
            mend=mend + (" (and so on)" if number > 1 else ""),
            file=crowd.reading.file,
            users=crowd.unreadable,
        )


def _misspelt(place: Place, crowd: Crowd) -> Iterator[Finding]:
    """A few users have nearly a class that many have and a rule names."""
    used = [word for word in crowd.named if crowd.classes[word]]
    for word, number in sorted(crowd.classes.items()):
        if word in crowd.named:
            continue
        near = [one for one in get_close_matches(word, used, n=1, cutoff=ALIKE) if _is_slip(word, one)]
        if near and crowd.classes[near[0]] > number:
            names = [name for name, _ in crowd.members[word]]
            classes = ",".join(near[0] if one == word else one for one in crowd.members[word][0][1])
            line, _ = _naming(crowd.reading, "class", near[0])
            yield finding(
                "class-misspelt",
                f'{counted(number, "user")} {_have(number)} the class "{word}", which no rule names:'
                f' {", ".join(names[:3])}; rules name "{near[0]}", which {counted(crowd.classes[near[0]], "user")}'
                f" {_have(crowd.classes[near[0]])}",
                mend=_give(place, names[0], f"{crowd.class_field}={classes}") + (" (and so on)" if number > 1 else ""),
                file=crowd.reading.file,
                line=line,
                users=names,
            )


def _give(place: Place, name: str, field: str) -> str:
    """How a user gets an info field."""
    if place.config is not None and all(one.read_only for one in place.config.stores):
        return f"write {field} where the users are managed: their store is only read here"
    return place.nwauth("user", "set", name, field)


def _is_slip(word: str, other: str) -> bool:
    """Whether two words differ as by a slip: year1 and year2 are two classes."""
    digits = ["".join(filter(str.isdigit, one)) for one in (word, other)]
    return digits[0] == digits[1] and SequenceMatcher(None, word, other).ratio() >= ALIKE


# --- users and domains -----------------------------------------------------------------------------------------------


def _users(place: Place, crowd: Crowd) -> Iterator[Finding]:
    """Whole names are asked for: also a store that cannot be listed tells of those."""
    assert place.config is not None  # noqa: S101
    whole = [word for word in crowd.unmet if is_whole_name(word)]
    meant = _looked_up(place.config, whole[:MOST_LOOK_UPS])
    yield from _nobody(crowd.reading, [word for word, name in meant.items() if name is None])
    for word, name in meant.items():
        if name is not None and fold(name) != word:
            line, rules = _naming(crowd.reading, "user", word)
            yield finding(
                "user-nobody-has",
                f'{crowd.reading.where(line)}{rules} user "{word}", and the stored name is {name}: rules look at the'
                " whole of it",
                mend=f'{crowd.reading.in_line(line)} write "{name}" for "{word}"',
                file=crowd.reading.file,
                line=line,
            )


def _looked_up(config: Config, names: list[str]) -> dict[str, str | None]:
    """The name of the user that each of them finds, as a login would."""
    if not names:
        return {}
    service = build(untraced(config))
    try:
        found = {name: service.lookup(name, command="check") for name in names}
    finally:
        service.store.close()
    return {name: None if user is None else user.name for name, user in found.items()}


def untraced(config: Config) -> Config:
    """The same without lists of what was served: those are the servers' to write."""
    stores = (one.changed(state=None) if "state" in one.__slots__ else one for one in config.stores)
    return config.changed(stores=tuple(stores))


def _nobody(reading: Reading, words: list[str]) -> Iterator[Finding]:
    """A finding for each rule that names, as the first one, users or patterns of nobody."""
    by_rule: dict[tuple[int | None, str], list[str]] = {}
    for word in words:
        by_rule.setdefault(_naming(reading, "user", word), []).append(word)
    for (line, rules), found in by_rule.items():
        told = examples([f'"{word}"' for word in found], len(found))
        them = "it" if len(found) == 1 else "them"
        why = "there is no such user" if is_whole_name(found[0]) else f"no name of a user fits {them}"
        yield finding(
            "user-nobody-has",
            f"{reading.where(line)}{rules} user{'s' * (len(found) > 1)} {told}, and {why}",
            mend=f"{reading.in_line(line)}, or in the list that is named there, mend {them}, or take {them} out",
            file=reading.file,
            line=line,
        )


def _of_domains(crowd: Crowd) -> Iterator[Finding]:
    reading = crowd.reading
    for word in crowd.unmet_domains:
        line, rules = _naming(reading, "domain", word)
        yield finding(
            "user-nobody-has",
            f'{reading.where(line)}{rules} domain "{word}", and no user is of it',
            mend=f"{reading.in_line(line)} mend the domain, or take it out",
            file=reading.file,
            line=line,
        )


# --- stores ----------------------------------------------------------------------------------------------------------


def _stores(place: Place, reading: Reading) -> Iterator[Finding]:
    assert place.config is not None  # noqa: S101
    assert reading.policy is not None  # noqa: S101
    names = {fold(one.name): one.name for one in place.config.stores}
    for word in sorted({word for rule in reading.policy.rules for word in rule.stores or ()} - {*names}):
        line, rules = _naming(reading, "store", word)
        near = get_close_matches(word, names, n=1, cutoff=0.7)
        there = ", ".join(names.values())
        meant = f'write "{names[near[0]]}" for "{word}"' if near else "name one of them"
        yield finding(
            "store-not-there",
            f'{reading.where(line)}{rules} store "{word}", and there is {there}',
            mend=f"{reading.in_line(line)} {meant}",
            file=reading.file,
            line=line,
        )


# --- texts -----------------------------------------------------------------------------------------------------------


def _naming(reading: Reading, key: str, word: str) -> tuple[int | None, str]:
    """The line of the first rule with this word, and the rules that have it with their verb."""
    assert reading.policy is not None  # noqa: S101
    at = 0
    rules: list[Rule] = []
    for number, rule in enumerate(reading.policy.rules):
        words = {"class": rule.classes, "user": rule.users, "domain": rule.domains, "store": rule.stores}[key]
        if word in (words or ()):
            at = at if rules else number
            rules.append(rule)
    many = len(rules) > 1
    return reading.line_of_rule(at, key), f"rule{'s' * many} {reading.among(rules)} name{'s' * (not many)} the"


def _have(number: int) -> str:
    return "has" if number == 1 else "have"
