"""The administrator's commands: each parses, calls one function of the service, and prints.

    group        the command line as a whole: finds the command, turns errors into one line and an exit status
    command      what a command is made of: the options common to all, examples in the help
    session      what a command works with: folder, configuration, service, log; root's ids given up
    witness      stores that write down what changes, or only rehearse it
    output       results on stdout: table, json, ndjson, csv, tsv; table lays out the first of them
    terminal     all else: errors, notes and questions on stderr, progress
    secrets_in   where passwords come from

All others hold the commands of one noun.  Nothing here is imported by a serving child.
"""
