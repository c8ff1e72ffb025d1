"""The lines of pam_time's ``time.conf``: ``services;ttys;users;times``.

A line that a login fits lets it in at its times only, and all the lines that it fits must let it in; lines for others
do not matter.  So each line becomes a rule that denies at all other times.  Read as Linux-PAM 1.5 does, but for what
is broken: pam_time logs that, and lets everybody or nobody pass; here it is told, and stands in the output as a
comment.
"""

from __future__ import annotations

from nwauth.model import Record
from nwauth.policy.imports.logic import BLANKS, BadField, holds, matches, read_terms, read_times
from nwauth.policy.imports.people import NOBODY, read_people
from nwauth.policy.imports.shields import Line, blocks_of
from nwauth.policy.imports.week import ALWAYS
from nwauth.policy.imports.written import BASE, Block, Fault, Imported, found

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from nwauth.policy.imports.logic import Term

MAX_FIELD_BYTES = 1000  # pam_time drops what is longer
SERVICES = {
    "pop": ("pop", "pop3", "pops", "pop3s"),
    "imap": ("imap", "imap4", "imaps"),
    "smtp": ("smtp", "smtps", "submission"),
}
WHOLE_SERVERS = ("dovecot", "nwauth")  # one PAM service for all protocols
TTYS = ("", "dovecot")  # what mail servers give for a terminal
NO_LINES = "no line says anything: everybody is let in at all times, as by pam_time"
NOTES = (
    "a user here is a name as your store has it: where those are bob@test.com, write bob@* or *@test.com for bob or *",
    "bob is BOB here too; pam_time told them apart",
)


class _Text(Record):
    """A field or line, and where each of its characters stands in the file; one place more is that of its end."""

    __slots__ = ("places", "text")

    def __init__(self, text: str, places: list[tuple[int, int]]) -> None:
        self.text: Final = text
        self.places: Final = places

    def place(self, column: int) -> str:
        """Line and column of a character, from 1."""
        line, at = self.places[min(column, len(self.places) - 1)]
        return f"{line}:{at}"


def read_pam_time(content: str, *, file: str, prefix: str = "") -> Imported:
    """What a time.conf says; `file` is its name for messages, `prefix` begins the names of the rules."""
    lines = [_line(whole, file, prefix or "pam_time") for whole in _lines(content)]
    names_users = any(isinstance(line, Line) and line.people.named is not None for line in lines)
    remarks = (
        BASE,
        *(NOTES if names_users or any(isinstance(line, Line) and line.people.but for line in lines) else ()),
    )
    return Imported(source=f"{file} (pam_time)", blocks=blocks_of(lines), remarks=remarks if lines else (NO_LINES,))


def _lines(content: str) -> Iterator[_Text]:
    """The lines that say something: comments cut off, and those that end in a backslash joined with the next."""
    text: list[str] = []
    places: list[tuple[int, int]] = []
    for number, line in enumerate(content.split("\n"), 1):
        bare, comment, _ = line.partition("#")
        goes_on = not comment and line.endswith("\\")
        if goes_on:
            bare = bare[:-1]
        text.append(bare)
        places += [(number, column) for column in range(1, len(bare) + 1)]
        if not goes_on:
            yield from _said(text, [*places, (number, len(bare) + 1)])
            text, places = [], []
    yield from _said(text, [*places, (content.count("\n") + 1, 1)])


def _said(text: list[str], places: list[tuple[int, int]]) -> Iterator[_Text]:
    joined = "".join(text)
    if joined.strip(BLANKS):
        yield _Text(joined, places)


def _fields(whole: _Text) -> list[_Text]:
    fields = []
    start = 0
    for text in whole.text.split(";"):
        fields.append(_Text(text, whole.places[start : start + len(text) + 1]))
        start += len(text) + 1
    return fields


