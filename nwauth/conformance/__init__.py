"""Modules of the protocol put to the test as servers start them: a conversation, breakages on a copy, transcripts.

- `talking`: a module that runs, asked one line at a time, each by a deadline
- `answers`: what was asked and answered; `judging`: whether that is as it should be, `forms`: by the grammar
- `selftest`: a conversation that changes nothing
- `copies`: a copy of one store, with settings that lead nowhere else; `tables` writes them
- `faults`: the ways to break the copy; `breaking`: what each does to a kind of store
- `places`: temporary folders that are taken away; `standins`: servers of which only the words of a fault are there
- `limits`: a module with less room or fewer rights
- `transcripts`: the conversations of ``transcripts/*.txt``; `playing`: played against any module
- `differences`: what is wrong with a reply; `dialects`: what may differ, and why

Whatever may be written is a copy: the folder, the files and the database that are served are never opened for writing.
"""
