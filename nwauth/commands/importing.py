"""``nwauth import``: users from files of other programs; and nwauth.toml from a multiauth.ini."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from nwauth.commands.applying import Order, applying_to, carry_out, interruptible, without_collector
from nwauth.commands.command import FILES, command, dry_run_option, pattern
from nwauth.commands.given import Given, given, given_or_fault
from nwauth.commands.import_multiauth import import_settings
from nwauth.commands.import_told import tell, tell_refused
from nwauth.errors import Refused, Unavailable
from nwauth.names import covering
from nwauth.provisioning import BadPlan
from nwauth.provisioning.exchange.colons import shadow_fields
from nwauth.provisioning.exchange.columns import Columns
from nwauth.provisioning.exchange.detecting import FORMS, MULTIAUTH, Form, detect
from nwauth.provisioning.exchange.encodings import in_utf8, must_be_encoding
from nwauth.provisioning.exchange.taking import Taking, read_users

if TYPE_CHECKING:
    from collections.abc import Callable

    from nwauth.commands.session import Session
    from nwauth.provisioning import Applying
    from nwauth.provisioning.exchange.colons import Colons
    from nwauth.provisioning.exchange.encodings import Opened


class Found:
    """A file that the command line names, and what it was found to be."""

    def __init__(self, given_file: Given, opened: Opened, form: Form) -> None:
        self.given = given_file
        self.opened = opened
        self.form = form


class Wish:
    """What is to be made of the users of a file, as the command line says."""

    def __init__(self, *, columns: Columns, clear: bool | None, domain: str, match: str, there: str) -> None:
        self.columns = columns
        self.clear = clear
        self.domain = domain
        self.match = match
        self.there = there


def _file(_context: click.Context, _parameter: click.Parameter, word: str) -> Given:
    return given_or_fault(word, what="the file of users")


def _shadow(_context: click.Context, _parameter: click.Parameter, word: str | None) -> Given | None:
    """Raises click.UsageError, as of the file of --password-file."""
    try:
        return None if word is None else given(word, what="the shadow file")
    except Refused as error:
        raise click.UsageError(f"--shadow: {error}") from None


def _encoding(_context: click.Context, _parameter: click.Parameter, word: str | None) -> str | None:
    """Raises click.UsageError."""
    try:
        return None if word is None else must_be_encoding(word)
    except Refused as error:
        raise click.UsageError(f"--encoding: {error}") from None


def _map(_context: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> dict[str, str]:
    """Raises click.UsageError, of all of them that are wrong."""
    found: dict[str, str] = {}
    faults = []
    for word in words:
        column, equals, key = word.rpartition("=")
        if not equals or not column:
            faults.append(f"found {word!r}, wanted 'COLUMN=FIELD', or 'COLUMN=' to leave it out")
        elif column.lower() in (other.lower() for other in found):
            faults.append(f"found {column!r} twice, wanted it once")
        found[column] = key
    if faults:
        raise click.UsageError(f"--map: {'; '.join(faults)}")
    return found


def _domain(_context: click.Context, _parameter: click.Parameter, word: str) -> str:
    """Raises click.UsageError."""
    domain = word.removeprefix("@")
    if word and (not domain or "@" in domain or not domain.isprintable() or " " in domain):
        raise click.UsageError(f"--domain: found {word!r}, wanted a domain, as test.com")
    return domain


@command(
    "import",
    examples=(
        "nwauth import staff.csv --map 'Full Name=full_name' --dry-run",
        "nwauth import passwd --shadow shadow --domain test.com",
        "nwauth import .htpasswd --from htpasswd --update",
        "nwauth import multiauth.ini --dry-run",
    ),
)
@click.argument("file", callback=_file, shell_complete=FILES)
@click.option(
    "--from", "wanted", type=click.Choice(FORMS), metavar="FORM",
    help=f"What FILE is: {', '.join(FORMS)}. Default: what its content says.",
)  # fmt: skip
@click.option(
    "--encoding", metavar="NAME", callback=_encoding,
    help="Its character encoding: utf-8, latin-1, utf-16 ... Default: utf-8.",
)  # fmt: skip
@click.option(
    "--map", "mapping", metavar="COLUMN=FIELD", multiple=True, callback=_map,
    help="Take a column as a field; COLUMN= leaves it out. May be given again.",
)  # fmt: skip
@click.option(
    "--passwords", type=click.Choice(("clear", "hashed")), help="Whether its passwords are clear text or hashes."
)
@click.option(
    "--shadow", callback=_shadow, shell_complete=FILES, metavar="FILE", help="The shadow file of a passwd file."
)
@click.option("--domain", metavar="DOMAIN", default="", callback=_domain, help="The domain of names without one.")
@click.option("--match", metavar="PATTERN", callback=pattern, help="Take only users whose names match.")
@click.option("--update", is_flag=True, help="Change users who exist to what FILE says, passwords too.")
@click.option("--skip-existing", is_flag=True, help="Leave users who exist as they are.")
@click.option("--keep-going", is_flag=True, help="Take the rest of a file that has errors; exit status 1.")
@dry_run_option
def import_(
    session: Session,
    *,
    file: Given,
    wanted: str | None,
    encoding: str | None,
    mapping: dict[str, str],
    passwords: str | None,
    shadow: Given | None,
    domain: str,
    match: str,
    update: bool,
    skip_existing: bool,
    keep_going: bool,
    dry_run: bool,
) -> int:
    """Add the users of a FILE of another program, all or nothing; - is stdin.

    FILE is CSV, TSV, NDJSON, JSON, TOML, a passwd or shadow file, an htpasswd file, a Dovecot passwd-file, or
    nwauth.txt. What it was taken for, and what each column becomes, is said on stderr. Passwords in clear text are
    hashed; hashes are taken as they are.

    An error in FILE stops everything before the first change; all errors are told, with their lines. A user who exists
    already and differs is such an error, unless --update or --skip-existing is given. With --dry-run the first ten
    users are shown as they would be stored; exit status 3: there are changes.

    From a multiauth.ini it makes an nwauth.toml: the same modules, for the same names.
    """
    clear = None if passwords is None else passwords == "clear"
    with file.file, without_collector(), interruptible():
        if update and skip_existing:
            raise click.UsageError("found --update and --skip-existing, wanted one of them")
        try:
            found = _found(file, wanted, encoding)
        except BadPlan as error:
            return tell_refused(session, file.name, error, dry_run=dry_run)
        if found.form.name == MULTIAUTH:
            session.note(f"{file.name}: taken for {found.form.words}: {found.form.why}")
            return import_settings(session, Given(file.name, found.opened.file), dry_run=dry_run)
        if shadow is not None and found.form.name != "passwd":
            raise click.UsageError(f"--shadow is for a passwd file, and {file.name} is taken for {found.form.words}")
        there = "change" if update else "skip" if skip_existing else "refuse"
        columns = Columns(found.form.name, mapping, clear=clear)
        wish = Wish(columns=columns, clear=clear, domain=domain, match=match, there=there)
        return _import(session, found, wish, _fields_of(shadow), keep_going=keep_going, dry_run=dry_run)


def _found(file: Given, wanted: str | None, encoding: str | None) -> Found:
    """Raises BadPlan where nothing can be made of it, Unavailable where it cannot be read."""
    if file.fault:
        raise BadPlan(file.fault)
    try:
        opened = in_utf8(file.file, encoding)
        return Found(file, opened, Form(wanted, "as --from says") if wanted else detect(opened.head))
    except OSError as error:
        raise Unavailable(f"{file.name}: cannot be read: {error.strerror}") from None


def _fields_of(shadow: Given | None) -> dict[str, str] | None:
    """Raises Refused, Unavailable."""
    if shadow is None:
        return None
    try:
        with shadow.file:
            return shadow_fields(shadow.file)
    except BadPlan as error:
        raise Refused(f"{error.place.behind(shadow.name)}: {error}") from None
    except OSError as error:
        raise Unavailable(f"{shadow.name}: cannot be read: {error.strerror}") from None


def _import(
    session: Session, found: Found, wish: Wish, shadow: dict[str, str] | None, *, keep_going: bool, dry_run: bool
) -> int:
    whole = _whole(session, wish.domain)
    applying, reader = applying_to(session, scope="", dry_run=dry_run, whole=whole, there=wish.there)
    reader.always = True
    taking = Taking(
        form=found.form.name,
        columns=wish.columns,
        encoding=found.opened.encoding,
        star_is_clear=session.store_config.star_is_clear,
        clear=wish.clear,
        whole=whole,
        matches=covering(wish.match) if wish.match else None,
        shadow=shadow,
    )
    session.note(f"{found.given.name}: taken for {found.form.words}: {found.form.why}")
    if found.opened.encoding != "utf-8":
        session.note(f"{found.given.name}: read as {found.opened.encoding}: {found.opened.why}")
    colons: Colons | None = None

    def read() -> None:
        nonlocal colons
        colons = _read(session, found, applying, taking)

    return carry_out(
        session,
        applying,
        Order("import", "file", found.given.name, dry_run=dry_run, keep_going=keep_going),
        read=read,
        tell=lambda done: tell(session, found, wish, (applying, reader, taking, colons), dry_run=dry_run, done=done),
    )


def _whole(session: Session, domain: str) -> Callable[[str], str]:
    """Completes a name: by the domain that was given, then as the settings do."""
    of_settings = session.service.whole
    if not domain:
        return of_settings
    return lambda name: of_settings(name if "@" in name else f"{name}@{domain}")


def _read(session: Session, found: Found, applying: Applying, taking: Taking) -> Colons | None:
    """Raises Unavailable where it cannot be read."""
    try:
        users, colons = read_users(found.opened.file, found.form.name)
        tally = applying.tally
        with (
            session.progress("reading", lambda: tally.read, lambda: found.given.about_all(tally.read)),
            closing(taking.users(users)) as taken,
        ):
            applying.read(taken)
    except OSError as error:
        raise Unavailable(f"{found.given.name}: cannot be read: {error.strerror}") from None
    return colons
