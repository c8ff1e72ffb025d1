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
PLAIN_ESCAPES = {"v": __version__.encode(), "t": b"\t", "r": b"\r", "\\": b"\\"}


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


def read(name: str) -> Transcript:
    """The transcript of that name."""
    transcript = Transcript(name)
    with open(os.path.join(FOLDER, f"{name}.txt"), encoding="utf-8") as file:
        lines = file.read().splitlines()
    for number, line in enumerate(lines, start=1):
        mark, _, rest = line.partition(" ")
        if mark == ">":
            transcript.exchanges.append(Exchange(unescaped(rest), b"", number))
        elif mark == "<":
            transcript.exchanges[-1].answer += unescaped(rest) + b"\n"
        elif mark == "#":
            if not transcript.exchanges:
                _read_heading(transcript, rest)
        elif line:
            raise ValueError(f"{name}.txt: {line}")
    return transcript


def unescaped(text: str) -> bytes:
    r"""The bytes of a line: ``\x00``, ``\t``, ``\r``, ``\\``, and ``\{a*300}`` for 300 times ``a``."""
    found, at = b"", 0
    for match in ESCAPE.finditer(text):
        found += text[at : match.start()].encode()
        code, repeated, times, plain = match.groups()
        if code is not None:
            found += bytes([int(code, 16)])
        elif times is not None:
            found += repeated.encode() * int(times)
        else:
            found += PLAIN_ESCAPES[plain]
        at = match.end()
    return found + text[at:].encode()


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
            transcript.total = int(rest)
        case "nobase":
            transcript.base = False
