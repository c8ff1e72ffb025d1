"""The log read back, for people: why a user was refused, and who came in last.

Nothing that serves imports it.  Its rooms:

    finding    the files that make up a log: its own, and what a rotation has put beside it
    lines      one line read: text, NDJSON, and either of them as syslog keeps it
    picking    the lines of a block that can be of use, found without reading the others
    reading    the files one after the other; counts what could not be read
    refusals   refusals that belong together, summed up
    replaying  logins decided again, by other rules
    unpacking  plain and compressed files as blocks of bytes
    words      what a refusal means, in a sentence
"""
