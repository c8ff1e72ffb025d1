"""App passwords: further passwords of a user, each under a name, with a class, hosts and an end of its own.

One info field holds them all: an entry each, ``|`` between them, and ``;`` between the parts of one: the name, the
digest, and what limits it, in any order.

    app_passwords="phone;{ssha256}...;made=2026-11-22;until=2027-01-31;class=pop;hosts=10.0.0.0/8,192.0.2.7"

No part holds a blank or a quote, so that every store which has info fields can hold it.  An entry that is not
understood as a whole lets nobody in: what is not understood might be what limits it.
"""

from __future__ import annotations

from nwauth.errors import Refused
from nwauth.model import APP_PASSWORDS, Record
from nwauth.policy import account

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime, tzinfo
    from typing import Final

    from nwauth.model import Info
    from nwauth.policy.account import AccountRefusal

MOST = 10  # of one user: so many digests a wrong password may cost
MOST_LABEL = 32
TAG = "{ssha256}"
SHA256_BYTES = 32  # the salt comes behind them
UNNAMED = "?"  # what an entry is called that begins with no name: what stands there may be a digest
LIMITS = {"made": "made", "until": "until", "class": "classes", "hosts": "hosts"}  # as written, and as kept
_LABEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")
WANTED_LABEL = f"1 to {MOST_LABEL} of a-z, 0-9, dot, hyphen and underscore, a hyphen not first"


class AppPassword(Record):
    """One of them.  `classes` and `hosts` are text with commas; each limit is "" where there is none.

    `fault`: why it lets nobody in, "" where it can; `text` is the entry as it stands.
    """

    __slots__ = ("classes", "fault", "field", "hosts", "label", "made", "text", "until")
    SECRET = ("field", "text")

    def __init__(
        self,
        label: str,
        field: str,
        *,
        made: str = "",
        until: str = "",
        classes: str = "",
        hosts: str = "",
        fault: str = "",
        text: str = "",
    ) -> None:
        self.label: Final = label
        self.field: Final = field
        self.made: Final = made
        self.until: Final = until
        self.classes: Final = classes
        self.hosts: Final = hosts
        self.fault: Final = fault
        self.text: Final = text or self._written()

    def _written(self) -> str:
        limits = [f"{word}={value}" for word, kept in LIMITS.items() if (value := getattr(self, kept))]
        return ";".join([self.label, self.field, *limits])

    def refusal(self, now: Callable[[], datetime], address: str | None, zone: tzinfo | None) -> AccountRefusal | None:
        """Why it lets nobody in now, from there; None: its own limits do.  `zone` is its end's, if not the clock's."""
        reason = self.fault or self.over(now, zone) or self._elsewhere(address)
        if not reason:
            return None
        return account.AccountRefusal(field=APP_PASSWORDS, reason=f"app password {self.label}: {reason}")

    def over(self, now: Callable[[], datetime], zone: tzinfo | None = None) -> str | None:
        """Why its time is over, in words; None: it is not.  As `refusal`."""
        if not self.until:
            return None
        instant = now()
        return account.outside("until", self.until, instant if zone is None else instant.astimezone(zone))

    def _elsewhere(self, address: str | None) -> str | None:
        if not self.hosts:
            return None
        from nwauth.policy import hosts

        return hosts.refusal(self.hosts, address, field="hosts")

    def limits(self, zone: tzinfo) -> tuple[datetime, ...]:
        """The instants at which its own answer may change."""
        return account.limits_of([("until", self.until)] if self.until else (), zone)


def read(text: str) -> list[AppPassword]:
    """The app passwords that a field holds, in its order; nothing is left out, and nothing raised."""
    found = [_entry(entry) for entry in text.split("|") if entry.strip()]
    many = f"there are more than {MOST} app passwords before it"
    return found[:MOST] + [_faulty(one.text, one.label, many) for one in found[MOST:]]


def written(found: Iterable[AppPassword]) -> str:
    """The field that holds them."""
    return "|".join(one.text for one in found)


