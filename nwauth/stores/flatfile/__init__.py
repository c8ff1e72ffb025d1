"""Flat files: `nwauth.txt` and its journal `nwauth.add`, as NWAuth, SurgeMail and administrators write them.

What each room is for, from the small to the large:

    lines      the grammar of one line
    folder     where the files of a folder lie
    files      opening and creating files safely, and what they are known by
    notes      nwauth.lock: the lock, and what the lock-takers tell each other
    index      the derived file that finds a name without reading nwauth.txt
    userfile   nwauth.txt: find a line, by index or by scan
    journal    nwauth.add: newer lines, read as they come
    watch      has anything changed since the last look?
    settling   when "not found" may not be believed
    view       what is known of both files at this request
    append     adding lines to the journal
    ordered    the users in order, by an external sort
    rewrite    making new files: the index, and a new nwauth.txt in the place of the old
    leavings   what a merge finds no place for
    swap       a new journal in the place of the old, under the hands of foreign writers
    merge      the journal folded into nwauth.txt
    remove     deletions that other programs must see
    helper     the process that does long work while the child serves
    chores     what is done between two requests
    store      the store itself
"""

from nwauth.stores.flatfile.store import FlatfileStore

__all__ = ["FlatfileStore"]
