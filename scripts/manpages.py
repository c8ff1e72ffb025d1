"""Writes the manual pages in man/, from the commands and the configuration themselves: ``make man``.

The settings that nwauth.toml has for each kind of store, and the keys of policy.toml, come from the tables of docs/,
which the tests compare with the program.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from nwauth import __version__
from nwauth.commands.command import WithExamples, common_options
from nwauth.commands.group import EXIT_STATUSES, HELP, LazyGroup, root
from nwauth.config.example import commented_example

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HERE = Path(__file__).resolve().parent.parent
DOCS, MAN = HERE / "docs", HERE / "man"
DATE = "2026-11-23"  # of the form of these pages; what they say is as old as the program
# The kinds of stores whose settings stand in a table, and the head of its first column.
KINDS = {
    "every kind": ("routes.md", "setting, on any store"),
    "passwd": ("passwd.md", "key"),
    "system": ("system.md", "key of `[[stores]]`"),
    "ldap": ("ldap.md", "key"),
    "process": ("process.md", "setting"),
}

SETTINGS = """
`nwauth.toml` lies in the folder that `-path` names. It is TOML; a key that there is not, or a value that cannot be, is
an error that the log names with file and key, and every request is answered `-DEAD` until it is mended. `nwauth init`
writes a file that explains itself; `nwauth doctor` looks at one.

Relative paths start at this file's folder. In a string, `${NAME}` takes an environment variable (`$${` is `${` itself),
and `{ file = "..." }` in place of a string reads it from a file that only its owner and group can read.

There is one `[[stores]]` for each user database; they are asked in their order.
"""
EXAMPLE = """\
[[stores]]
kind = "sql"
url = "sqlite:///users.db"

[[stores]]
kind = "flatfile"
path = "/usr/local/dmail"
shared = true
migrate_to = "sql"

[server]
address = "always"
"""
POLICY = """
`policy.toml` lies beside `nwauth.toml`. Its rules decide about logins, never about mail. They are asked in their order;
a rule holds where all of its conditions hold, and the first that holds decides. Where none does, `default` decides. A
change is obeyed from the next login on. A file with a fault is refused as a whole: the last good rules stay in force,
and without any, no login is decided (`-DEAD`).

`nwauth policy check` says what is wrong with a file, `nwauth policy try` what other rules would have done,
`nwauth explain` why a login is decided as it is.

"Strings" is one string or an array of them.
"""


# --- roff ------------------------------------------------------------------------------------------------------------


def escaped(text: str) -> str:
    """`text` as roff prints it, on one line."""
    text = (
        text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga").replace("^", "\\(ha")
    )
    text = text.replace("~", "\\(ti")
    text = "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in text)
    return f"\\&{text}" if text.startswith(".") else text


def bold(text: str) -> str:
    return f"\\fB{escaped(text)}\\fR"


def prose(text: str) -> str:
    """Markdown as roff: code is bold, links are their words."""
    text = re.sub(r"\[([^\]]+)\]\((?:[^()]|\([^)]*\))*\)", r"\1", text.replace("\\|", "|"))
    pieces = re.split(r"`([^`]+)`", text.replace("**", ""))
    return "".join(bold(piece) if at % 2 else escaped(piece) for at, piece in enumerate(pieces) if piece)


def paragraphs(text: str) -> Iterator[str]:
    for at, paragraph in enumerate(re.split(r"\n\s*\n", text.strip())):
        if at:
            yield ".PP"
        yield prose(" ".join(paragraph.split()))


def literal(lines: Iterable[str]) -> Iterator[str]:
    """Lines as they stand."""
    yield from (".PP", ".RS 4", ".nf")
    yield from (escaped(line) or "\\&" for line in lines)
    yield from (".fi", ".RE")


def listed(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Terms, as roff has them, each with what is said of it."""
    for term, text in rows:
        yield from (".TP", term, text)


def page(title: str, section: int, words: str, body: Iterable[str]) -> str:
    head = [
        '.\\" Written by "make man": change the program, or docs/, and not this page.',
        f'.TH "{title.upper()}" "{section}" "{DATE}" "nwauth {__version__}" "nwauth"',
        ".ad l",
        ".nh",
        ".SH NAME",
        f"{escaped(title)} \\- {words}",
    ]
    return "\n".join([*head, *_wrapped(body)]) + "\n"


def _wrapped(lines: Iterable[str]) -> Iterator[str]:
    """Lines of text as short as roff's own programs want them; what stands as it is stays so."""
    stands = False
    for line in lines:
        stands = line == ".nf" or (stands and line != ".fi")
        if stands or line.startswith("."):
            yield line
        else:
            pieces = wrap(line, 79, break_long_words=False, break_on_hyphens=False)
            yield from (f"\\&{piece}" if piece.startswith(".") else piece for piece in pieces)


