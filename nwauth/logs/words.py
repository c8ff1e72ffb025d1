"""What a refusal means, in a sentence for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.logs.refusals import NO_SUCH_USER, THROTTLE
from nwauth.policy import account

if TYPE_CHECKING:
    from nwauth.logs.refusals import Run

MANY = 5  # whoever has forgotten a password tries some


def told(run: Run) -> str:
    """Why, from where, and by how many passwords."""
    place = f"from {run.address or 'an unknown address'}" + (f" ({run.service})" if run.service else "")
    if run.is_guess():
        what = "login under a name that is no user's" if run.reason == NO_SUCH_USER else "wrong password"
        return f"{_counted(run.count, what)} {place}{_passwords(run)}"
    times = "" if run.count == 1 else f"{run.count} times "
    return f"{times}{_verdict(run)} {place}{_why(run)}"


def _counted(count: int, what: str) -> str:
    first, _, rest = what.partition(" ")
    if count == 1:
        return f"1 {what}"
    return f"{count} {first}s {rest}" if first == "login" else f"{count} {what}s"


def _passwords(run: Run) -> str:
    """Whether it was the same wrong password, or different ones."""
    if run.count == 1:
        return ""
    if not run.tagged:
        return ": the log does not tell whether it was the same one each time"
    different, of = len(run.tags), "" if run.tagged == run.count else f" in the {run.tagged} that can be told apart"
    if different == 1 and run.tagged > 1:
        return f": the same one each time{of} (a device with an old password?)"
    if different == run.tagged:
        return f": a different one each time{of}" + (" (somebody guesses?)" if different >= MANY else "")
    return f": {different} different ones{of}"


def _verdict(run: Run) -> str:
    if run.result == "dead":
        return "could not be told"
    if run.rule == THROTTLE:
        return "refused by the throttle, the password unseen,"
    if run.rule in account.REFUSING_FIELDS:
        return f"refused by the account's {run.rule}"
    return f'refused by the rule "{run.rule}"' if run.rule else "refused"


def _why(run: Run) -> str:
    return f": {run.reason}" if run.reason and run.reason != run.rule else ""
