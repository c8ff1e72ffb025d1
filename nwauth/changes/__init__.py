"""What the administrator's commands change: a journal for people and programs, and files that `undo` restores it from.

A *step* is all that one command has changed.  The rooms, from the small to the large:

- `folder`: where all of it lies
- `who`: who has typed the command
- `step`: the file of one step: what is about to be changed, then what became of it; `writing` makes it, `reading`
  reads it
- `steps`: the folder ``nwauth.undo`` that they lie in: numbers, the lock, how many are kept
- `lines`: the journal ``nwauth.changes``, a line for each user that was changed
- `recorder`: a step written down: before the store is asked, and afterwards
- `recording`: a store around another one, through which every change of a command passes
- `mending`: what a command that was killed has left open, looked up in the store
- `history`: which steps stand, which were taken back, and which is the last
- `undoing`: a step taken back, store by store: `instore`, where `back` puts aside what is to be made
"""
