"""The file of the access rules as it is examined: the one in force, or another that is to be."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from nwauth.doctor.finding import finding
from nwauth.errors import Unavailable
from nwauth.options import parsed_toml
from nwauth.policy.faults import Fault, Places
from nwauth.policy.reading import BadPolicy, read_policy
from nwauth.service import RuleFile
from nwauth.service.rulefile import KEPT_SUFFIX, MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, Final

    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place
    from nwauth.policy.rules import Policy, Rule

KEPT = "The last good rules stay in force, not these: with one fault in it no rule of the file counts."
DEAD = "There are no last good rules: a child that starts now answers every login -DEAD."
BOM = b"\xef\xbb\xbf"
MEND_ALONE = 'default = "allow" alone under [policy] switches the rules off'


class Reading:
    """A file of access rules: its policy, or all that is wrong with it.

    `is_given`: somebody names it, and others may be in force.  `why` says what comes of the faults.  Of a file that
    could not be read, `fault` says why.
    """

    def __init__(self, file: str, content: bytes, *, is_given: bool, why: str | None = None, fault: str = "") -> None:
        self.file: Final = file
        self.is_given: Final = is_given
        self.why: Final = why
        self.policy: Policy | None = None
        self.faults: Sequence[Fault] = ()
        self.tables: dict[str, Any] = {}
        self._places: Places | None = None
        try:
            self.policy = read_policy(content, file=file)
        except BadPolicy as error:
            self.faults = [Fault(file=file, text=fault)] if fault else error.faults
        else:
            self.tables = parsed_toml(content, file)
            self._places = Places(content.removeprefix(BOM).decode())

    def line_of(self, place: str) -> int | None:
        """The line of a dotted key."""
        return None if self._places is None else self._places.line_of(place)

    def line_of_rule(self, at: int, key: str = "") -> int | None:
        """The line of a rule, or of a key in it."""
        return self.line_of(f"rule[{at}].{key}" if key else f"rule[{at}]")

    def where(self, line: int | None) -> str:
        """What a finding begins with."""
        return f"{self.file}: line {line}: " if line else f"{self.file}: "

    def called(self, at: int) -> str:
        """A rule of the policy, for a text: its name and its line."""
        assert self.policy is not None  # noqa: S101
        line = self.line_of_rule(at)
        return f'"{self.policy.rules[at].name}"' + (f" (line {line})" if line else "")

    def in_line(self, line: int | None) -> str:
        """Where a mend is made."""
        return f"in line {line} of {self.file}" if line else f"in {self.file}"

    def among(self, rules: Sequence[Rule]) -> str:
        """Some rules, for a text."""
        names = [f'"{rule.name}"' for rule in rules[:3]]
        more = len(rules) - len(names)
        return ", ".join(names) + (f" and {more:,} more" if more > 0 else "")


def reading_of(place: Place) -> Reading | None:
    """The policy file of the folder; None: there is no policy.

    Raises:
        PermissionError: it may be that the servers' children can read it, and we cannot.
    """
    if place.config is None:
        return None
    settings = place.config.policy.changed(file=os.path.abspath(place.config.policy.file))
    if not os.path.lexists(settings.file) and not settings.named and not os.path.lexists(settings.file + KEPT_SUFFIX):
        return None
    try:
        found = RuleFile(settings.file, named=settings.named).current()
    except Unavailable as error:
        return _faulty(settings.file, DEAD, str(error))
    if found is None:
        return None
    return _faulty(settings.file, KEPT if found.reason else None, found.reason)


def _faulty(file: str, why: str | None, reason: str) -> Reading:
    """What is in the file; `reason` is why it is not in force, "" where it is."""
    try:
        with open(os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY), "rb") as opened:
            reading = Reading(file, opened.read(MAX_BYTES), is_given=False, why=why)
    except FileNotFoundError:
        return _unread(file, why, "is not there, wanted a policy")
    except OSError as error:
        folder = os.path.dirname(file)
        if error.errno in (errno.EACCES, errno.EPERM) and os.stat(folder).st_uid != os.geteuid():
            raise
        return _unread(file, why, f"cannot be read: {error.strerror}")
    if reason and not (reading.faults and reading.faults[0].line() in reason):  # it is no file of text
        return _unread(file, why, reason.removeprefix(f"{file}: "))
    return reading


def _unread(file: str, why: str | None, text: str) -> Reading:
    return Reading(file, b"", is_given=False, why=why, fault=text)


def faults(reading: Reading) -> Iterator[Finding]:
    """The rules can be used."""
    for fault in reading.faults:
        lines = fault.lines()
        at = f"line {fault.number} of {reading.file}" if fault.number else reading.file
        gone = "wanted a policy" in fault.text
        locked = "cannot be read: Permission" in fault.text
        off = f"; {MEND_ALONE}" if gone else ""
        yield finding(
            "rule-error",
            lines[0],
            mend=f"write {at}{off}" if gone else f"let the servers' account read {at}" if locked else f"mend {at}",
            file=reading.file,
            line=fault.number,
            why=None if reading.is_given else reading.why,
            shown=lines[1:],
        )
