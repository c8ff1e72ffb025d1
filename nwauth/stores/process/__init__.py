"""Users of an external module: another program of this protocol, spawned and kept (spec/stores.md section 6).

What each room is for, from the small to the large:

    wire       what a request line can carry, and what a reply line says
    spawn      starting the program: pipes, a session of its own, nothing else of ours
    chatter    what it writes to stderr, into the log
    child      one running program: lines to it, lines from it, its end
    keeper     the program kept alive: started, ended, and started again after a pause
    module     asking it, and the proof that it is in step
    store      the store itself
"""

from nwauth.stores.process.store import ProcessStore

__all__ = ["ProcessStore"]
