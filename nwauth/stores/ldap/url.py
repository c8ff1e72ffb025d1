"""Where a directory listens."""

from __future__ import annotations

from nwauth.errors import ConfigError
from nwauth.model import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

PORTS = {"ldap": 389, "ldaps": 636, "ldapi": 0}
MOST_SHOWN = 12  # characters of what stands before ://
WANTED_URL = "a URL as ldaps://dc1.test.com, ldap://127.0.0.1:389 or ldapi:///run/slapd/ldapi"


class Url(Record):
    """Where a server listens: a host and a port, or the `path` of a socket."""

    __slots__ = ("host", "is_tls", "path", "port", "text")

    def __init__(self, text: str, *, host: str, port: int, is_tls: bool, path: str) -> None:
        self.text: Final = text
        self.host: Final = host
        self.port: Final = port
        self.is_tls: Final = is_tls
        self.path: Final = path


def parsed(text: str) -> Url:
    """The URL of a server: ``ldaps://host``, ``ldap://host:port``, ``ldap://[2001:db8::1]``, ``ldapi:///path``.

    Raises:
        ConfigError: it is none; it is not shown as a whole, it may hold a password.
    """
    scheme, slashes, rest = text.partition("://")
    scheme = scheme.lower()
    if "@" in text:
        raise ConfigError(f"found an account in a URL, wanted it in bind_dn and bind_password, and {WANTED_URL}")
    if not slashes:
        raise ConfigError(f"found no :// in it, wanted {WANTED_URL}")
    if scheme not in PORTS:
        raise ConfigError(f"found {scheme[:MOST_SHOWN]!a}, which is no URL of a directory, wanted {WANTED_URL}")
    if scheme == "ldapi":
        from urllib.parse import unquote

        path = unquote(rest) if rest.startswith(("/", "%2F", "%2f")) else ""
        if not path.strip("/") or "?" in path:
            raise ConfigError(f"found ldapi without the path of a socket alone, wanted {WANTED_URL}")
        return Url(text, host="", port=0, is_tls=False, path=path)
    server, _, more = rest.partition("/")
    if more.strip("/") or "?" in rest:
        raise ConfigError(f"found more than host and port (a DN goes into base), wanted {WANTED_URL}")
    host, port = _host_and_port(server)
    if not host or not host.isprintable() or " " in host:
        raise ConfigError(f"found a URL without the name of a host, wanted {WANTED_URL}")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise ConfigError(f"found a port that is none, wanted {WANTED_URL}")
    return Url(text, host=host, port=int(port or PORTS[scheme]), is_tls=scheme == "ldaps", path="")


def _host_and_port(rest: str) -> tuple[str, str]:
    if rest.startswith("["):
        host, _, port = rest[1:].partition("]")
        return host, port.removeprefix(":")
    host, _, port = rest.partition(":")
    return host, port
