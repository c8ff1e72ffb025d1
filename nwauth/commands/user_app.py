"""``nwauth user app``: app passwords, further passwords of a user that are given and taken away one by one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from nwauth.commands.command import command, completed_by, dry_run_option, user_name
from nwauth.commands.group import LazyGroup
from nwauth.commands.moments import given_date
from nwauth.commands.shown import visible
from nwauth.commands.terminal import ask_yes, is_interactive
from nwauth.commands.user_changes import change_record, tell, told
from nwauth.config.part import BY_THE_STORE
from nwauth.errors import Refused
from nwauth.passwords.apps import digest, made_up
from nwauth.policy.apps import AppPassword, fault_of_classes, of
from nwauth.policy.hosts import BadHost, read_mask
from nwauth.service.apps import with_one_more, without

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nwauth.commands.output import Row
    from nwauth.commands.session import Session
    from nwauth.model import User

COLUMNS = ("user", "app", "state", "class", "hosts", "until", "made", "reason")
SHOWN = ("user", "app", "state", "class", "hosts", "until", "made")

app = LazyGroup(
    "app",
    help="App passwords: further passwords of a user, for one device or program each.",
    examples=("nwauth user app add bob@test.com phone --until 2027-01-31", "nwauth user app del bob@test.com phone"),
    commands={"add": "user_app:add", "list": "user_app:listing", "del": "user_app:delete"},
)


def _classes(_context: click.Context, _parameter: click.Parameter, text: str) -> str:
    """What ``--class`` says, as it is kept."""
    classes = ",".join(word.strip() for word in text.split(",")) if text else ""
    fault = fault_of_classes(classes)
    if fault:
        raise click.BadParameter(fault)
    return classes


def _hosts(_context: click.Context, _parameter: click.Parameter, text: str) -> str:
    """What ``--hosts`` says, as it is kept."""
    hosts = ",".join(text.replace(",", " ").split())
    try:
        if hosts:
            read_mask(hosts)
    except BadHost as error:
        raise click.BadParameter(visible(str(error))) from None
    return hosts


@command(
    "add",
    examples=(
        "nwauth user app add bob@test.com phone",
        "nwauth user app add bob@test.com scanner --class submission --hosts 10.20.0.0/16 --until 2027-01-31",
    ),
)
@user_name()
@click.argument("label", metavar="APP")
@click.option(
    "--class",
    "classes",
    metavar="CLASS",
    default="",
    callback=_classes,
    shell_complete=completed_by("classes"),
    help="The class that access rules see. Default: the user's.",
)
@click.option(
    "--hosts",
    metavar="LIST",
    default="",
    callback=_hosts,
    help="Only from these addresses and networks, separated by commas.",
)
@click.option(
    "--until", metavar="DATE", help="The last day it works, or the time it ends: 2027-01-31, '2027-01-31 18:00'."
)
@click.option("--generate", is_flag=True, hidden=True, expose_value=False)  # as of user add; it is done in any case
@dry_run_option
def add(session: Session, *, name: str, label: str, classes: str, hosts: str, until: str | None, dry_run: bool) -> int:
    """Give a user an app password called APP.  It is made up, and printed once: nobody can read it back.

    Whatever keeps the user out (suspension, dates, rules) keeps it out too.  Exit status 1: there is no such user, or
    APP exists already.
    """
    password = made_up()
    session.has_generated = True
    now = datetime.now(UTC).astimezone(session.service.gate.zone())
    one = AppPassword(
        label,
        digest(password),
        made=now.date().isoformat(),
        until="T".join(given_date(until, "--until", now).split()),
        classes=classes,
        hosts=hosts,
    )
    if one.over(lambda: now):
        raise click.BadParameter(f"{visible(one.until)} is past", param_hint="'--until'")
    with session.changing("user-app-add", name, dry_run=dry_run) as work:
        user = work.service.lookup(name, work.facts.__setitem__)
        if user is None:
            raise session.no_such_user(name)
        login = _must_be_asked_by_us(session, user)
        work.facts["app"] = label
        work.service.set_info(name, lambda info: with_one_more(info, one), work.facts.__setitem__)
    record = change_record(work, "changed", name=user.name) | {"app": label}
    if not dry_run:
        record["password"] = password
    if not session.prints_changes and not dry_run:
        session.results.text(password)
    else:
        session.results.record(record, told(record))
    for note in _notes(session, one, login=login):
        session.note(note)
    return 0


@command("list", examples=("nwauth user app list bob@test.com", "nwauth user app list '*' --format csv"))
@user_name()
def listing(session: Session, *, name: str) -> int:
    """List the app passwords of a user, or of all users whom NAME matches, if it holds * or ?.  None can be read back.

    A state is "ok", "over" past its end, or "unreadable", which lets nobody in.  Exit status 1: there is no such user.
    """
    users: Iterable[User]
    if "*" in name or "?" in name:
        users = session.service.search(name)
    else:
        found = session.service.lookup(name)
        if found is None:
            raise session.no_such_user(name)
        users = (found,)
        if not of(found.info) and session.results.form == "table":
            session.note(f"{visible(found.name)} has no app passwords: nwauth user app add gives one")
            return 0
    now = datetime.now(UTC).astimezone(session.service.gate.zone())
    session.results.rows(COLUMNS, _rows(users, now), shown=SHOWN)
    return 0


@command("del", examples=("nwauth user app del bob@test.com phone", "nwauth user app del --yes bob@test.com --all"))
@user_name()
@click.argument("labels", metavar="[APP...]", nargs=-1, shell_complete=completed_by("apps"))
@click.option("--all", "every", is_flag=True, help="Take them all away; asks first, unless --yes is given.")
@dry_run_option
def delete(session: Session, *, name: str, labels: tuple[str, ...], every: bool, dry_run: bool) -> int:
    """Take app passwords of a user away: from now on nobody can log in with them.  The others and the password stay.

    Exit status 1: there is no such user, or one of these app passwords does not exist; then all of them stay.
    """
    if every == bool(labels):
        raise click.UsageError("wanted the names of app passwords, or --all")
    user = session.service.lookup(name)
    if user is None:
        raise session.no_such_user(name)
    if every:
        labels = tuple(one.label for one in of(user.info))
        if labels and not dry_run:
            _confirm(session, user.name, labels)
    with session.changing("user-app-del", name, dry_run=dry_run) as work:
        work.facts["app"] = ",".join(labels)
        work.service.set_info(name, lambda info: without(info, labels), work.facts.__setitem__)
    tell(session, work, "changed", name=user.name)
    return 0


def _must_be_asked_by_us(session: Session, user: User) -> bool:
    """Whether the password field of a user lets anybody in.

    Raises:
        Refused: the store compares passwords by itself, and knows no app passwords.
    """
    identity = session.identify(user.stored_password, store=user.store)
    if identity.name == BY_THE_STORE:
        raise Refused(
            f"the store {user.store} of {visible(user.name)} compares passwords by itself: it takes no app passwords"
        )
    return identity.login


def _notes(session: Session, one: AppPassword, *, login: bool) -> Iterator[str]:
    """What may not be as it was meant: a locked user, a class that limits nothing, others who read the folder."""
    if not login:
        yield "note: the password field of the user lets nobody in, nor does an app password"
    if one.classes:
        from nwauth.policy.rules import classes_of

        rules = session.service.gate.in_force()
        known = {word for rule in (rules.policy.rules if rules is not None else ()) for word in rule.classes or ()}
        for word in classes_of(one.classes):
            if word not in known:
                yield f"note: no rule names the class {visible(word)}: it limits nothing yet"
    if getattr(session.store_config, "shared", False):
        yield "note: what shares this folder (shared = true) knows no app passwords: they count where nwauth is asked"


def _rows(users: Iterable[User], now: datetime) -> Iterator[Row]:
    """A record an app password: these keys are a promise."""
    for user in users:
        for one in of(user.info):
            over = one.over(lambda: now)
            yield {
                "user": user.name,
                "app": one.label,
                "state": "unreadable" if one.fault else "over" if over else "ok",
                "class": one.classes or None,
                "hosts": one.hosts or None,
                "until": one.until or None,
                "made": one.made or None,
                "reason": one.fault or over,
            }


def _confirm(session: Session, name: str, labels: tuple[str, ...]) -> None:
    """Ask whether to go on.

    Raises:
        Refused: the answer is no.
        click.UsageError: there is nobody to ask.
    """
    if session.choices.yes:
        return
    what = f"the app passwords {', '.join(map(visible, labels))} of {visible(name)}"
    if not is_interactive():
        raise click.UsageError(f"no terminal to ask on whether to delete {what}: give --yes if you mean it")
    if not ask_yes(f"Delete {what}?"):
        raise Refused("nothing was deleted")