def _line(whole: _Text, file: str, prefix: str) -> Line | Block:
    number = whole.places[0][0]
    origin = f"line {number}: {' '.join(whole.text.split())}"
    fields = _fields(whole)
    if len(fields) != 4:
        column = len(whole.text) if len(fields) < 4 else sum(len(field.text) + 1 for field in fields[:4]) - 1
        text = f"found {len(fields)} fields, wanted services;ttys;users;times (pam_time passes over such a line)"
        return _broken(origin, f"{file}:{whole.place(column)}", text)
    for field in fields:
        if len(field.text.encode("utf-8", "surrogateescape")) > MAX_FIELD_BYTES:
            text = f"found a field of more than {MAX_FIELD_BYTES} bytes, wanted a shorter one (pam_time drops it)"
            return _broken(origin, f"{file}:{field.place(0)}", text)
    at = fields[0]
    try:
        services, about_services = _services(read_terms(at.text, "the name of a service"), at.text.strip())
        at = fields[1]
        about_ttys = _ttys(read_terms(at.text, "the name of a terminal"))
        at = fields[3]
        week, about_times = read_times(at.text)
        at = fields[2]
        _refuse_netgroup(at.text)
        people = read_people(at.text)
    except BadField as error:
        return _broken(origin, f"{file}:{at.place(error.column)}", f"{error}{_old_meaning(fields.index(at), error)}")
    remarks = [*about_services, *about_ttys, *about_times]
    if services == () or about_ttys is NO_TTY or people == NOBODY:
        if people == NOBODY:
            remarks.append("no user is meant by this line: it is left out")
        return Block(origin=origin, remarks=remarks)
    if week == ALWAYS:
        return Block(origin=origin, remarks=[*remarks, "this line lets in at all times: it is left out"])
    return Line(
        name=f"{prefix}, line {number}",
        origin=origin,
        place=f"{file}:{fields[2].place(0)}",
        people=people,
        services=services,
        denied=week ^ ALWAYS,
        remarks=remarks,
    )


def _broken(origin: str, place: str, text: str) -> Block:
    return Block(origin=origin, faults=[Fault(place=place, text=text)])


def _old_meaning(field: int, error: BadField) -> str:
    if str(error).endswith("as in 0830-1700"):
        return " (pam_time lets everybody pass here)"
    if field == 3:
        return " (pam_time reads something else here, or lets nobody pass)"
    return " (pam_time passes over such a line, or reads something else)" if "found" in str(error) else ""


def _refuse_netgroup(users: str) -> None:
    start = len(users) - len(users.lstrip(BLANKS))
    if users[start : start + 1] == "@":
        group = users[start + 1 :].strip(BLANKS)
        text = (
            f"a netgroup has no equal here: give its users the class {found(group)} (info field mailaccess), write "
            "users * in a file with this line alone, and import that with --class"
        )
        raise BadField(start, text)


NO_TTY = ["it is for terminals, and a mail login has none: it is left out"]


def _ttys(terms: list[Term]) -> list[str]:
    """What to remark about the terminals of a line; `NO_TTY` where a mail login never fits it."""
    held = [holds(terms, lambda word, tty=tty: matches(word, tty)) for tty in TTYS]  # type: ignore[misc]
    if not any(held):
        return NO_TTY
    if [term.word for term in terms] == ["*"]:
        return []
    return ["rules know no terminals: this one is for every mail login"]


def _services(terms: list[Term], shown: str) -> tuple[tuple[str, ...] | None, list[str]]:
    """Our services that a line is for (None: all, empty: none), and what to remark about them."""
    if [(term.word, term.negated) for term in terms] == [("*", False)]:
        return None, []
    named = tuple(service for service, aliases in SERVICES.items() if _fits(terms, aliases))
    whole = _fits(terms, WHOLE_SERVERS)
    if whole and (len(named) == len(SERVICES) or not named):
        return None, [f"services: {shown} is taken for every service of the mail server"]
    if not named:
        return (), [f"services: {shown} is no service of a mail server known here: it is left out"]
    remark = (
        f"services: {shown} is {', '.join(named)} here, and no other, as -service names them (-service {named[0]} "
        "behind the path in authent_process); where a server does not say its service, the rule holds as well"
    )
    return named, [remark]


def _fits(terms: list[Term], aliases: tuple[str, ...]) -> bool:
    return holds(terms, lambda word: any(matches(word, alias) for alias in aliases))
