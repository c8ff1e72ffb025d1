"""Passwd-format files, one for all users or one for each domain (spec/stores.md section 3).

What each room is for, from the small to the large:

    extras     the eighth field, as Dovecot has it, and the info text that it is
    lines      the grammar of one line
    aging      the companion of the shadow format: its fields, and whom they keep out
    places     where the files lie: names to domains, domains to files
    served     which files were served here before
    table      one file: loaded, and known to be as loaded
    writing    the lock around the changes of one file, and the new file in its place
    pair       a file and its shadow: the user of a name
    pairs      the files of many domains, few of them open
    changing   one change of a pair, in an order that no crash can hurt
    together   many changes of a pair as one
    listing    all users in order
    store      the store itself
"""

from nwauth.stores.passwd.store import PasswdStore

__all__ = ["PasswdStore"]
