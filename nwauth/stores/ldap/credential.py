"""A password for a simple bind, as bytes: the library's own is text, and old passwords may be no UTF-8."""

from __future__ import annotations

from nwauth.errors import ConfigError
from nwauth.stores.ldap.messages import MISSING

try:
    import sansldap
except ImportError:
    raise ConfigError(MISSING) from None

TYPE_CHECKING = False


class Octets(sansldap.AuthenticationCredential):
    """The choice ``simple`` of a bind (RFC 4511 section 4.2)."""

    if TYPE_CHECKING:
        _password: bytes

    def __init__(self, password: bytes) -> None:
        super().__init__(auth_id=0)
        object.__setattr__(self, "_password", password)  # the library's values are frozen

    def __repr__(self) -> str:
        return "Octets()"

    def pack(self, writer: sansldap.asn1.ASN1Writer, options: object) -> None:
        del options
        tag = sansldap.asn1.ASN1Tag(sansldap.asn1.TagClass.CONTEXT_SPECIFIC, self.auth_id, is_constructed=False)
        writer.write_octet_string(self._password, tag=tag)
