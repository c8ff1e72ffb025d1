"""``--dmail-conf FILE``: the configuration of the mail server beside ours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from nwauth.commands.command import FILES
from nwauth.commands.shown import as_text, visible
from nwauth.dmail.reading import DEFAULT_FILE, read
from nwauth.errors import ConfigError
from nwauth.names import ENCODING, ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable

    from nwauth.dmail.values import DmailConf

OPTION, VARIABLE = "--dmail-conf", "NWAUTH_DMAIL_CONF"
HELP = f"The mail server's settings. Default: {VARIABLE}, or {DEFAULT_FILE}."


def dmail_conf_option(
    *, needed: bool = False, looked_for: bool = True, text: str = HELP
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option, as an argument `dmail`: the settings of the file, or None.

    With `looked_for` a file that is not named is taken from the environment, or from where DMail has it; one there that
    cannot be read is as good as none, unless it is `needed`.  It is read while the command line is: as root, if root
    typed it, since only root may read it.
    """

    def callback(context: click.Context, _parameter: click.Parameter, path: str | None) -> DmailConf | None:
        if context.resilient_parsing:
            return None
        if path is not None:
            return _read(os.fsdecode(path.encode(ENCODING, ERRORS)), named_by=OPTION)
        if not looked_for:
            return None
        named = os.environ.get(VARIABLE)
        if named:
            return _read(named, named_by=f"the variable {VARIABLE}")
        return _default(needed=needed)

    return click.option(OPTION, "dmail", metavar="FILE", callback=callback, help=text, shell_complete=FILES)


def _read(path: str, *, named_by: str) -> DmailConf:
    """The settings of a file that somebody has named."""
    try:
        return read(path)
    except FileNotFoundError:
        raise click.UsageError(f"{named_by}: found no file {visible(as_text(path))}") from None
    except ConfigError as error:
        raise click.UsageError(f"{named_by}: {visible(as_text(str(error)))}") from None


def _default(*, needed: bool) -> DmailConf | None:
    """The settings where DMail has them."""
    try:
        return read(DEFAULT_FILE)
    except FileNotFoundError:
        why = f"found no {DEFAULT_FILE}"
    except ConfigError as error:
        why = str(error)
    if needed:
        raise click.UsageError(f"{why}: name the mail server's settings with {OPTION} FILE")
    return None