# --- nwauth(1) -------------------------------------------------------------------------------------------------------


def command_page() -> str:
    return page(
        "nwauth", 1, "users of mail servers: a module that servers spawn, and the administrator's commands", _command()
    )


def _command() -> Iterator[str]:
    yield from (".SH SYNOPSIS", f"{bold('nwauth')} [{escaped('-path')} \\fIDIR\\fR] [\\fIoptions of NWAuth\\fR]")
    yield from (".br", f"{bold('nwauth')} [\\fIoptions\\fR] \\fIcommand\\fR [\\fIarguments\\fR]")
    yield from (".SH DESCRIPTION", *paragraphs(HELP))
    yield from (".SH OPTIONS", "These may stand before and behind the name of every command.")
    context = click.Context(root, info_name="nwauth")
    yield from listed(_records(common_options(), context))
    yield ".SH COMMANDS"
    for path, one in commands(root, ("nwauth",)):
        yield from _of_command(path, one)
    yield from (".SH EXIT STATUS", *paragraphs(EXIT_STATUSES.removeprefix("Exit status: ")))
    yield ".SH ENVIRONMENT"
    yield from listed(
        [
            (bold("NWAUTH_PATH"), "The folder, where \\fB\\-\\-path\\fR names none."),
            (bold("NO_COLOR"), "No colours, if it is not empty."),
        ]
    )
    yield ".SH FILES"
    files = {
        "nwauth.toml": "Settings; see \\fBnwauth.toml\\fR(5).",
        "policy.toml": "Access rules; see \\fBnwauth\\-policy.toml\\fR(5).",
        "nwauth.txt": "Users, one a line.",
        "nwauth.add": "Changes, newer than \\fInwauth.txt\\fR.",
        "nwauth.log": "The log.",
    }
    yield from listed((f"\\fI{escaped(name)}\\fR", text) for name, text in files.items())
    yield from (".SH SEE ALSO", "\\fBnwauth.toml\\fR(5), \\fBnwauth\\-policy.toml\\fR(5)")


