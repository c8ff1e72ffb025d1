"""The lines of a block that can be of use: found by what must stand in them, since reading a line takes long."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nwauth.logs.lines import HEAD, is_ours
from nwauth.names import ENCODING, ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Pick = Callable[[bytes], Iterator[bytes]]  # of a block of whole lines: those that may be wanted, in their order

_OUR_LINES = re.compile(rb"\n" + HEAD)
# A request at level info: at level error there are only those that could not be answered.
_INFO = re.compile(rb'\n[^\n"=]* check user=|\n[^\n"={]*\{"time":"[^"\n]*","level":"info","command":"check"')
_LOST = re.compile(
    rb'\n[^\n"=]* lost level=error lines=(\d+)'
    rb'|\n[^\n"={]*\{"time":"[^"\n]*","level":"error","command":"lost","lines":(\d+)'
)
_LOGIN = re.compile(rb'check[^\n]*?result(?:=|" ?: ?")ok')
# A name that the log writes otherwise than it is typed, or that may fold to other letters.
_ODD_NAME = re.compile(rb'user(?:="|" ?: ?")[^"\n]*[\\\x80-\xff]|user=[^ "\n]*[\x80-\xff]')


def lines_of(key: str) -> Pick:
    """Lines that may be about the user of the folded name `key`, or about one whose name begins so."""
    if not key.isascii() or '"' in key or "\\" in key or not key.isprintable():
        return lambda block: _matching(_ODD_NAME, block, block)
    needle = key.encode(ENCODING, ERRORS)
    plain = re.compile(rb'user(?:=|" ?: ?")"?' + re.escape(needle))

    def pick(block: bytes) -> Iterator[bytes]:
        low = block.lower()
        found = needle in low
        if block.isascii() and b"\\" not in block:
            return _matching(plain, low, block) if found else iter(())
        return (line for line in _lines(block) if plain.search(line.lower()) or _ODD_NAME.search(line))

    return pick


def logins(block: bytes) -> Iterator[bytes]:
    """Lines that may tell of a login."""
    return _matching(_LOGIN, block, block)


def _matching(pattern: re.Pattern[bytes], searched: bytes, block: bytes) -> Iterator[bytes]:
    """The lines of `block` where `pattern` is found in `searched`, which has the same lines at the same places."""
    at = 0
    while match := pattern.search(searched, at):
        start = block.rfind(b"\n", 0, match.start()) + 1
        at = block.index(b"\n", match.end()) + 1
        yield block[start:at]


def _lines(block: bytes) -> Iterator[bytes]:
    return (line + b"\n" for line in block.split(b"\n")[:-1])


def count_foreign(block: bytes) -> int:
    """How many lines of `block` are none of this log; blank ones are nobody's."""
    block = b"\n" + block
    total = block.count(b"\n") - 1
    if len(_OUR_LINES.findall(block)) == total:
        return 0
    return sum(1 for line in _lines(block[1:]) if line.strip() and not is_ours(line))


def count_lost(block: bytes) -> int:
    """How many lines the log says were lost: it could not be written."""
    if b"lost" not in block:
        return 0
    return sum(int(text or json) for text, json in _LOST.findall(b"\n" + block) if len(text + json) < 16)


def keeps_requests(block: bytes) -> bool:
    """Whether there is a request at level info."""
    return _INFO.search(b"\n" + block) is not None
