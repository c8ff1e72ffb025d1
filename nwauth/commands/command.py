"""What every command is made of: the options common to all, and examples in its help."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from nwauth.commands.output import FORMATS, forget_stdout
from nwauth.commands.session import Choices, Session
from nwauth.commands.shown import shown_path
from nwauth.errors import Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from click.shell_completion import CompletionItem

    Completer = Callable[[click.Context, click.Parameter, str], list[str] | list[CompletionItem]]
    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


PATH_HELP = "Folder of the user base and nwauth.toml. Default: NWAUTH_PATH, or here."
NO_BASE = "run nwauth init"  # how the stores end what they say of a base that is not there
STORE_HELP = "The store to work on. Default: the one that takes new users."
FORMAT_HELP = "Form of the results. Default: table on a terminal, else ndjson."
COLOR_HELP = "Default: auto (on a terminal, unless NO_COLOR is set)."


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Keep what was given; of an option given before and behind the subcommand, the later one counts."""
    if value is not None and parameter.name is not None:
        setattr(context.ensure_object(Choices), parameter.name, value)


def common_options() -> list[click.Parameter]:
    """The options that every command takes, before and behind its name."""

    def option(*names: str, **settings: Any) -> click.Option:
        return click.Option(names, expose_value=False, callback=_remember, **settings)

    def flag(name: str, text: str) -> click.Option:
        return option(name, is_flag=True, default=None, help=text)

    return [
        option(
            "-path", "--path", "path", metavar="DIR", type=click.Path(file_okay=False, readable=False), help=PATH_HELP
        ),
        option("--store", metavar="NAME", help=STORE_HELP, shell_complete=completed_by("stores")),
        option("--format", "form", type=click.Choice(FORMATS), help=FORMAT_HELP),
        flag("--quiet", "No notes, no progress, no word of changes done."),
        flag("--yes", "Answer yes to every question."),
        option("--color", type=click.Choice(("auto", "always", "never")), help=COLOR_HELP),
        flag("--debug", "Show the traceback of an error."),
    ]


class WithExamples(click.Command):
    """A command, or group of commands, whose help ends with examples."""

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples, as they are."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"  {example}\n")
        super().format_epilog(ctx, formatter)


class CommonOptions(WithExamples):
    """One with the common options, listed apart in its help."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.params = [*self.params, *common_options()]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """In a group its commands; the command's own options, and the common ones."""
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)
        rows: dict[bool, list[tuple[str, str]]] = {False: [], True: []}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx)
            if row is not None and isinstance(parameter, click.Option):  # arguments are told in the text
                rows[not parameter.expose_value].append(row)
        rows[False] += [row for row in rows[True] if row[0].startswith(("-h, --help", "--version"))]
        rows[True] = [row for row in rows[True] if row not in rows[False]]
        for title, found in (("Options", rows[False]), ("Options common to all commands", rows[True])):
            if found:
                with formatter.section(title):
                    formatter.write_dl(found)


def _told(session: Session, text: str) -> str:
    """What cannot be done now, with its place; and with what to do about a folder that nobody has named."""
    text = session.behind_store(text)
    if session.place is not None and session.place not in text and not os.path.isabs(text):
        text = f"{shown_path(session.place)}: {text}"
    if text.endswith(NO_BASE) and not os.path.isdir(session.place or session.folder):
        place = shown_path(session.place or session.folder)
        return f"{place}: there is no such folder: --path DIR names another, nwauth init makes this one"
    if text.endswith(NO_BASE) and session.choices.path is None and not os.environ.get("NWAUTH_PATH"):
        text += ", or name the folder that has one: --path DIR"
    return text


@contextmanager
def _heard(session: Session) -> Iterator[None]:
    """Where stdout takes no word of users who are changed, no exit status may have it tried again.

    The second ``nwauth undo`` would take back the step before.
    """
    try:
        yield
    except OSError as error:
        nobody_listens = isinstance(error, BrokenPipeError) and not session.has_generated
        if nobody_listens or not session.has_changed:
            raise
        forget_stdout()
        lost = ", and the password that was made up is lost" if session.has_generated else ""
        raise Refused(changed_unheard("users are changed", error, lost=lost)) from None


def changed_unheard(changed: str, error: OSError, *, lost: str = "") -> str:
    """What to say of changes that are made where stdout takes no word of them."""
    reason = error.strerror or error
    return f"{changed}, and stdout cannot be written ({reason}){lost}: nwauth undo takes it back"


def command(name: str, *, examples: Sequence[str]) -> Callable[[Callable[..., int]], CommonOptions]:
    """Make a command of a function that takes a `Session` and its own options, and returns the exit status."""

    def decorate(function: Callable[..., int]) -> CommonOptions:
        @wraps(function)
        def run(*arguments: Any, **values: Any) -> int:
            session = Session(click.get_current_context().ensure_object(Choices))
            session.choices.is_at_work = True
            with _heard(session):
                try:
                    return function(session, *arguments, **values)
                except Unavailable as error:
                    text = _told(session, str(error))
                    if text == str(error):
                        raise
                    raise Unavailable(text) from error
                finally:
                    session.close()
                    session.results.flush()

        return click.command(name, cls=CommonOptions, examples=examples)(run)

    return decorate


def dry_run_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option of every command that changes something."""
    return click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")(function)


def pattern(_context: click.Context, _parameter: click.Parameter, word: str | None) -> str:
    """What ``--match`` says; "": it was not given.  An empty one is what a script says whose variable is unset."""
    if word == "":
        raise click.BadParameter("found nothing, wanted a pattern, as *@test.com")
    return word or ""


def completed_by(kind: str) -> Completer:
    """What a shell is offered in the place of a parameter: a function of `nwauth.commands.completing`."""

    def complete(
        context: click.Context, _parameter: click.Parameter, incomplete: str
    ) -> list[str] | list[CompletionItem]:
        from nwauth.commands import completing

        choices = context.ensure_object(Choices)
        about = {"user": context.params.get("name")} if kind in completing.OF_A_USER else {}
        found: list[str] | list[CompletionItem] = getattr(completing, kind)(choices, incomplete, **about)
        return found

    return complete


FILES = completed_by("files")


def user_name(parameter: str = "name", *, many: bool = False, required: bool = True) -> Decorator:
    """The argument that names users who are there; a shell can complete it."""
    complete = completed_by("users")
    if many:
        return click.argument(parameter, metavar="NAME...", nargs=-1, required=required, shell_complete=complete)
    return click.argument(parameter, metavar=parameter.upper(), shell_complete=complete)
