"""The conversations of ``transcripts/*.txt``, as their README describes them: a base, requests, exact replies."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, field

from nwauth import __version__

FOLDER = os.path.join(os.path.dirname(__file__), "transcripts")
LONG_AGO = 1_000_000_000  # seconds since 1970: a file of that age is settled
ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|\{(.*?)\*(\d+)\}|(.))")
HEADINGS = ("user", "journal", "option", "toml", "users", "nobase")
PLAIN_ESCAPES = {"v": __version__.encode(), "t": b"\t", "r": b"\r", "\\": b"\\"}


class BadTranscript(Exception):
    """A file is no transcript; the text says where, what was found and what was wanted."""


@dataclass
class Exchange:
    """A request, all the lines of its answer (each with its end), and where it stands in the file."""

    request: bytes
    answer: bytes
    line: int


@dataclass
class Transcript:
    """A base to set up, and the exchanges."""

    name: str = ""
    file: str = ""
    about: str = ""  # the first comment that sets nothing up
    users: list[bytes] = field(default_factory=list)
    journal: list[bytes] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    toml: list[str] = field(default_factory=list)
    total: int = 0
    base: bool = True
    exchanges: list[Exchange] = field(default_factory=list)

    def set_up(self, folder: str) -> None:
        """Make `folder` as another program left it long ago."""
        os.makedirs(folder, exist_ok=True)
        if not self.base:
            return
        fillers = [b"filler%d@example.org:!:" % number for number in range(self.total - len(self.users))]
        files = {"nwauth.txt": self.users + fillers}
        if self.journal:
            files["nwauth.add"] = self.journal
        if self.toml:
            files["nwauth.toml"] = [line.encode() for line in self.toml]
        for name, lines in files.items():
            path = os.path.join(folder, name)
            with open(path, "wb") as file:
                file.write(b"".join(line + b"\n" for line in lines))
            os.utime(path, (LONG_AGO, LONG_AGO))


def names() -> list[str]:
    """The names of all transcripts."""
    return sorted(name.removesuffix(".txt") for name in os.listdir(FOLDER) if name.endswith(".txt"))


def named(name: str) -> Transcript:
    """Our transcript of that name."""
    return read(os.path.join(FOLDER, f"{name}.txt"))


def read(path: str) -> Transcript:
    """The transcript in a file.

    Raises:
        OSError: it cannot be read.
        BadTranscript: it is none.
    """
    transcript = Transcript(os.path.basename(path).removesuffix(".txt"), path)
    with open(path, "rb") as file:
        lines = file.read().decode("utf-8", "surrogateescape").split("\n")
    for number, line in enumerate(lines, start=1):
        try:
            _take(transcript, line.removesuffix("\r"), number)
        except ValueError as error:
            raise BadTranscript(f"{path}, line {number}: {error}") from None
    if not transcript.exchanges:
        raise BadTranscript(f"{path}: found no request, wanted a line that begins with >")
    return transcript


def _take(transcript: Transcript, line: str, number: int) -> None:
    """One line.  Raises ValueError."""
    mark, _, rest = line.partition(" ")
    if mark == ">":
        transcript.exchanges.append(Exchange(unescaped(rest), b"", number))
    elif mark == "<" and transcript.exchanges:
        transcript.exchanges[-1].answer += unescaped(rest) + b"\n"
    elif mark == "#":
        if not transcript.exchanges and rest.partition(" ")[0] in HEADINGS:
            _read_heading(transcript, rest)
        elif not transcript.about:
            transcript.about = rest
    elif line:
        raise ValueError(f"found {line[:40]!r}, wanted > and a request, < and a line of its answer, or #")


def unescaped(text: str) -> bytes:
    r"""The bytes of a line: ``\x00``, ``\t``, ``\r``, ``\\``, and ``\{a*300}`` for 300 times ``a``.

    Raises ValueError.
    """
    found, at = b"", 0
    for match in ESCAPE.finditer(text):
        found += _bytes(text[at : match.start()])
        code, repeated, times, plain = match.groups()
        if code is not None:
            found += bytes([int(code, 16)])
        elif times is not None:
            found += _bytes(repeated) * int(times)
        elif plain in PLAIN_ESCAPES:
            found += PLAIN_ESCAPES[plain]
        else:
            raise ValueError(rf"found \{plain}, wanted one of \xff \t \r \v \\ \{{ab*300}}")
        at = match.end()
    return found + _bytes(text[at:])


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _read_heading(transcript: Transcript, comment: str) -> None:
    word, _, rest = comment.partition(" ")
    match word:
        case "user":
            transcript.users.append(unescaped(rest))
        case "journal":
            transcript.journal.append(unescaped(rest))
        case "option":
            transcript.options += shlex.split(rest)
        case "toml":
            transcript.toml.append(rest)
        case "users":
            if not rest.isascii() or not rest.isdigit():
                raise ValueError(f"found users {rest[:40]!r}, wanted a number")
            transcript.total = int(rest)
        case "nobase":
            transcript.base = False
