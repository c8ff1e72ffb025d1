"""Users copied from one store into another, and what was copied compared with what then stands there.

The rooms, in the order that a user passes them:

- `fitting`: what a user of one store becomes in another, and what has no place there
- `reading`: the users of the source as the target is to hold them, one after the other
- `standing`: who of them stands in the target already
- `work`: `Copying`, which puts the others there, batch by batch
- `verifying`: the target read back, and compared by `digest`

Only the stores' own answers count: `put_all` says who was there, `replace` changes what is as it was seen, and nothing
is ever deleted.  So a copy that was broken off at any instant is gone on with by beginning anew.
"""

from __future__ import annotations

from nwauth.copying.fitting import Fitting, fitting
from nwauth.copying.reading import Source
from nwauth.copying.verifying import Differing, Verification
from nwauth.copying.work import BATCH_USERS, Copying, Problem, Tally

__all__ = ["BATCH_USERS", "Copying", "Differing", "Fitting", "Problem", "Source", "Tally", "Verification", "fitting"]
