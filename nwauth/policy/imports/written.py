"""The policy file that comes out of an import: rules, each below where it came from and what differs.

Whatever stood in the old file, what is written is a policy that can be read: comments and texts hold no character that
does not print.
"""

from __future__ import annotations

from nwauth.model import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Final

REMARK = "remark: "
NOT_TRANSLATED = "NOT TRANSLATED: "
MAX_SHOWN_CHARACTERS = 200
HEAD = """\
# Made of {source}. A whole policy.toml; to add to one that you have, take the [[rule]] tables.
# Its rules, from the top: the first whose every condition holds decides.
"""
POLICY = '[policy]\ndefault = "allow"  # what happens where no rule decides\n'
BASE = 'no zone is named: hours are those of this machine\'s zone, as before; zone = "Europe/Dublin" says another'


class Fault(Record):
    """What could not be translated: where it stands, as ``file:line:column``, and what was found, wanted, and done."""

    __slots__ = ("place", "text")

    def __init__(self, *, place: str, text: str) -> None:
        self.place: Final = place
        self.text: Final = text

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


class NewRule(Record):
    """A rule to write; a condition of None is left out."""

    __slots__ = ("allow", "hosts", "name", "services", "users", "when")

    def __init__(
        self,
        *,
        name: str,
        allow: bool,
        users: Sequence[str] | None = None,
        services: Sequence[str] | None = None,
        hosts: Sequence[str] | None = None,
        when: str | None = None,
    ) -> None:
        self.name: Final = name
        self.allow: Final = allow
        self.users: Final = users
        self.services: Final = services
        self.hosts: Final = hosts
        self.when: Final = when


class Block(Record):
    """Rules that belong together, below the words they came from; remarks, and what could not be translated."""

    __slots__ = ("faults", "origin", "remarks", "rules")

    def __init__(
        self,
        *,
        origin: str,
        rules: Sequence[NewRule] = (),
        remarks: Sequence[str] = (),
        faults: Sequence[Fault] = (),
    ) -> None:
        self.origin: Final = origin
        self.rules: Final = rules
        self.remarks: Final = remarks
        self.faults: Final = faults


class Imported(Record):
    """All that came of an import; `remarks` are about the whole."""

    __slots__ = ("blocks", "remarks", "source")

    def __init__(self, *, source: str, blocks: Sequence[Block], remarks: Sequence[str] = ()) -> None:
        self.source: Final = source
        self.blocks: Final = blocks
        self.remarks: Final = remarks

    @property
    def faults(self) -> list[Fault]:
        """What could not be translated, in the order of the output."""
        return [fault for block in self.blocks for fault in block.faults]

    @property
    def all_remarks(self) -> list[str]:
        """What differs, in the order of the output."""
        return [*self.remarks, *(remark for block in self.blocks for remark in block.remarks)]


class Whom(Record):
    """For whom the rules are, and how they are called, as the command line says it."""

    __slots__ = ("classes", "name", "users")

    def __init__(self, *, users: Sequence[str] = (), classes: Sequence[str] = (), name: str = "") -> None:
        self.users: Final = users
        self.classes: Final = classes
        self.name: Final = name


def written(imported: Imported, whom: Whom) -> str:
    """The text of the policy file."""
    parts = [HEAD.format(source=plain(imported.source)) + _comments(REMARK, imported.remarks) + POLICY]
    for block in imported.blocks:
        comments = f"# {plain(block.origin)}\n" if block.origin else ""
        comments += _comments(NOT_TRANSLATED, map(str, block.faults)) + _comments(REMARK, block.remarks)
        parts.append(comments + "\n".join(_rule(rule, whom) for rule in block.rules))
    return "\n".join(parts)


def _comments(word: str, texts: Iterable[str]) -> str:
    return "".join(f"# {word}{plain(text, most=1000)}\n" for text in texts)


def _rule(rule: NewRule, whom: Whom) -> str:
    users = rule.users if rule.users is not None else whom.users
    lists = {"user": users, "class": whom.classes, "service": rule.services, "from": rule.hosts}
    lines = ["[[rule]]", f"name = {quoted(rule.name)}", f"{'allow' if rule.allow else 'deny'} = true"]
    lines += [f"{key} = [{', '.join(map(quoted, words))}]" for key, words in lists.items() if words]
    if rule.when is not None:
        lines.append(f"when = {quoted(rule.when)}")
    return "\n".join(lines) + "\n"


def plain(text: str, *, most: int = MAX_SHOWN_CHARACTERS) -> str:
    """`text` in one line of characters that print, and not too many of them."""
    cut = text if len(text) <= most else text[:most] + "..."
    return "".join(c if c.isprintable() else _escaped(ord(c)) for c in cut)


def found(text: str) -> str:
    """What was found, for an error."""
    return f'"{plain(text, most=40)}"' if text else "nothing"


def quoted(text: str) -> str:
    """A basic string of TOML."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain(escaped, most=len(escaped))}"'


def _escaped(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8, as surrogateescape keeps it
        code -= 0xDC00
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"
