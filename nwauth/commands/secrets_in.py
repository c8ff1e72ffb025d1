"""Where a password comes from: a question, stdin, a file, our own dice, or a hash made elsewhere; never an argument."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from nwauth.commands.command import FILES
from nwauth.commands.dmail_option import dmail_conf_option
from nwauth.commands.shown import as_text, shown_path, visible
from nwauth.commands.terminal import ask_secret, is_interactive, say
from nwauth.errors import Refused, Unavailable
from nwauth.model import Record
from nwauth.names import ENCODING, ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from nwauth.commands.session import Session
    from nwauth.dmail.values import DmailConf
    from nwauth.model import User

# Without 0 and o, 1, i and l: a password may have to be read out.  31 ** 16 is 79 bits.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
GENERATED_LENGTH = 16
MAX_ASKED = 3
MAX_BYTES = 65536
FILE_HELP = "Read it from a file (one line)."
LOWERCASE_HELP = "Fold the password to lower case, as servers with lowercase_password do."
WAYS = "--password-stdin, --password-file or --generate"


class Source(Record):
    """How the command line says to get the password; `dmail` are the settings of the servers that will send it."""

    __slots__ = ("dmail", "from_file", "from_stdin", "generate", "lowercase", "ready")
    SECRET = ("from_file",)

    def __init__(
        self,
        *,
        from_stdin: bool,
        from_file: bytes | None,
        generate: bool,
        ready: str | None,
        lowercase: bool,
        dmail: DmailConf | None = None,
    ) -> None:
        self.from_stdin: Final = from_stdin
        self.from_file: Final = from_file
        self.generate: Final = generate
        self.ready: Final = ready
        self.lowercase: Final = lowercase
        self.dmail: Final = dmail
        if from_stdin + (from_file is not None) + generate + (ready is not None) > 1:
            raise click.UsageError("--password-stdin, --password-file, --generate and --hash exclude each other")
        if lowercase and ready is not None:
            raise click.UsageError("--lowercase: a hash cannot be folded, the password had to be")


class Secret(Record):
    """What comes of it: the field to store, its scheme, and the password if we made it up."""

    __slots__ = ("field", "generated", "scheme")
    SECRET = ("field", "generated")

    def __init__(self, *, field: str, scheme: str, generated: str | None = None) -> None:
        self.field: Final = field
        self.scheme: Final = scheme
        self.generated: Final = generated


def _read_file(_context: click.Context, _parameter: click.Parameter, path: str | None) -> bytes | None:
    """The password in the file, read while the command line is: as root, if root typed it (see `session`)."""
    if path is None:
        return None
    name = os.fsdecode(path.encode(ENCODING, ERRORS))
    try:
        with open(name, "rb") as file:
            data = file.read(MAX_BYTES)
    except OSError as error:
        raise click.UsageError(f"--password-file: {visible(as_text(name))} cannot be read: {error.strerror}") from None
    return lines_in(data, f"--password-file: {visible(as_text(name))}", ("the password",))[0]


def password_options(*, ready: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options that say where the password comes from, folded into one argument `source`; `ready`: a hash too."""
    options: list[Callable[..., Any]] = [
        click.option("--password-stdin", "from_stdin", is_flag=True, help="Read the password from stdin (one line)."),
        click.option(
            "--password-file",
            "from_file",
            metavar="FILE",
            callback=_read_file,
            help=FILE_HELP,
            shell_complete=FILES,
        ),
        click.option("--generate", is_flag=True, help="Make one up, and print it, once."),
        click.option("--lowercase", is_flag=True, help=LOWERCASE_HELP),
    ]
    if ready:
        options.insert(3, click.option("--hash", "ready", metavar="HASH", help="Store this ready hash."))
        options.append(dmail_conf_option())

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        from functools import wraps

        @wraps(function)
        def run(*arguments: Any, **values: Any) -> Any:
            given = {key: values.pop(key) for key in ("from_stdin", "from_file", "generate", "lowercase")}
            given |= {key: values.pop(key, None) for key in ("ready", "dmail")}
            return function(*arguments, source=Source(**given), **values)

        wrapped: Callable[..., Any] = run
        for option in reversed(options):
            wrapped = option(wrapped)
        return wrapped

    return decorate


