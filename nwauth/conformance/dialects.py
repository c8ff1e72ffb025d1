"""What may differ between this program's dialect and NetWin's, and why.

Each rule names its reason.  What is not on record about NetWin's modules (the vendor's pages give grammars, and one
whole conversation of NWAuth) proves nothing against a module that differs there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.conformance.answers import NO, first_word
from nwauth.conformance.forms import fault_of_lines

if TYPE_CHECKING:
    from nwauth.conformance.transcripts import Transcript

NWAUTH, NETWIN = "nwauth", "netwin"
PROFILES = (NWAUTH, NETWIN)

REASONS = {
    "version": "the text behind +OK is each module's own",
    "help": "the list of commands is each module's own",
    "exit": "older modules say +OK and no more",
    "quit": "older modules say +OK and no more",
    "del": "the text is not on record; servers read the first word",
}
LISTINGS = ("help", "search")
OUR_SETTINGS = "it is about settings of nwauth.toml"
NO_BASE = "what a module without a base says is not on record"


def left_out(transcript: Transcript, profile: str) -> str:
    """Why a transcript says nothing about a module of this profile; empty: it does."""
    if profile == NWAUTH:
        return ""
    if transcript.toml:
        return OUR_SETTINGS
    return "" if transcript.base else NO_BASE


def excuse(request: bytes, wanted: bytes, given: bytes, profile: str) -> str:
    """Why an answer that differs may do so in this profile; empty where it may not."""
    theirs, ours = given.replace(b"\r\n", b"\n").split(b"\n")[:-1], wanted.split(b"\n")[:-1]
    if profile == NWAUTH or not theirs or not ours or fault_of_lines(theirs):
        return ""
    if theirs == ours:
        return "lines may end as the module's system has it"
    command = first_word(request.strip()).lower()
    lists = command in LISTINGS and first_word(ours[-1]) != NO
    if first_word(theirs[-1]) != first_word(ours[-1]) or (len(theirs) > 1 and not lists):
        return ""
    return _excuse_of_text(command, ours, theirs)


def _excuse_of_text(command: str, ours: list[bytes], theirs: list[bytes]) -> str:
    """The same, where the last lines have the same first word."""
    if command in REASONS or first_word(ours[-1]) == NO:
        return REASONS.get(command, "the text behind -ERR is free; servers read the first word")
    if command == "search":
        return _excuse_of_search(ours, theirs)
    if command in ("lookup", "check") and ours[-1].endswith(b" 0") and theirs[-1] == ours[-1][:-2]:
        return "the uid may be left out where no info follows"
    return ""


def _excuse_of_search(ours: list[bytes], theirs: list[bytes]) -> str:
    """Hits may come without info, and the text at the end is each module's own; who was found must be the same."""
    hits = dict.fromkeys(ours[:-1]) | dict.fromkeys(b" ".join(line.split(b" ")[:2]) for line in ours[:-1])
    if not all(line in hits for line in theirs[:-1]):
        return ""
    named = [[line.split(b" ")[1:2] for line in lines[:-1]] for lines in (ours, theirs)]
    if named[0] == named[1]:
        return "hits may come without info, and the text behind the last +OK differs between modules"
    if sorted(named[0]) == sorted(named[1]):
        return "the order of hits is not on record"
    return ""
