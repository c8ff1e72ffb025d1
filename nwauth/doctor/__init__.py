"""Checks of an installation that return findings: what is wrong, why it matters, how it is mended.

Nothing is changed, but by `fixing`.

- `finding`: every kind of finding there is
- `place`: what is examined
- `checks`: every check by its name, and `examine`, which makes them all
- `settings`, `routes`: what can be told from ``nwauth.toml`` and dmail.conf alone
- `survey`: one pass over all users, store by store (`listed`)
- `people`, `twins`, `drops`: what is looked at in it; `dropfolders`: what lies there
- `fields`: password fields counted; `hashreport`: what they are worth, for ``nwauth hash report``
- `mends`: what can be done for the users of a store, by its kind; `logins`: whether the system checks passwords
- `limits`: dates and hosts; `slips`: fields that were meant to decide; `rules` and `rules_*`: the access rules
  (`rules_crowd` counts in that pass)
- `files`, `flatfiles`: the files of the folder, and what stands in ``nwauth.txt`` and ``nwauth.add``; `spellings`:
  who stands there more than once; `cleartext`: passwords that count no more; `beside`: what lies beside them;
  `passwdfiles`: what stands in passwd files
- `logfile`, `steps`, `throttling`, `idle`, `directories`: what is around the users
- `clock`, `versions`: what it runs on; `apart`: a look that is ended if it hangs
- `fixing`: what is mended at once, and what became of it; `fixes`: how
- `module`: what the servers start, started as they do; `servers`: what runs

A check looks at plain values and yields findings.  One that cannot look says so by a finding, and the others go on.
"""

from nwauth.doctor.checks import CHECKS, examine
from nwauth.doctor.finding import CANNOT_TELL, KINDS, Finding
from nwauth.doctor.place import Place

__all__ = ["CANNOT_TELL", "CHECKS", "KINDS", "Finding", "Place", "examine"]
