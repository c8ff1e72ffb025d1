"""The password column of somebody else's table: from what it holds to a password field of ours, and back.

spec/stores.md section 2, ``password_format``.  Two rules carry it:

* What was read is written back as it was: ``value(field(v)) == v`` for every v that lets somebody in.
* A tag in lower case is ours (``{ssha}``, ``{md5.b64}``: `field` puts it before an untagged digest, and the passwords
  room before a new one), and is no part of what the column holds.  Any other, ``{SSHA256}``, stood in the column or
  comes from another program, and is kept: who tags some values reads tags.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64

from nwauth.errors import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

# name: (bytes of the digest, whether a salt follows it, the tags that the passwords room reads as it)
DIGESTS = {
    "md5": (16, False, ("md5", "plain-md5", "ldap-md5")),
    "smd5": (16, True, ("smd5",)),
    "sha": (20, False, ("sha", "sha1")),
    "ssha": (20, True, ("ssha",)),
    "sha256": (32, False, ("sha256",)),
    "ssha256": (32, True, ("ssha256",)),
    "sha512": (64, False, ("sha512",)),
    "ssha512": (64, True, ("ssha512",)),
}
CRYPTS = {
    "md5-crypt": ("$1$",),
    "sha256-crypt": ("$5$",),
    "sha512-crypt": ("$6$",),
    "bcrypt": ("$2a$", "$2b$", "$2y$"),
    "des-crypt": (),
    "argon2id": ("$argon2id$",),
    "yescrypt": ("$y$",),
}
FORMATS = ("auto", "clear", *DIGESTS, *CRYPTS)

CLEAR_TAGS = ("{clear}", "{plain}", "{cleartext}")
CRYPT_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
HEX = "0123456789ABCDEFabcdef"
LOCKS = ("!", "*")  # what begins so lets nobody in


class PasswordColumn:
    """A column whose values have one of `FORMATS`."""

    def __init__(self, format: str) -> None:  # noqa: A002 - the word of the setting
        if format not in FORMATS:
            raise ValueError(f"password_format: found {format!r}, wanted one of {', '.join(FORMATS)}")
        self.format: Final = format

    def field(self, value: str | None) -> str:
        """The password field that a value is; one that lets nobody in where it does not have the format."""
        if not value:
            return ""
        if self.format == "auto":
            return value
        if self.format == "clear":
            return "{CLEAR}" + value
        if value.startswith(LOCKS):
            return value
        if self.format in DIGESTS:
            return _digest_field(self.format, value)
        return value if _is_crypt(self.format, value) else "!" + value

    def value(self, field: str) -> str:
        """What the column is to hold for a field; never raises for what `field` gave.

        Raises:
            Refused: a field of this form cannot be written here, or would not be read again.
        """
        if self.format == "auto" or not field:
            return field
        if self.format == "clear":
            return self._clear_value(field)
        if field.startswith(LOCKS):
            return field
        if self.format in DIGESTS:
            return self._digest_value(field)
        if _is_crypt(self.format, field):
            return field
        raise self._refusal()

    def new_value(self, field: str) -> str:
        """`value` for a row that is added: a tag that another store wrote in its own way is not kept either.

        Raises:
            Refused: as from `value`.
        """
        tag, rest = _split(field)
        if self.format in DIGESTS and tag.lower().partition(".")[0] in DIGESTS[self.format][2]:
            return _canonical(self.format, rest) or self.value(field)
        if self.format in CRYPTS and tag and _is_crypt(self.format, field):
            return rest
        return self.value(field)

    def _clear_value(self, field: str) -> str:
        end = field.find("}") + 1
        if field[:end].lower() not in CLEAR_TAGS:
            raise self._refusal()
        return field[end:]

    def _digest_value(self, field: str) -> str:
        """An untagged digest; a field of any other scheme stands as it is, since it is read as it stands."""
        tag, rest = _split(field)
        if not tag and field[:1] != "$":
            raise self._refusal()
        name, _, encoding = tag.partition(".")
        digest = _canonical(self.format, rest) if name in DIGESTS[self.format][2] else ""
        if not digest:  # a damaged one too: without its tag it might be read as something else
            return field
        return rest if encoding else digest

    def _refusal(self) -> Refused:
        return Refused(
            f"a password column of the format {self.format!r} cannot hold a field of another form: set the password "
            'anew, or choose another password_format ("auto" holds every form)'
        )


def _split(field: str) -> tuple[str, str]:
    """The tag without its braces, and the rest; no tag is ""."""
    end = field.find("}")
    return (field[1:end], field[end + 1 :]) if field[:1] == "{" and end > 0 else ("", field)


def _digest_field(scheme: str, value: str) -> str:
    """An untagged digest under the tag that tells its encoding; a value with a tag or ``$`` as it stands."""
    if value[0] == "$" or _split(value)[0]:
        return value
    encoding, raw = _decode(scheme, value)
    return f"{{{scheme}.{encoding}}}{value}" if raw else "!" + value


def _canonical(scheme: str, text: str) -> str:
    """A digest as databases spell it, or "" where it is none: MySQL's MD5() gives hex in lower case; salted, base64."""
    _, raw = _decode(scheme, text)
    return b2a_base64(raw, newline=False).decode("ascii") if DIGESTS[scheme][1] else raw.hex()


def _decode(scheme: str, text: str) -> tuple[str, bytes]:
    """The encoding of an untagged digest, and its bytes; none where it is no digest of the scheme."""
    size, salted, _ = DIGESTS[scheme]
    if _is_hex(text, 2 * size, longer=salted):  # no base64 of a salted digest is hex throughout by chance
        return "hex", bytes.fromhex(text)
    raw = _from_base64(text)
    return "b64", raw if len(raw) >= size and (len(raw) > size) == salted else b""


def _is_hex(text: str, digits: int, *, longer: bool = False) -> bool:
    """Whether the text is that many digits of hex, or more of them."""
    right = len(text) > digits and len(text) % 2 == 0 if longer else len(text) == digits
    return right and not text.strip(HEX)


def _from_base64(text: str) -> bytes:
    """The bytes, or none where it is no base64 as the passwords room reads it."""
    try:
        return a2b_base64(text, strict_mode=True)
    except ValueError:
        return b""


def _is_crypt(scheme: str, value: str) -> bool:
    """Whether a value has the form of the scheme, with a tag of Dovecot's or LDAP's or without."""
    tag, text = _split(value)
    tag = tag.upper()
    if tag and tag != "MD5" and not tag.endswith("CRYPT") and not tag.startswith("ARGON2"):
        return False
    if scheme == "des-crypt":
        return len(text) == 13 and not text.strip(CRYPT_ALPHABET)
    return text.startswith(CRYPTS[scheme])
