"""``nwauth user add``, ``set`` and ``passwd``; and how every change of a user is told."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import click

from nwauth.commands.command import command, completed_by, dry_run_option, user_name
from nwauth.commands.diff import changed, in_lines, steps
from nwauth.commands.next_steps import note_first_user
from nwauth.commands.secrets_in import Source, get_secret, password_options
from nwauth.commands.shown import visible
from nwauth.config.part import BY_THE_STORE
from nwauth.errors import Refused
from nwauth.model import APP_PASSWORDS, Info, User
from nwauth.names import fault_of_halves
from nwauth.policy.apps import of as app_passwords_of
from nwauth.policy.apps import told_fields
from nwauth.policy.states import Doubts
from nwauth.protocol import BadRequest, check_field
from nwauth.protocol import parse_fields as parse_quoted_fields
from nwauth.provisioning.words import NO_INFO, OWN_KEYS, PASSWORD_KEYS, PASSWORD_WORDS
from nwauth.service import BadName

if TYPE_CHECKING:
    from nwauth.commands.output import Row
    from nwauth.commands.secrets_in import Secret
    from nwauth.commands.session import Session, Work

NO_FIELDS = PASSWORD_WORDS.union(PASSWORD_KEYS)
# What sets that which plans and exports have words for, and which is no info field.
INSTEAD = {"state": "nwauth user suspend and nwauth user resume set it", "name": "nwauth user rename changes it"} | (
    dict.fromkeys(OWN_KEYS, "a plan sets it, nwauth apply, where the store has a place for it")
)
CHANGE_COLUMNS = ("user", "change", "dry_run", "store", "scheme", "fields")


@command(
    "add",
    examples=(
        "nwauth user add bob@test.com quota=200000000 full_name='Bob Bee'",
        "nwauth user add bob@test.com --generate",
        "nwauth user add bob@test.com --hash '{ssha}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf'",
    ),
)
@click.argument("name", metavar="NAME")
@click.argument("fields", metavar="[FIELD=VALUE ...]", nargs=-1, shell_complete=completed_by("fields"))
@password_options(ready=True)
@dry_run_option
def add(session: Session, *, name: str, fields: tuple[str, ...], source: Source, dry_run: bool) -> int:
    """Add a user, with info fields.

    The password is asked for twice, or comes from where the options say; it is never an argument, which others on the
    machine could read.  Exit status 1: the user exists already, or the name is not allowed.
    """
    given = parse_fields(fields)
    info = Info().updated(given)
    with session.changing("user-add", name, dry_run=dry_run) as work:
        must_be_whole(name)
        exists = Refused(
            f"{visible(name)} exists already: nwauth user set changes its fields, nwauth user passwd its password"
        )
        if work.service.lookup(name) is not None:
            raise exists
        work.service.to_add(User(name=name, stored_password="", info=info))  # nobody types a password in vain
        secret = get_secret(session, source, user=name)
        if not work.service.add(User(name=name, stored_password=secret.field, info=info), work.facts.__setitem__):
            raise exists
        work.facts["scheme"] = secret.scheme
    tell(session, work, "added", secret=secret)
    _note_doubts(session, given)
    if not dry_run:
        note_first_user(session, name)
    return 0


@command("set", examples=("nwauth user set bob@test.com quota=300000000", "nwauth user set bob@test.com fwd="))
@user_name()
@click.argument("fields", metavar="FIELD=VALUE ...", nargs=-1, required=True, shell_complete=completed_by("fields"))
@dry_run_option
def change(session: Session, *, name: str, fields: tuple[str, ...], dry_run: bool) -> int:
    """Change info fields of a user; an empty value removes the field.  Exit status 1: there is no such user."""
    wanted = parse_fields(fields)
    with session.changing("user-set", name, dry_run=dry_run) as work:
        user = work.service.set(name, None, wanted, work.facts.__setitem__)
    tell(session, work, "changed", name=user.name)
    _note_doubts(session, wanted)
    return 0


@command(
    "passwd", examples=("nwauth user passwd bob@test.com", "nwauth user passwd bob@test.com --password-stdin < file")
)
@user_name()
@password_options(ready=True)
@click.option("--without-apps", is_flag=True, help="Take the app passwords away too. Default: they stay.")
@dry_run_option
def passwd(session: Session, *, name: str, source: Source, without_apps: bool, dry_run: bool) -> int:
    """Give a user another password.  It is asked for twice, or comes from where the options say."""
    with session.changing("user-passwd", name, dry_run=dry_run) as work:
        there = work.service.lookup(name, work.facts.__setitem__)
        if there is None:
            raise session.no_such_user(name)
        secret = get_secret(session, source, user=there)
        emptied = (APP_PASSWORDS,) if without_apps else ()
        user = work.service.set_field(name, secret.field, work.facts.__setitem__, without=emptied)
        work.facts["scheme"] = secret.scheme
    tell(session, work, "changed", name=user.name, secret=secret)
    left = [one.label for one in app_passwords_of(user.info)]
    if left:
        verb = "app password stays" if len(left) == 1 else "app passwords stay"
        session.note(f"note: {len(left)} {verb} ({visible(', '.join(left))}): --without-apps takes them away too")
    return 0


def parse_fields(words: tuple[str, ...]) -> dict[str, str]:
    """The info fields ``name=value`` of a command line, or the protocol's with the quotes; of two, the last counts.

    Raises:
        click.UsageError: a word is none, or is meant as the password.
    """
    fields: dict[str, str] = {}
    for word, following in pairwise((*words, "")):
        name, equals, value = word.partition("=")
        if not equals:
            meant = f", as {visible(f'{word}={following}')}" if following and "=" not in following else ""
            raise click.UsageError(f"found {visible(word)!r}, wanted the NAME first, and FIELD=VALUE behind it{meant}")
        _must_be_info(name, value.strip('"'))
        try:
            if value.startswith('"'):
                fields |= parse_quoted_fields(word)
            else:
                check_field(name, value)
                fields[name] = value
        except BadRequest as error:
            raise click.UsageError(f"{visible(word)!r}: {error}") from None
    for name, value in fields.items():
        _must_be_info(name, value)
    return fields


def _must_be_info(name: str, value: str) -> None:
    """What is to be taken away may have any name.  Raises UsageError, without the value."""
    if name.lower() in NO_FIELDS and value:
        raise click.UsageError(
            f"{name}: found where info fields are wanted, which every lookup shows: nwauth user add asks for the"
            " password, nwauth user passwd changes it"
        )
    if name.lower() in NO_INFO and value:
        instead = INSTEAD.get(name.lower(), "it is a word of plans")
        raise click.UsageError(f"{name}: found where info fields are wanted: {instead}")


def must_be_whole(name: str) -> None:
    """Refuse a new name of which half lacks.  Raises BadName."""
    fault = fault_of_halves(name)
    if fault:
        raise BadName(fault)


def _note_doubts(session: Session, fields: dict[str, str]) -> None:
    doubts = Doubts(session.config.policy.class_field)
    doubts.look_at_fields(fields)
    for doubt in doubts.told():
        session.note(f"note: {doubt}")


# --- telling ---------------------------------------------------------------------------------------------------------


def tell(
    session: Session,
    work: Work,
    verb: str,
    *,
    name: str = "",
    secret: Secret | None = None,
    new_name: str | None = None,
) -> None:
    """Print what was changed, or would be; `name` is the user's where nothing was."""
    record = change_record(work, verb, name=name, secret=secret, new_name=new_name)
    if session.prints_changes or work.dry_run:
        session.results.record(record, told(record))
    elif "password" in record:
        session.results.text(str(record["password"]))


