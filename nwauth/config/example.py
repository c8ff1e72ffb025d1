"""The commented ``nwauth.toml`` that ``nwauth init`` writes."""

from __future__ import annotations

from nwauth.config.part import SHARED_SCHEME


def commented_example(
    *,
    shared: bool = False,
    url: str | None = None,
    stores: str | None = None,
    default_domain: str = "",
    log_level: str = "error",
) -> str:
    """What ``nwauth init`` writes: every setting with its default, behind a ``#``; prose stands behind ``# ``.

    `stores` is the text of the stores; None: one, the database of `url`, or else flat files, which `shared` is about.
    """
    if stores is None:
        stores = flatfile_example(shared=shared) if url is None else _SQL.format(url=quoted(url))
    domain = f"default_domain = {quoted(default_domain)}" if default_domain else '#default_domain = ""'
    level = f"{'#' * (log_level == 'error')}level = {quoted(log_level)}"
    return _EXAMPLE.format(stores=stores, default_domain=domain, level=level)


def flatfile_example(*, shared: bool, path: str = ".") -> str:
    """A store of flat files in the folder `path`, with every setting."""
    return _FLATFILE.format(
        path=quoted(path),
        shared="true " if shared else "false",
        scheme=SHARED_SCHEME if shared else "argon2id",
        upgrade="false" if shared else "true",
    )


def quoted(text: str) -> str:
    """A string as TOML writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'


_EXAMPLE = """\
# nwauth.toml: settings of nwauth. Take the # from a line to change its setting; each shows its default.
# Relative paths start at this file's folder. In a string, ${{NAME}} takes an environment variable ($${{ is ${{ itself),
# and {{ file = "..." }} in place of a string reads it from a file that only its owner and group can read.

{stores}[server]
# Does the mail server send the client's address behind the password of a check? auto, always, never.
#address = "auto"

[names]
# Added to a name that has no domain.
{default_domain}
# May a name that is added hold more than one @, bytes above 126, these characters, these before the @?
#allow_ats = false
#allow_high_ascii = false
#badchar = ':"/\\*?,;<>|%'
#badchar_localpart = ""

[passwords]
# argon2id, bcrypt, sha512-crypt, yescrypt, ssha; a shared folder always gets ssha.
#scheme = "argon2id"
#argon2id = {{ memory_kib = 19456, iterations = 2, lanes = 1 }}
#bcrypt_cost = 12
#sha512_rounds = 100000
#yescrypt_cost = 5
# Store an old password again in the scheme above when its user logs in.
#upgrade = true
# How long a right password need not be computed again; 0: always computed.
#memo_seconds = 600
# Accept the hash of NWAuth 2.0 and 3.0b. Many passwords fit one such hash.
#netwin_weak = false
# From this date on passwords in weak schemes are refused: 2027-01-01, without quotes; "never".
#weak_after = "never"

[log]
# A file, "syslog", or "null" for none.
#file = "nwauth.log"
# error, info (a line for each request), debug; the option -log means info, -debug debug.
{level}
# text, or ndjson: one JSON object a line.
#format = "text"

[policy]
# The access rules (who may log in, when, from where) are read from policy.toml in this folder, if it is there. With
# file = "policy.toml" it must be there: without it no login is decided.
# The info field that names the classes of a user.
#class_field = "mailaccess"
"""

_FLATFILE = """\
[[stores]]
kind = "flatfile"
path = {path:<26} # folder of nwauth.txt and nwauth.add
# true: NWAuth, SurgeMail or others still read this folder; new passwords are {{ssha}} and none is upgraded.
# false: ours alone. This is one-way: they cannot read the passwords that are written from then on.
shared = {shared}
# Shown in the log.
#name = "flatfile"
# A nwauth.txt that a foreign program wrote less than this long ago may be unfinished; 30 s if its last line has no end.
#settle_seconds = 2.0
# Size of nwauth.add that starts a merge, in bytes; "auto": a tenth of nwauth.txt, from 1 to 2 MiB.
#max_journal_bytes = "auto"
# Scheme of new passwords, and whether old ones are stored again in it at login; here for this store alone.
#scheme = "{scheme}"
#upgrade = {upgrade}
#read_only = false

"""

_SQL = """\
[[stores]]
kind = "sql"
# Its password need not stand here: ${{NAME}} takes an environment variable, {{ file = "sql.url" }} the whole URL from a
# file.
url = {url}
# Look-ups go to a replica here; it may say yes, never no.
# read_url = "postgresql://mail@replica/mail"
# Shown in the log.
#name = "sql"
#table = "accounts"
# Together with a second try they must stay below the time that the mail server waits, 10 seconds.
#connect_timeout_seconds = 2.0
#statement_timeout_seconds = 4.0
# Scheme of new passwords, and whether old ones are stored again in it at login; here for this store alone.
#scheme = "argon2id"
#upgrade = true
#read_only = false
# With a table [stores.columns] behind this one, users are read from a table that another program has made:
# docs/sql.md lists its settings.

"""
