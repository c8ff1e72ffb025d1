"""A store made equal to a plan: what a plan says of each user, what differs, and all of it changed as one.

The rooms, in the order that a plan passes them:

- `parts`: a user as a plan has it, its place, and what is wrong with it: what the readers share
- `formats`: the users of a plan file, from NDJSON, CSV or TSV, with their places: one by one, or as columns
  many of whom the same is said (`alike` finds them)
- `whole`: plans in JSON and TOML, which are read whole
- `words`: the keys of plans, and what people call a password
- `values`, `heads`: what stands there as text, and what is said of all users in front of them
- `entries`: what one of them says, checked
- `judging`: whatever is wrong with it, each fault with its place
- `damaged`: hashes that are not whole, of which is told
- `plain`: the same for many at a time, where nothing is out of the ordinary: it makes a million a matter of seconds
- `spool`: entries and changes by folded name, in a file without a name: memory does not grow with their number
- `standing`: the users who stand in the store, in the same order
- `keeping`: what each is to become
- `aside`: the changes, until all of them are known
- `making`: the changes, made in the store as one, or part by part
- `work`: `Applying`, which does it all
"""

from __future__ import annotations

from nwauth.provisioning.aside import Outcome
from nwauth.provisioning.entries import Reader
from nwauth.provisioning.formats import FORMATS, format_of
from nwauth.provisioning.judging import Judging
from nwauth.provisioning.keeping import Keeping
from nwauth.provisioning.making import RefusedUser
from nwauth.provisioning.parts import BadPlan
from nwauth.provisioning.work import Applying, Tally

__all__ = [
    "FORMATS",
    "Applying",
    "BadPlan",
    "Judging",
    "Keeping",
    "Outcome",
    "Reader",
    "RefusedUser",
    "Tally",
    "format_of",
]
