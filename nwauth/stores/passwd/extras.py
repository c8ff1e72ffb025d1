"""The eighth field: ``key=value`` extras between blanks, as Dovecot's passwd-file has them, and the info text they are.

``quota=200`` reads as the info field ``quota="200"``; everything else (words without a value, quotes that stand there
already) is odd text, which stays as it is.  The way back writes no more than has changed.
"""

from __future__ import annotations

from nwauth.errors import Refused
from nwauth.model import Info

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

NO_LOGIN, ALLOW_NETS = "nologin", "allow_nets"

# Dovecot's extras that decide who logs in, from where, and to where the login is sent
# (https://doc.dovecot.org, "Password database extra fields"); then all that decide who an account is and what it may
# do.  What begins so is a setting of another database.
LOGIN_POWERS = frozenset(
    (
        *(NO_LOGIN, ALLOW_NETS, "allow_real_nets", "delay_until", "destuser", "fail", "forward", "host", "hostip"),
        *("login_user", "master", "master_user", "noauthenticate", "nopassword", "original_user"),
        *("pass", "password", "proxy", "user", "username"),
    )
)
POWERS = LOGIN_POWERS.union(
    ("chroot", "domain", "gid", "home", "k5principals", "mail", "nodelay", "port", "source_ip", "ssl", "starttls"),
    ("system_groups_user", "uid"),
)
POWERS_BEGIN = ("userdb_", "passdb_", "proxy_", "forward_", "event_", "policy_")


def info_text(field: str) -> str:
    """The info text that the eighth field is."""
    if "=" not in field:
        return field
    if not any(character in field for character in ' "\t'):  # most have one
        key, _, value = field.partition("=")
        return f'{key}="{value}"' if key and value else field
    return " ".join(text for _, text in _words(field))


def _words(field: str) -> Iterator[tuple[str, str]]:
    """Each word between two blanks, as it stands and as info has it; what is within quotes is left alone.

    From a quote on that belongs to no ``key="value"``, all is left alone: with it, whoever pairs quotes would take
    another part for the value.
    """
    inside, at, odd_from = False, 0, _odd_from(field)
    for word in field.split(" "):
        at += len(word) + 1
        quotes = word.count('"')
        if at > odd_from:
            yield word, word
            continue
        if quotes % 2:
            inside = not inside
        elif not quotes and not inside and "\t" not in word:  # a tab is a blank to Dovecot
            key, equals, value = word.partition("=")
            if key and equals and value:
                yield word, f'{key}="{value}"'
                continue
        yield word, word


def _odd_from(field: str) -> int:
    """Where the first quote stands that belongs to no ``key="value"``; past the end: nowhere."""
    at = 0
    for _, _, start, end in Info(field).pieces():
        odd = field.find('"', at, start)
        if odd >= 0:
            return odd
        at = end
    odd = field.find('"', at)
    return len(field) + 1 if odd < 0 else odd


def field_of(text: str, old_field: str) -> str:
    """The eighth field that reads as `text`: words that stand in `old_field` are written as they stand there.

    Raises:
        Refused: no field does, or the other programs that read it would take it for something else.
    """
    if text == info_text(old_field):
        return old_field
    _must_hold_no_end(text)
    _must_have_no_blanks(text, old_field)
    standing: dict[str, list[str]] = {}
    for word, as_info in _words(old_field):
        standing.setdefault(as_info, []).append(word)
    words = [standing[word].pop(0) if standing.get(word) else _bare(word) for word in text.split(" ")]
    field = " ".join(words)
    if info_text(field) != text:
        field = text  # with its quotes
    if info_text(field) != text:
        raise Refused("the info would be read otherwise than it is given from the eighth field of a passwd line")
    _must_give_no_power(field, old_field)
    return field


def _must_give_no_power(field: str, old_field: str) -> None:
    """A word that decides for Dovecot who somebody is, or may log in, stays as the administrator wrote it."""
    new, old = _powers(field), _powers(old_field)
    if new != old:
        words = (*new, *old)
        word = next((word for word in words if new.count(word) != old.count(word)), words[0])
        raise Refused(f"{word.partition('=')[0]!a} in a passwd file is a setting of Dovecot: edit the file")


def _powers(field: str) -> list[str]:
    """The words of an eighth field, as Dovecot splits it, that are such settings."""
    found = []
    for word in _as_dovecot(field):
        key = word.partition("=")[0].lower()
        if key in POWERS or key.startswith(POWERS_BEGIN):
            found.append(word)
    return found


def _must_hold_no_end(text: str) -> None:
    if any(character in text for character in "\r\n\0"):
        raise Refused("the info holds a line end or a NUL, which a line of a passwd file cannot")


def _bare(word: str) -> str:
    """``key=value`` for ``key="value"``, where that reads the same."""
    key, equals, value = word.partition('="')
    value = value[:-1] if value.endswith('"') else ""
    bare = f"{key}={value}"
    return bare if equals and value and info_text(bare) == word else word


def _must_have_no_blanks(text: str, old_field: str) -> None:
    """A new value with a blank would be two words to Dovecot, and the second might be one of its own settings."""
    for name, value, start, end in Info(text).pieces():
        if (" " in value or "\t" in value) and text[start:end] not in old_field:
            raise Refused(
                f"the info field {name!a} holds a blank, which ends a value in the eighth field of a passwd line"
            )


def forbids_login(text: str) -> bool:
    """Whether the extras hold Dovecot's ``nologin``, with any value or none."""
    return NO_LOGIN in text and any(word.partition("=")[0] == NO_LOGIN for word in _as_dovecot(text))


def ip_mask(field: str) -> str:
    """From where the account may log in: Dovecot's ``allow_nets`` in the eighth field; empty: from anywhere.

    One without a value allows nothing: it becomes a mask without an entry.
    """
    if ALLOW_NETS not in field:
        return ""
    found = [word.partition("=")[2] for word in _as_dovecot(field) if word.partition("=")[0] == ALLOW_NETS]
    return (found[-1].strip('"') or ",") if found else ""


def _as_dovecot(field: str) -> list[str]:
    """The words of an eighth field: Dovecot knows blanks and tabs, and no quotes."""
    return field.replace("\t", " ").split(" ")
