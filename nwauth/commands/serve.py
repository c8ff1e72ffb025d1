"""``nwauth serve``: the protocol on stdin and stdout, said in words."""

from __future__ import annotations

import click

from nwauth import dropin
from nwauth.commands.command import WithExamples
from nwauth.commands.session import Choices
from nwauth.commands.shown import visible
from nwauth.errors import Misuse


@click.command(
    "serve",
    cls=WithExamples,
    examples=("nwauth serve -path /var/lib/nwauth -log",),
    context_settings={  # no -h: it would be found in NWAuth's own options, the last letter of -path
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": ["--help"],
    },
)
@click.argument("words", metavar="[OPTION ...]", nargs=-1, type=click.UNPROCESSED)
def serve(*, words: tuple[str, ...]) -> int:
    """Serve the protocol on stdin and stdout, as without any command.

    Takes NWAuth's own options (-path DIR, -log, -debug, -readonly, -size N ...), as the program does without a command.
    """
    choices = click.get_current_context().ensure_object(Choices)
    given = list(words)
    if choices.path is not None and not {"-path", "--path"}.intersection(given):
        given = ["-path", choices.path, *given]
    try:
        options = dropin.read_options(given)
        if options is not None:
            return dropin.run(options)
    except Misuse as error:
        raise click.UsageError(str(error)) from None
    raise click.UsageError(f"found {visible(' '.join(given))}, wanted options of the server, such as -path DIR")
