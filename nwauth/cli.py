"""The command ``nwauth``: a module that a mail server spawns, and the administrator's tool.

The options of a serving child are read by hand (`nwauth.dropin`); click, with all that it brings, is imported only for
the commands: a server waits for its child's first answer.
"""

from __future__ import annotations

import os
import sys

EXIT_MISUSE, EXIT_TEMPORARY, EXIT_INTERRUPTED = 2, 75, 130


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        return _main(words)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except MemoryError:  # too little even to say so
        return EXIT_TEMPORARY


def _main(words: list[str]) -> int:
    from nwauth.dropin import complain, read_options, run
    from nwauth.errors import Misuse

    if os.name != "posix":
        complain("serves on POSIX systems only, run it on Linux or a BSD")
        return EXIT_MISUSE
    _open_standard_descriptors()
    try:
        options = read_options(words)
        if options is not None:
            return run(options)
    except Misuse as error:
        complain(f"{error} (nwauth --help lists what there is)")
        return EXIT_MISUSE
    try:
        from nwauth.commands.group import run_command
    except KeyboardInterrupt:
        complain("interrupted: nothing is changed")
        return EXIT_INTERRUPTED
    return run_command(words)


def _open_standard_descriptors() -> None:
    """Give 0, 1 and 2 a meaning where the parent left them closed: a file opened later must not become one of them."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
