"""What somebody may have meant by a command that there is not: a slip of the keys, or another program's word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    same = [name for name in names if name == word or word in WORDS.get(name, ())]
    found = same + _below(group, context, names, word) or get_close_matches(word, [*names, "help"])
    return ["--help" if name == "help" else name for name in found[:3]]


def _below(group: click.Group, context: click.Context, names: Sequence[str], word: str) -> list[str]:
    """Commands of that very name, or of that meaning, in the groups below."""
    found = []
    for name in names:
        inner = group.get_command(context, name)
        if isinstance(inner, click.Group):
            found += [
                f"{name} {one}" for one in inner.list_commands(context) if one == word or word in WORDS.get(one, ())
            ]
    return found
