"""What somebody may have meant by a command that there is not: a slip of the keys, or another program's word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Words of other programs, useradd and htpasswd, MySQL and Dovecot among them, and of NWAuth's protocol.
WORDS = {
    "add": ("new", "create", "adduser", "useradd", "insert"),
    "set": ("mod", "modify", "change", "edit", "update", "usermod"),
    "passwd": ("password", "chpasswd", "pw"),
    "show": ("get", "lookup", "info", "whoami"),
    "list": ("ls", "users"),
    "search": ("find", "grep"),
    "rename": ("mv", "move"),
    "suspend": ("disable", "lock"),
    "resume": ("enable", "unlock"),
    "del": ("delete", "remove", "rm", "deluser", "userdel"),
    "test": ("check", "login", "auth", "authtest", "try"),
    "copy": ("migrate", "cp"),
    "export": ("dump", "backup"),
    "import": ("load", "restore"),
    "apply": ("sync", "provision"),
    "doctor": ("diagnose", "verify", "validate", "status"),
    "undo": ("revert", "rollback"),
    "explain": ("why", "trace"),
    "make": ("hash", "mkpasswd", "encrypt", "pw"),
}


def meant(group: click.Group, context: click.Context, word: str) -> list[str]:
    """At most three commands, as they are typed behind the group's own name."""
    from difflib import get_close_matches

    names = group.list_commands(context)
    word = word.lower()
    same = [name for name in names if _is(name, word)]
    below = [path for path in _below(group, context, names) if _is(path.rpartition(" ")[2], word)]
    if same:  # another word for one of these: of those below only what has that very name
        below = [path for path in below if path.endswith(f" {word}")]
    options = ("help",) if context.parent is not None else ("help", "version")
    found = same + below or get_close_matches(word, [*names, *options])
    return [f"--{name}" if name in options else name for name in found[:3]]


def _is(name: str, word: str) -> bool:
    return name == word or word in WORDS.get(name, ())


def _below(group: click.Group, context: click.Context, names: Sequence[str]) -> Iterator[str]:
    """The commands of the groups below."""
    for name in names:
        inner = group.get_command(context, name)
        if isinstance(inner, click.Group):
            yield from (f"{name} {one}" for one in inner.list_commands(context))