def of(info: Info) -> list[AppPassword]:
    """Those of a user."""
    return read(info.get(APP_PASSWORDS) or "") if info.text else []


def _entry(text: str) -> AppPassword:
    label, *parts = (part.strip() for part in text.split(";"))
    if fault_of_label(label):
        return _faulty(text, UNNAMED, f"a name is {WANTED_LABEL}")
    if not parts or not _is_digest(parts[0]):
        return _faulty(text, label, "it has no whole {ssha256} digest")
    limits: dict[str, str] = {}
    for part in parts[1:]:
        word, _, value = part.partition("=")
        kept = LIMITS.get(word.lower())
        if kept is None or kept in limits or not value.strip(","):
            return _faulty(
                text, label, f"it has a limit that is not understood, wanted one each of {', '.join(LIMITS)}"
            )
        limits[kept] = value
    return AppPassword(label, parts[0], text=text, **limits)


def _is_digest(field: str) -> bool:
    """Whether this is a salted SHA-256, whole: one that was cut fits nothing, which its owner is to be told."""
    from binascii import a2b_base64

    try:
        return field.startswith(TAG) and len(a2b_base64(field[len(TAG) :], strict_mode=True)) > SHA256_BYTES
    except ValueError:
        return False


def _faulty(text: str, label: str, fault: str) -> AppPassword:
    return AppPassword(label, "", fault=fault, text=text)


def fault_of_label(label: str) -> bool:
    """Whether nothing can be called so."""
    if not 0 < len(label) <= MOST_LABEL or label[0] == "-":
        return True
    return not label.isascii() or not _LABEL.issuperset(label.lower())


def fault_of_classes(classes: str) -> str:
    """What is wrong with the classes of one, in words; "": nothing."""
    for word in classes.split(",") if classes else ():
        if not word or not word.isprintable() or any(character in ' ;|"' for character in word):
            return f"found {classes!a}, wanted names without blanks, quotes, ';' and '|', commas between"
    return ""


def check_limits(one: AppPassword) -> None:
    """Refuse what could not be read back.

    Raises:
        Refused: it cannot be called so, or a limit is none.
    """
    if fault_of_label(one.label):
        raise Refused(f"an app password cannot be called {one.label!a}: wanted {WANTED_LABEL}")
    if one.until and not account.is_date(one.until):
        raise Refused(f"until: found {one.until!a}, wanted {account.WANTED}")
    fault = fault_of_classes(one.classes)
    if fault:
        raise Refused(f"class: {fault}")
    if one.hosts:
        from nwauth.policy.hosts import BadHost, read_mask

        try:
            read_mask(one.hosts)
        except BadHost as error:
            raise Refused(f"hosts: {error}") from None


def check_field(field: str, value: str) -> None:
    """Refuse to store a field of this name that could not be read back; an empty value is none.

    Raises:
        Refused: one of the app passwords in it is not understood.
    """
    if field.lower() != APP_PASSWORDS:
        return
    for number, one in enumerate(read(value), start=1):
        if one.fault:
            raise Refused(f"{APP_PASSWORDS}: entry {number}: {one.fault}")
        check_limits(one)


def shown(value: str) -> str:
    """The field as it is told: the names, each with a fingerprint of its entry."""
    from hashlib import sha256

    def mark(one: AppPassword) -> str:
        return sha256(one.text.encode("utf-8", "surrogateescape")).hexdigest()[:8]

    return ", ".join(f"{one.label} ({mark(one)})" for one in read(value))


def told_fields(info: Info) -> dict[str, str]:
    """The fields of a user as a change is told: a secret is not, nor what a damaged one makes look like a field."""
    if not info.names_a_secret():
        return info.fields()
    public = info.public().fields()
    return {
        field: shown(value) if field.lower() == APP_PASSWORDS else value
        for field, value in info.fields().items()
        if field in public or field.lower() == APP_PASSWORDS
    }