def get_secret(session: Session, source: Source, *, scheme: str | None = None, user: User | str = "") -> Secret:
    """The field to store, in `scheme`; without one as the store has it: in place of what `user` has, or a new one's.

    Raises:
        Refused: nobody may have this password, or the hash is none.
        click.UsageError: there is nobody to ask.
    """
    if source.ready is not None:
        _note_lowered(session, source, "the hash lets somebody in only if its password has no capitals")
        return _ready(session, source.ready)
    generated = None
    if source.generate:
        generated = made_up()
        session.has_generated = True
        password = generated.encode()
    else:
        password = get_password(session, source)
    if source.lowercase:
        password = password.lower()
    elif password != password.lower():
        _note_lowered(session, source, "this one has capitals and lets nobody in: --lowercase folds it")
    if scheme is not None:
        return Secret(field=session.passwords.hash(password, scheme), scheme=scheme, generated=generated)
    store = session.service.taker(user) if isinstance(user, str) else user.store
    field = session.service.field_for(password, user)
    return Secret(field=field, scheme=session.identify(field, store=store).name, generated=generated)


def made_up() -> str:
    """A new password of our own dice."""
    from secrets import choice

    return "".join(choice(ALPHABET) for _ in range(GENERATED_LENGTH))


def _note_lowered(session: Session, source: Source, text: str) -> None:
    """Say what it means that the servers send every password in lower case, if they do."""
    if source.dmail is not None and source.dmail.lowercase_password:
        where = f"{shown_path(source.dmail.file)}, line {source.dmail.line_of('lowercase_password')}"
        session.note(f"note: the servers send passwords in lower case (lowercase_password, {where}), and {text}")


def get_password(session: Session, source: Source) -> bytes:
    """A new password from outside: typed twice, or one line of stdin or a file."""
    if source.from_file is not None:
        password = source.from_file
    elif source.from_stdin:
        password = stdin_line("--password-stdin")
    else:
        password = _ask_twice()
    if b" " in password:
        session.note("note: the password holds a blank, which not every mail server can send")
    return password


def get_known_password(*, from_stdin: bool) -> bytes:
    """A password to try: typed once, or one line of stdin."""
    if from_stdin:
        return stdin_line("--password-stdin")
    if not is_interactive():
        raise click.UsageError("no terminal to ask for the password on: give --password-stdin")
    return ask_secret("Password: ")


def stdin_line(where: str) -> bytes:
    """The one line on stdin."""
    return stdin_lines(where, ("the password",))[0]


def stdin_lines(where: str, wanted: tuple[str, ...]) -> list[bytes]:
    """The lines on stdin, as many as are `wanted`."""
    data = b""
    while len(data) < MAX_BYTES and (block := os.read(0, MAX_BYTES)):
        data += block
    return lines_in(data, where, wanted)


def lines_in(data: bytes, where: str, wanted: tuple[str, ...]) -> list[bytes]:
    """The lines that `data` is, without their ends, none of them empty; as many as are `wanted`."""
    lines = [line.removesuffix(b"\r") for line in data.removesuffix(b"\n").split(b"\n")]
    if len(lines) != len(wanted) or not all(lines):
        found = "an empty line" if not all(lines) else f"{len(lines)} lines"
        lines_wanted = f"{len(wanted)} line{'s' * (len(wanted) > 1)}"
        raise click.UsageError(
            f"{where}: found {found if data else 'nothing'}, wanted {lines_wanted}: {', '.join(wanted)}"
        )
    return lines


def _ask_twice() -> bytes:
    if not is_interactive():
        raise click.UsageError(f"no terminal to ask for the password on: give {WAYS}")
    fault = ""
    for _ in range(MAX_ASKED):
        if fault:
            say(f"{fault}, once more")
        password = ask_secret("New password: ")
        if not password:
            fault = "it cannot be empty"
        elif ask_secret("Again: ") == password:
            return password
        else:
            fault = "the two differ"
    raise click.UsageError(f"no password was taken in {MAX_ASKED} attempts: {fault}")


def _ready(session: Session, field: str) -> Secret:
    """A hash made elsewhere, checked as far as it can be without its password.

    Raises:
        Refused: it lets nobody in, holds the password itself, or is damaged.
    """
    identity = session.identify(field)
    wanted = "(nwauth hash list names the forms there are)"
    if any(character <= " " or character in ":\x7f" for character in field) or not identity.login:
        raise Refused(f"--hash: found {'what lets nobody in' if field else 'nothing'}, wanted a hash {wanted}")
    if identity.name == "clear":
        raise Refused("--hash: found clear text, wanted a hash: give the password itself by --password-stdin")
    try:
        verdict = session.passwords.verify(field, os.urandom(12).hex().encode())
    except Unavailable as error:
        session.note(f"note: the hash is taken unchecked: {error}")
    else:
        if verdict.reason != "wrong password":
            raise Refused(
                f"--hash: found a damaged {identity.name} hash ({verdict.reason}), wanted a whole one {wanted}"
            )
    if identity.weak:
        session.note(f"note: {identity.name} is a weak scheme")
    if getattr(session.store_config, "shared", False) and identity.name != session.store_config.new_scheme:
        session.note(f"note: what shares this folder may not read {identity.name} (shared = true)")
    return Secret(field=field, scheme=identity.name)
