"""Commands and settings named in running text are there: ``nwauth ...`` between backquotes can be typed."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from nwauth.commands.group import root
from nwauth.dropin import read_options
from nwauth.errors import Misuse
from tests.documents.pages import inline, names

PAGES = [page for page in names() if page not in ("CHANGELOG.md", "DECISIONS.md")]
MEANT = ("nwauth user shwo bob@test.com",)  # shown because it is wrong
SHELL = re.compile(r"\s(?:[|&;]|[<>]).*")


def typed(page: str) -> list[str]:
    """Every command in the running text of a page, up to where the shell comes in."""
    spans = [token.content for token in inline(page, "code_inline")]
    return [SHELL.sub("", span) for span in spans if re.match(r"nwauth [\w-]", span) and span not in MEANT]


def fault(command: str) -> str:
    """What is wrong with a command's words; empty: nothing.  Arguments may be left out in running text."""
    words = shlex.split(command)[1:]
    try:
        if read_options(words) is not None:
            return ""
    except Misuse as error:
        return str(error)
    current: click.Command = root
    known = {option for parameter in root.params for option in parameter.opts}
    for word in words:
        if word.startswith("-") and word != "-":
            option = word.partition("=")[0]
            known |= {name for parameter in current.params for name in (*parameter.opts, *parameter.secondary_opts)}
            if option not in known | {"-path", "--help"}:
                return f"no option {option}"
        elif isinstance(current, click.Group):
            found = current.get_command(click.Context(current), word)
            if found is None and current is not root:
                return f"no command {word}"
            current = found or current  # the word of an option before the command
    return "no command" if current is root and any(word[0] != "-" for word in words) else ""


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_running_text_can_be_typed(page: str) -> None:
    assert [f"{command}: {fault(command)}" for command in typed(page) if fault(command)] == []


def test_many_are_named() -> None:
    assert sum(len(typed(page)) for page in PAGES) > 100
    assert fault("nwauth user shwo bob") == "no command shwo"
    assert fault("nwauth doctor --fast") == "no option --fast"
    assert fault("nwauth docter") == "no command"
