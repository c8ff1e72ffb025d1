"""The administrator's commands: each parses, calls one function of the service, and prints.

    group        the command line as a whole: finds the command, turns errors into one line and an exit status
    command      what a command is made of: the options common to all, examples in the help
    session      what a command works with: folder, configuration, service, log
    ids          root's ids given up, before anything of the folder is read
    shown        text of files and of the command line, as people are shown it
    witness      stores that write down what changes, or only rehearse it
    output       results on stdout: table, json, ndjson, csv, tsv; table lays out the first of them
    terminal     all else, on stderr: errors, notes and questions; progress tells how far a long work is
    meant        what may be meant by a command that there is not
    next_steps   what to type next, in the first ten minutes
    secrets_in   where passwords come from

All others hold the commands of one noun.  Nothing here is imported by a serving child.
"""
