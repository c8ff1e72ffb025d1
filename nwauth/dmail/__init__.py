"""What DMail's own configuration says of names: a reader of dmail.conf, and a model of what the servers make of it.

- `values`: what stands in the file, with the lines it stands in; the domains there are
- `reading`: from the file's text to values
- `asking`: for a user, what DSMTP and DPOP ask for, in each domain
- `drops`: the drop file that follows
- `matching`: the ``nwauth.toml`` that fits; `multiauth`: that which takes MultiAuth's place
- `words`: words of a command line, and of ``nwauth.toml``

The source of every rule is the manual's "User Administration" unless another is named.  Where the manual is silent, the
docstring says what is assumed.
"""
