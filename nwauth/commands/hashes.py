"""``nwauth hash``: password fields by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nwauth.commands.command import command
from nwauth.commands.group import LazyGroup
from nwauth.commands.secrets_in import Source, get_known_password, get_secret, password_options, stdin_lines
from nwauth.commands.shown import visible
from nwauth.commands.terminal import ask_line, is_interactive
from nwauth.names import ENCODING, ERRORS
from nwauth.passwords import SCHEMES_MADE

if TYPE_CHECKING:
    from nwauth.commands.session import Session

hashes = LazyGroup(
    "hash",
    help="Make, try and list password hashes; report on those of the users; choose what they cost.",
    examples=("nwauth hash make", "nwauth hash report"),
    commands={
        "make": "hashes:make",
        "test": "hashes:test",
        "list": "hashes:listing",
        "report": "hash_report:report",
        "calibrate": "hash_calibrate:calibrate",
    },
)
COLUMNS = ("scheme", "weak", "verified_by", "new_ones", "begins_with")


@command("make", examples=("nwauth hash make", "nwauth hash make --scheme bcrypt --password-stdin < file"))
@click.option(
    "--scheme",
    type=click.Choice(SCHEMES_MADE),
    help="Default: that of the folder's new users; without nwauth.toml argon2id.",
)
@password_options(ready=False)
def make(session: Session, *, scheme: str | None, source: Source) -> int:
    """Hash a password, and print the field for a user file, and nothing else unless --format is given."""
    config = session.config
    wanted = scheme or (session.store_config.new_scheme if config.file else config.passwords.scheme)
    secret = get_secret(session, source, scheme=wanted)
    record: dict[str, object] = {"scheme": secret.scheme, "field": secret.field}
    if secret.generated is not None:
        record["password"] = secret.generated
    if session.choices.form is None and secret.generated is None:
        session.results.text(secret.field)
    else:
        session.results.record(record, "\n".join(map(str, list(record.values())[1:])))
    return 0


@command(
    "test",
    examples=(
        "nwauth hash test '{ssha}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf'",
        "nwauth hash test < two-lines --password-stdin",
    ),
)
@click.argument("field", metavar="[FIELD]", required=False)
@click.option(
    "--password-stdin", "from_stdin", is_flag=True, help="Read the password from stdin; before it FIELD, if not given."
)
def test(session: Session, *, field: str | None, from_stdin: bool) -> int:
    """Compare a password with a stored field, as flat files hold it.

    Exit status 0 it fits, 1 it does not, 75 this machine cannot tell.
    """
    if field is None and from_stdin:
        first, password = stdin_lines("--password-stdin", ("the field", "the password"))
        field = first.decode(ENCODING, ERRORS)
    else:
        field = _asked_field() if field is None else field
        password = get_known_password(from_stdin=from_stdin)
    identity = session.identify(field)
    verdict = session.passwords.verify(field, password, star_is_clear=True)
    record = {"scheme": identity.name, "weak": identity.weak, "fits": verdict.ok, "reason": verdict.reason or None}
    weak = " (weak)" if identity.weak else ""
    text = f"{identity.name}{weak}: {'fits' if verdict.ok else 'does not fit'}"
    session.results.record(record, visible(f"{text}: {verdict.reason}" if verdict.reason else text))
    return 0 if verdict.ok else 1


def _asked_field() -> str:
    if not is_interactive():
        raise click.UsageError("no terminal to ask for the field on: give FIELD")
    return ask_line("Field: ").decode(ENCODING, ERRORS).strip()


@command("list", examples=("nwauth hash list",))
def listing(session: Session) -> int:
    """List the forms of stored passwords: which are weak, what verifies them here, which new passwords can have."""
    rows = (
        {
            "scheme": scheme.name,
            "weak": scheme.weak,
            "verified_by": scheme.by or None,
            "new_ones": scheme.makeable,
            "begins_with": scheme.prefix,
        }
        for scheme in session.passwords.schemes()
    )
    session.results.rows(COLUMNS, rows)
    return 0
