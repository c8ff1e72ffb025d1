"""What a change makes different of a user, as records and as lines for people: what apply, undo and user share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.commands.shown import visible
from nwauth.policy.apps import told_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nwauth.model import User

    Changed = dict[str, dict[str, str | None]]


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> Changed:
    """The fields that differ, each as it was and as it is, under the spelling that holds now."""
    was = {name.lower(): value for name, value in before.items()}
    now = {name.lower(): value for name, value in after.items()}
    names = {name.lower(): name for name in (*before, *after)}
    return {
        name: {"old": was.get(key), "new": now.get(key)} for key, name in names.items() if was.get(key) != now.get(key)
    }


def changed_of_user(old: User | None, new: User | None) -> Changed:
    """The same of a user; nothing of one who goes, and never a password."""
    return {} if new is None else changed({} if old is None else _told(old), _told(new))


def _told(user: User) -> dict[str, str]:
    return user.own() | told_fields(user.info)


def steps(fields: Mapping[str, Mapping[str, str | None]]) -> dict[str, str]:
    """What `changed` has found, in words."""
    return {name: step(values["old"], values["new"]) for name, values in fields.items()}


def step(old: str | None, new: str | None) -> str:
    """From the old value of a field to the new one."""
    if old is None:
        return new or ""
    return f"{old} -> {'(removed)' if new is None else new}"


def in_lines(head: str, rows: Mapping[str, str], *, password: object = None) -> str:
    """A line for the user, and one each for what is told; `password`: the one that was made up."""
    wide = max(map(len, rows), default=0)
    lines = [head, *(f"  {name:{wide}}  {text}" for name, text in rows.items())]
    if password:
        lines.append(f"  the password is {password}")
    return "\n".join(map(visible, lines))
