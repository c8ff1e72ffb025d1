"""Words of a command line, and of ``nwauth.toml``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.config.example import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable


def command_words(line: str) -> list[str]:
    """The words of ``authent_process``: blanks part them, but for those between double quotes."""
    words: list[str] = []
    word: str | None = None
    within = False
    for character in line + " ":
        if character == '"':
            within = not within
            word = word or ""
        elif character in " \t" and not within:
            if word is not None:
                words.append(word)
            word = None
        else:
            word = (word or "") + character
    return words if word is None else [*words, word]


def program(word: str) -> str:
    """The name of a program without its folder, of this system's or of Windows'."""
    return word.replace("\\", "/").rpartition("/")[2].lower()


def path_of(words: list[str]) -> str | None:
    """What ``-path`` names among the words of a command line."""
    for at, word in enumerate(words[:-1]):
        if word in ("-path", "--path"):
            return words[at + 1]
    return None


def options_beside_path(words: list[str]) -> list[str]:
    """The words behind the program, without ``-path`` and its folder, and those that only log."""
    rest = words[3:] if words[1:3] == ["-m", "nwauth"] else words[1:]
    for at, word in enumerate(rest[:-1]):
        if word in ("-path", "--path"):
            rest = rest[:at] + rest[at + 2 :]
            break
    return [word for word in rest if word not in ("-log", "-debug")]


def toml_array(texts: Iterable[str]) -> str:
    """An array of strings of ``nwauth.toml``."""
    return f"[{', '.join(map(toml_string, texts))}]"


def toml_string(text: str) -> str:
    """A string of ``nwauth.toml``, in which ``${`` would begin a variable."""
    return quoted(text.replace("${", "$${"))


def unquoted(value: str) -> str:
    """A value without the quotes around all of it: a path of Windows may hold blanks."""
    if len(value) > 1 and value[0] == value[-1] == '"' and '"' not in value[1:-1]:
        return value[1:-1]
    return value