def commands(group: LazyGroup, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below, in the order of the help."""
    context = click.Context(group)
    names = [name for texts in group.sections.values() for name in texts]
    known = group.list_commands(context)
    for name in [*(name for name in names if name in known), *(name for name in known if name not in names)]:
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, LazyGroup):
            yield from commands(found, (*path, name))
        else:
            yield (*path, name), found


def _of_command(path: tuple[str, ...], one: click.Command) -> Iterator[str]:
    context = click.Context(one, info_name=" ".join(path))
    own = [parameter for parameter in one.params if parameter.expose_value and not getattr(parameter, "hidden", False)]
    arguments = [
        escaped(piece)
        for parameter in own
        if isinstance(parameter, click.Argument)
        for piece in parameter.get_usage_pieces(context)
    ]
    options = _records([parameter for parameter in own if isinstance(parameter, click.Option)], context)
    words = [bold(" ".join(path)), *(["[\\fIoptions\\fR]"] if options else []), *arguments]
    yield ".SS " + " ".join(words)
    yield from paragraphs(one.help or "")
    yield from listed(options)
    if isinstance(one, WithExamples) and one.examples:
        yield from literal(one.examples)


def _records(parameters: Iterable[click.Parameter], context: click.Context) -> list[tuple[str, str]]:
    found = [parameter.get_help_record(context) for parameter in parameters]
    return [(bold(names), prose(text)) for names, text in filter(None, found)]


# --- nwauth.toml(5) --------------------------------------------------------------------------------------------------


def settings_page() -> str:
    return page("nwauth.toml", 5, "settings of nwauth", _settings())


def _settings() -> Iterator[str]:
    yield from (".SH DESCRIPTION", *paragraphs(SETTINGS))
    flat, sql = commented_example(), commented_example(url="sqlite:///users.db")
    yield from _sections(flat, first='[[stores]], kind = "flatfile"')
    yield from _sections(sql, first='[[stores]], kind = "sql"', only=True)
    for kind, (file, column) in KINDS.items():
        title = "[[stores]] of every kind" if kind == "every kind" else f'[[stores]], kind = "{kind}"'
        yield f".SH {heading(title)}"
        yield from listed(
            (prose(key) + (f" = {prose(default)}" if default else ""), prose(elsewhere(text, file)))
            for key, default, text in table(file, column)
        )
    yield from (".SH [stores.columns]", "Users are read, and written, where another program keeps them:")
    yield from literal(_toml("sql.md", "[stores.columns]"))
    yield from (".SH EXAMPLE", "Two stores, the second of them files that NWAuth has left:")
    yield from literal(EXAMPLE.splitlines())
    yield from (".SH SEE ALSO", "\\fBnwauth\\fR(1), \\fBnwauth\\-policy.toml\\fR(5)")


def elsewhere(text: str, file: str) -> str:
    """What points to another part of a document names the document."""
    return re.sub(
        r"\[[^]]+\]\(#[^)]*\)|see below", lambda found: f"docs/{file}" if "#" in found[0] else f"see docs/{file}", text
    )


def heading(text: str) -> str:
    return '"' + escaped(text).replace('"', "\\(dq") + '"'


def _sections(text: str, *, first: str, only: bool = False) -> Iterator[str]:
    """The settings of a commented file: what stands above a key, or behind it, is about it and those below it."""
    said: list[str] = []
    keys: list[str] = []
    tables = 0
    for line in [*text.splitlines(), ""]:
        setting = re.fullmatch(r'(?:#|# (?=\w+ = "[^"]*"$))?([a-z_0-9]+) = (.*)', line)
        table = re.fullmatch(r"\[+[a-z]+\]+", line)
        if keys and not setting:
            yield from _terms(keys, said)
            keys, said = [], []
        if table:
            tables += 1
            if only and tables > 1:
                return
            said = []
            yield f".SH {heading(first if tables == 1 else line)}"
        elif setting and tables:
            value, _, behind = setting[2].partition("  # ")
            if behind:
                yield from _terms([*keys, f"{setting[1]} = {value.strip()}"], [*said, behind.strip() + "."])
                keys, said = [], []
            else:
                keys.append(f"{setting[1]} = {value.strip()}")
        elif line.startswith("# "):
            said.append(line[2:])
        elif not line:
            said = []


def _terms(keys: Iterable[str], said: Iterable[str]) -> Iterator[str]:
    for at, key in enumerate(keys):
        yield from (".TQ" if at else ".TP", bold(key))
    yield escaped(" ".join(said)) or "\\&"


# --- nwauth-policy.toml(5) -------------------------------------------------------------------------------------------


def policy_page() -> str:
    return page("nwauth-policy.toml", 5, "access rules of nwauth: who may log in, when, from where", _policy())


def _policy() -> Iterator[str]:
    yield from (".SH DESCRIPTION", *paragraphs(POLICY))
    groups: dict[str, list[tuple[str, str]]] = {}
    for names, kind, default, meaning in table("policy.md", "key", columns=4):
        group, key = re.findall(r"`([^`]+)`", names)
        about = kind if not default else f"{kind}, {'' if default == 'required' else 'default '}{default}"
        groups.setdefault(group, []).append((f"{bold(key)} ({prose(about)})", prose(meaning)))
    for group, rows in groups.items():
        yield from (f".SH {heading(group)}", *listed(rows))
    example = _toml("policy.md", "[[rule]]")
    yield from (".SH EXAMPLE", "Students have no mail in class:", *literal(example))
    yield from (".SH SEE ALSO", "\\fBnwauth\\fR(1), \\fBnwauth.toml\\fR(5)")


def table(file: str, column: str, *, columns: int = 3) -> list[list[str]]:
    """The rows of the longest table in a page of docs/ that begins with that column and has so many of them."""
    (path,) = DOCS.rglob(file)
    found: list[list[str]] = []
    for block in re.findall(r"(?:^\|.*\n)+", path.read_text(), re.MULTILINE):
        head, _, *rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in block.splitlines()]
        if head[0] == column and len(head) == columns:
            found = max(found, rows, key=len)
    if not found:
        raise SystemExit(f"{path}: found no table that begins with {column!r}, wanted one for a manual page")
    return found


def _toml(file: str, word: str) -> list[str]:
    """The lines of the first example in a page of docs/ that has that word."""
    (path,) = DOCS.rglob(file)
    for block in re.findall(r"^```toml\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL):
        if word in block:
            return [piece for line in block.splitlines() for piece in _short(line)]
    raise SystemExit(f"{path}: found no example with {word!r}, wanted one for a manual page")


def _short(line: str) -> list[str]:
    """A line of TOML; a remark that makes it too long for a terminal goes above it."""
    setting, mark, remark = line.partition("  # ")
    return [f"# {remark}", setting.rstrip()] if mark and len(line) > 65 else [line]


PAGES = {"nwauth.1": command_page, "nwauth.toml.5": settings_page, "nwauth-policy.toml.5": policy_page}


def main() -> None:
    """Write them."""
    MAN.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        (MAN / name).write_text(make())
        sys.stdout.write(f"man/{name}\n")


if __name__ == "__main__":
    main()
