"""The command line as a whole: finds the command, loads its module alone, and turns errors into a line and a status."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from nwauth import __version__
from nwauth.commands.command import CommonOptions, WithExamples
from nwauth.commands.meant import meant
from nwauth.commands.output import forget_stdout
from nwauth.commands.session import Choices
from nwauth.commands.shown import as_text, visible
from nwauth.commands.terminal import complain, say
from nwauth.errors import NwauthError

if TYPE_CHECKING:
    from collections.abc import Mapping

EXIT_NO, EXIT_MISUSE, EXIT_TEMPORARY, EXIT_INTERRUPTED, EXIT_UNREAD = 1, 2, 75, 130, 141
NOTHING = "nothing is changed"  # of a command that was interrupted before it began


class LazyGroup(CommonOptions, click.Group):
    """A group whose commands are found by name, as ``module:attribute``, and imported when one is wanted."""

    def __init__(
        self,
        *arguments: Any,
        commands: Mapping[str, str],
        sections: Mapping[str, Mapping[str, str]] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(*arguments, **settings)
        self._places = commands
        self.sections = sections or {}  # titles of the help, and what is said of each command there

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the help."""
        del ctx
        return list(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        del ctx
        place = self._places.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        found = getattr(import_module(f"nwauth.commands.{module}"), attribute)
        assert isinstance(found, click.Command)  # noqa: S101
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names.

        Raises:
            click.UsageError: there is none; it says which may be meant.
        """
        found = self.get_command(ctx, args[0])
        if found is not None or args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        names = meant(self, ctx, args[0])
        if not names and len(args) > 1 and args[1] in self._places:
            names = [f"{args[1]} {visible(args[0])}"]
        hint = f", did you mean {' or '.join(map(repr, names))}?" if names else ""
        raise click.UsageError(f"no such command {args[0]!r}{hint}", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands under the titles of `sections`, else under one; what each does is never cut."""
        left = dict.fromkeys(self.list_commands(ctx))
        for title, texts in self.sections.items():
            rows = [(name, text) for name, text in texts.items() if name in left]
            for name, _ in rows:
                del left[name]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
        found = [(name, self.get_command(ctx, name)) for name in left]
        rows = [(name, one.get_short_help_str(limit=500)) for name, one in found if one is not None]
        if rows:
            with formatter.section("More commands" if self.sections else "Commands"):
                formatter.write_dl(rows)


HELP = """Users of mail servers: their names, passwords and info fields, in nwauth.txt or elsewhere.

Started without a command, or with the options of NetWin's NWAuth alone, it serves the protocol on stdin and stdout:
this is how a mail server starts it. Every command has its own --help, with examples."""

# What a newcomer needs comes first.  The words stand here, so that this help imports no command.
SECTIONS = {
    "The first ten minutes": {
        "init": "Make a user base, and nwauth.toml with every setting explained.",
        "user": "Add, change, show, list, suspend and delete users.",
        "test": "Try a login, and see why it is refused.",
        "doctor": "Check the installation; say what is wrong and what to type.",
    },
    "Who may log in": {
        "explain": "Show every step of the decision about a login.",
        "policy": "Show, check, try and import access rules: hours, hosts, classes.",
        "throttle": "Show who has had too many wrong passwords; let somebody in again.",
        "log": "Why was somebody refused? Who logged in last?",
        "hash": "Make and test password hashes; report on those of all users.",
    },
    "Many users": {
        "apply": "Make the users match a plan in a file.",
        "import": "Take in users, or settings, from files of other programs.",
        "export": "Write users to a file, in a form that you choose.",
        "copy": "Copy users from one store to another, and compare them.",
        "undo": "Take back the last change.",
        "merge": "Fold the journal nwauth.add into nwauth.txt.",
    },
    "The mail server": {
        "names": "Show what DSMTP and DPOP ask for, as their dmail.conf says.",
        "serve": "Serve the protocol, as without any command.",
        "selftest": "Start the module as a mail server does, and talk to it.",
        "compat": "Play the conformance transcripts against any module.",
    },
    "Your shell": {"completion": "Have the Tab key complete commands, options and names of users."},
}

EXIT_STATUSES = """Exit status: 0 yes or done, 1 no (no such user, wrong password), 2 the command line is wrong,
3 a dry run of a plan found changes, 75 cannot tell now (try again), 130 interrupted,
141 nobody reads the results any more."""

root = LazyGroup(
    "nwauth",
    help=HELP,
    epilog=EXIT_STATUSES,
    context_settings={"help_option_names": ["-h", "--help"]},
    examples=(
        "nwauth init --path /var/lib/nwauth",
        "nwauth user add bob@test.com --path /var/lib/nwauth",
        "nwauth test bob@test.com --path /var/lib/nwauth",
    ),
    sections=SECTIONS,
    commands={
        "init": "init:init",
        "serve": "serve:serve",
        "user": "user:user",
        "test": "login:test",
        "explain": "explain:explain",
        "policy": "policy:policy",
        "apply": "apply:apply",
        "import": "importing:import_",
        "export": "export:export",
        "copy": "copy:copy",
        "undo": "undo:undo",
        "merge": "merge:merge",
        "hash": "hashes:hashes",
        "log": "logs:logs",
        "names": "names:names",
        "throttle": "throttle:throttle",
        "doctor": "diagnose:doctor",
        "selftest": "selftest:selftest",
        "compat": "compat:compat",
        "completion": "completion:completion",
    },
)
root = click.version_option(__version__, message="nwauth %(version)s")(root)


def run_command(words: list[str]) -> int:
    """Run a command for administrators; return its exit status.  Errors become one line on stderr."""
    choices = Choices()
    try:
        with root.make_context("nwauth", [as_text(word) for word in words], obj=choices) as context:
            return root.invoke(context) or 0
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except BrokenPipeError:
        forget_stdout()
        return EXIT_UNREAD
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001, a bug must be told as "cannot tell"
        if choices.debug:
            _print_traceback(error)
        return _failed(error, choices)


def _failed(error: BaseException, choices: Choices) -> int:
    """Say in one line what is wrong, where, and what to do; return the exit status."""
    match error:
        case KeyboardInterrupt():
            stands = str(error) or ("" if choices.is_at_work else NOTHING)
            text, status = f"interrupted: {stands}" if stands else "interrupted", EXIT_INTERRUPTED
        case click.ClickException():
            return _misused(error, choices)
        case NwauthError(temporary=True):
            text, status = str(error), EXIT_TEMPORARY
        case NwauthError():
            text, status = str(error), EXIT_NO
        case OSError():  # ours are told by the store: this is stdout on a full disk, or the terminal
            forget_stdout()
            text, status = f"cannot read or write: {error}", EXIT_TEMPORARY
        case MemoryError():
            text = "memory is short: give it more (ulimit -v or a container may limit it), or try again later"
            status = EXIT_TEMPORARY
        case _:
            _log_bug(error, choices)
            text = f"internal fault: {type(error).__name__} (--debug shows where; please report it)"
            status = EXIT_TEMPORARY
    complain(text, color=choices.color)
    return status


def _misused(error: click.ClickException, choices: Choices) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":  # click before 8.2 has no such class
        say(error.format_message())
        return EXIT_MISUSE
    text = error.format_message().strip().removesuffix(".")
    if context is None:
        complain(text, color=choices.color)
    else:
        text += _as_in(error, context.command)
        complain(f"{text[:1].lower()}{text[1:]} ({context.command_path} --help tells more)", color=choices.color)
    return EXIT_MISUSE


def _as_in(error: click.ClickException, command: click.Command) -> str:
    """Where something lacks, or is too much, how the command is typed: its first example."""
    if isinstance(command, click.Group) or not isinstance(command, WithExamples) or not command.examples:
        return ""
    takes_words = any(isinstance(parameter, click.Argument) for parameter in command.params)
    is_too_much = not takes_words and error.message.startswith("Got unexpected extra argument")
    if not isinstance(error, click.MissingParameter) and not is_too_much:
        return ""
    return f", as in: {command.examples[0]}"


def _log_bug(error: BaseException, choices: Choices) -> None:
    from nwauth.commands.session import Session

    try:
        Session(choices).log.bug(error)
    except Exception:  # noqa: BLE001, S110, a log that cannot be written changes nothing
        pass


def _print_traceback(error: BaseException) -> None:
    import traceback

    say("".join(traceback.format_exception(error)).rstrip())
