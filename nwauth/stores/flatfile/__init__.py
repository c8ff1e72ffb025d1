"""Flat files: `nwauth.txt` and its journal `nwauth.add`, as NWAuth, SurgeMail and administrators write them.

lines      the grammar of one line
files      opening, creating, publishing files with the right owner and mode
notes      nwauth.lock: the lock, and what the lock-takers tell each other
index      the derived file that finds a name without reading nwauth.txt
userfile   nwauth.txt: find a line, by index or by scan
journal    nwauth.add: newer lines, read as they come
watch      has anything changed since the last look?
ordered    users in order, by an external sort
rewrite    merge, and deletions that other programs must see
helper     the process that does long work while the child serves
store      the store itself
"""

from nwauth.stores.flatfile.store import FlatfileStore

__all__ = ["FlatfileStore"]
