"""What a file is, by what stands in it: one form alone must fit, or it is asked for."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from nwauth.model import Record
from nwauth.names import ENCODING, ERRORS
from nwauth.provisioning.parts import BadPlan

if TYPE_CHECKING:
    from typing import Final

FORMS = ("csv", "semicolons", "tsv", "ndjson", "json", "toml", "passwd", "shadow", "htpasswd", "dovecot", "nwauth")
MULTIAUTH = "multiauth"
SEPARATORS = {"csv": ",", "semicolons": ";", "tsv": "\t"}
IN_WORDS = {
    "csv": "CSV",
    "semicolons": "CSV with semicolons",
    "tsv": "TSV",
    "ndjson": "NDJSON",
    "json": "JSON",
    "toml": "TOML",
    "passwd": "a passwd file",
    "shadow": "a shadow file",
    "htpasswd": "an htpasswd file",
    "dovecot": "a Dovecot passwd-file",
    "nwauth": "nwauth.txt",
    MULTIAUTH: "a multiauth.ini",
}
FIELD = r'[^\s="]+="[^"]*"'
WORD = r"[^\s=:]+(?:=\S*)?"  # of Dovecot's extras
SHAPES = {
    "htpasswd": r"[^:]+:[^:]*",
    "passwd": r"[^:]+:[^:]*:\d*:\d*:[^:]*:[^:]*:[^:]*",
    "shadow": r"[^:]+:[^:]*(?::\d*){6}:[^:]*",
    "dovecot": rf"[^:]+:[^:]*(?::\d*(?::\d*(?::[^:]*(?::[^:]*(?::[^:]*(?::\s*(?:{WORD}(?:\s+{WORD})*)?\s*)?)?)?)?)?)?",
    "nwauth": rf"[^:]+:[^:]*:\s*(?:{FIELD}(?:\s+{FIELD})*)?\s*",
}
WHY = {
    "htpasswd": "a name, a colon and a hash on each line",
    "passwd": "seven fields on each line, the third and fourth of them numbers, or empty",
    "shadow": "nine fields on each line, days from the third on",
    "dovecot": "fields as of passwd on each line, some of them lacking or {SCHEME} before a hash",
    "nwauth": "two colons on each line, behind the second nothing or info fields",
}
TABLE = re.compile(r'(?m)^[ \t]*\[\[?[ \t]*"?(?:user|scope|defaults)"?[ \t]*\]\]?[ \t]*(?:#.*)?\r?$')
MODULE = re.compile(r"(?mi)^[ \t]*module[ \t]+\d+[ \t]*\r?$")
APACHE = re.compile(r"[^:]+:(?:\$|\{SHA\}|[./0-9A-Za-z]{13}$|[!*]|$)")
DOVECOT_SCHEME = re.compile(r"[^:]+:\{[A-Z]")  # nwauth's own {ssha} stands in passwd files that it has written
OTHER_SCHEME = re.compile(r"[^:]+:\{(?!SHA\})")
CELL = re.compile(r'"(?:[^"]|"")*(?:"|\Z)')


class Form(Record):
    """A form, and why a file was taken for it."""

    __slots__ = ("name", "why")

    def __init__(self, name: str, why: str) -> None:
        self.name: Final = name
        self.why: Final = why

    @property
    def words(self) -> str:
        """The form for people."""
        return IN_WORDS[self.name]


def detect(head: bytes) -> Form:
    """What a file that begins so is.

    Raises:
        BadPlan: nothing fits, or more than one form.
    """
    text = head.decode(ENCODING, ERRORS)
    lines = [line.rstrip("\r") for line in text.split("\n")]
    if len(lines) > 1 and not text.endswith("\n"):
        lines.pop()  # it may be cut; a file of one line is looked at as it is
    numbered = {number: line for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")}
    said = list(numbered.values())
    if not said:
        raise _asked("found nobody in it")
    if text.lstrip()[:1] == "{":
        return _of_objects(said)
    if any(separator in said[0] for separator in SEPARATORS.values()):
        text = CELL.sub('""', text)  # a table's cell may be of several lines, and say anything
    if TABLE.search(text):
        return Form("toml", "it has a table of TOML")
    if text.lstrip()[:1] == "[":
        return Form("json", "it begins as a list does")
    if MODULE.search(text):
        return Form(MULTIAUTH, 'it has a line "module N"')
    return _of_lines(numbered)


def _of_objects(said: list[str]) -> Form:
    try:
        first = json.loads(said[0])
    except (ValueError, RecursionError):
        if len(said) > 1 and said[1].lstrip().startswith("{"):  # the first line is spoilt, and told as such
            return Form("ndjson", "each line begins as an object does")
        return Form("json", "it begins with an object of several lines")
    if len(said) == 1 and isinstance(first, dict) and isinstance(first.get("user"), list):
        return Form("json", "it is one object with a list, user")
    return Form("ndjson", "its first line is an object")


def _of_lines(numbered: dict[int, str]) -> Form:
    said = list(numbered.values())
    table = _of_columns(said[0])
    fitting = {form for form, shape in SHAPES.items() if all(re.fullmatch(shape, line) for line in said)}
    if table is not None and not fitting:
        return table
    if table is not None:
        raise _ambiguous({table.name, *fitting})
    fitting = _likely(fitting, said)
    if len(fitting) == 1:
        form = fitting.pop()
        return Form(form, WHY[form])
    raise _ambiguous(fitting) if fitting else _nothing_fits(numbered)


def _likely(fitting: set[str], said: list[str]) -> set[str]:
    """Of the forms that lines have, those that are left where one says more than another."""
    left = set(fitting)
    if {"passwd", "dovecot"} <= left:
        left.discard("passwd" if any(map(DOVECOT_SCHEME.match, said)) else "dovecot")
    if "shadow" in left:
        left.discard("dovecot")
    if {"htpasswd", "dovecot"} <= left:
        is_apache = any(map(APACHE.match, said)) and not any(map(OTHER_SCHEME.match, said))
        left.discard("dovecot" if is_apache else "htpasswd")
    if {"nwauth", "dovecot"} <= left:
        left.discard("dovecot")
    return left


def _of_columns(first: str) -> Form | None:
    """A table, by its first line: names of columns, none of which has a colon."""
    if ":" in first:
        return None
    found = [form for form, separator in SEPARATORS.items() if separator in first]
    if len(found) > 1:
        raise _ambiguous(set(found))
    if not found:
        return Form("csv", "its first line is one column's name") if first.strip().lower() == "name" else None
    between = {"csv": "commas", "semicolons": "semicolons", "tsv": "tabs"}[found[0]]
    return Form(found[0], f"its first line has names between {between}")


def _ambiguous(forms: set[str]) -> BadPlan:
    words = " or ".join(IN_WORDS[form] for form in FORMS if form in forms)
    return _asked(f"found what can be {words}", sorted(forms, key=FORMS.index))


def _nothing_fits(numbered: dict[int, str]) -> BadPlan:
    """With the form that most lines have, if it is one: the others are probably spoilt."""
    fits = {form: {n for n, line in numbered.items() if re.fullmatch(shape, line)} for form, shape in SHAPES.items()}
    best = max(map(len, fits.values()))
    forms = {form for form, lines in fits.items() if len(lines) == best and best * 2 > len(numbered)}
    if forms:
        forms = _likely(forms, [numbered[number] for number in fits[min(forms)]])
        form = min(forms, key=FORMS.index)
        odd = [number for number in numbered if number not in fits[form]]
        which = f"line {odd[0]} is not so" if len(odd) == 1 else f"{len(odd):,} lines are not, line {odd[0]} the first"
        return _asked(f"it looks like {IN_WORDS[form]} ({WHY[form]}), but {which}: mend that, or", list(forms))
    return _asked("found no form that all its lines have")


def _asked(found: str, forms: list[str] | None = None) -> BadPlan:
    comma = "" if found.endswith(" or") else ":"
    return BadPlan(f"{found}{comma} say what it is with --from {'|'.join(sorted(forms or FORMS, key=FORMS.index))}")