def change_record(
    work: Work, verb: str, *, name: str = "", secret: Secret | None = None, new_name: str | None = None
) -> dict[str, object]:
    """The record of a change, as the store was told of it; its keys are a promise.

    A renaming may have been told as a new user and a deletion.
    """
    old = next((old for old, _ in work.witness.changes if old is not None), None)
    new = next((new for _, new in work.witness.changes if new is not None), None)
    user = old or new
    record: dict[str, object] = {
        "user": name if user is None else user.name,
        "change": "none" if old == new else verb,
        "dry_run": work.dry_run,
        "store": work.service.store.name if user is None else user.store,
        "scheme": None if secret is None else secret.scheme,
        "fields": changed(*({} if one is None else told_fields(one.info) for one in (old, new))),
    }
    if new_name is not None:
        record["new_name"] = new_name if new is None else new.name
    if secret is not None and secret.generated is not None and not work.dry_run:
        record["password"] = secret.generated
    return record


def told(record: Row) -> str:
    """The record of a change in words."""
    verb = f"{record['change']} to {record['new_name']}" if "new_name" in record else record["change"]
    said = f"would be {verb}" if record["dry_run"] else str(verb)
    if record["change"] == "none":
        said = "stays as it is"
    how = "hashed" if record["scheme"] == BY_THE_STORE else "stored as"
    rows = {"password": f"{how} {record['scheme']}"} if record["scheme"] else {}
    fields = record["fields"]
    if record["change"] != "deleted" and isinstance(fields, dict):
        rows |= steps(fields)
    return in_lines(f"{record['user']} {said}", rows, password=record.get("password"))
