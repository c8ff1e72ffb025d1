"""Flat files: `nwauth.txt` and its journal `nwauth.add`, as NWAuth, SurgeMail and administrators write them.

What it has in common with other text files (look-ups by an index, the watch, the sort) is in `textfile`.  What each
room is for, from the small to the large:

    lines      the grammar of one line
    folder     where the files of a folder lie
    notes      nwauth.lock: the lock, and what the lock-takers tell each other
    journal    nwauth.add: newer lines, read as they come
    settling   when "not found" may not be believed
    view       what is known of both files at this request
    append     adding lines to the journal
    ordered    the users in order, by an external sort
    rewrite    making a new nwauth.txt, and its index, in the place of the old ones
    leavings   what a merge finds no place for
    swap       a new journal in the place of the old, under the hands of foreign writers
    merge      the journal folded into nwauth.txt
    together   many changes as one: all of them, or none
    remove     deletions that other programs must see
    chores     what is done between two requests
    store      the store itself
"""

from nwauth.stores.flatfile.store import FlatfileStore

__all__ = ["FlatfileStore"]
