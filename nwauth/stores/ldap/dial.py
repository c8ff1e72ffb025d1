"""Making a connection: the addresses of a server, TLS, and all of it until a moment."""

from __future__ import annotations

from time import monotonic

from nwauth.stores.ldap import messages
from nwauth.stores.ldap.wire import Lost, Trouble, Wire, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from typing import Any, Final

    from nwauth.stores.ldap.url import Url

    Address = tuple[Any, ...]

KEEPALIVE = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))  # seconds, seconds, times


class Dialler:
    """How connections to one server are made.

    `ca_file` None: the system's authorities.  Without `checks_certificate` whoever answers is believed.
    """

    def __init__(
        self, url: Url, *, start_tls: bool = False, ca_file: str | None = None, checks_certificate: bool = True
    ) -> None:
        self.url: Final = url
        self._start_tls: Final = start_tls
        self._ca_file: Final = ca_file
        self._checks: Final = checks_certificate
        self._addresses: list[Address] = []
        self._context: ssl.SSLContext | None = None

    def dial(self, until: float) -> Wire:
        """A new connection, with TLS where that is asked for.

        Raises:
            Trouble: there is none by `until`.
        """
        connected = self._connect(until)
        try:
            if self.url.is_tls:
                connected = self._secured(connected, until)
            elif self._start_tls:
                _ask_for_tls(connected, until)
                connected = self._secured(connected, until)
        except Trouble:
            connected.close()
            raise
        except TimeoutError:
            connected.close()
            raise Trouble("no TLS in time") from None
        except OSError as error:
            connected.close()
            self._context = None  # the authorities may have changed
            trouble = Trouble(reason(error))
            trouble.may_be_port = not getattr(error, "verify_message", "")
            raise trouble from None
        return Wire(connected)

    def other_port(self) -> str:
        """What to look at where it seems that the port is another kind of port than the URL says."""
        if self.url.is_tls:
            return ": is that the plain port? Its URL is ldap://, and start_tls = true asks for TLS there"
        if self.url.path:
            return ""
        return ": is that the port for TLS? Its URL is ldaps://" + (", without start_tls" if self._start_tls else "")

    # --- the socket -------------------------------------------------------------------------------------------------

    def _connect(self, until: float) -> socket.socket:
        import socket

        trouble = Trouble("it has no address")
        targets = self._targets(until)
        for at, (family, address) in enumerate(targets):
            try:
                found = socket.socket(family, socket.SOCK_STREAM)
            except OSError as error:  # no descriptor is left, or the kernel knows no such addresses
                trouble = Trouble(reason(error))
                continue
            try:
                found.settimeout(max((until - monotonic()) / (len(targets) - at), 0.001))
                found.connect(address)
                if family != socket.AF_UNIX:
                    _keep_alive(found)
            except TimeoutError:
                found.close()
                trouble = Trouble("no connection in time")
            except OSError as error:
                found.close()
                trouble = Trouble(reason(error))
            else:
                return found
        self._addresses = []  # they may have changed
        raise trouble

    def _targets(self, until: float) -> list[Address]:
        import socket

        if self.url.path:
            return [(socket.AF_UNIX, self.url.path)]
        if not self._addresses:
            self._addresses = _resolved(self.url.host, self.url.port, until)
        return self._addresses

    # --- TLS --------------------------------------------------------------------------------------------------------

    def _secured(self, connected: socket.socket, until: float) -> socket.socket:
        if self._context is None:
            self._context = _context(self._ca_file, checks=self._checks)
        connected.settimeout(max(until - monotonic(), 0.001))
        return self._context.wrap_socket(connected, server_hostname=self.url.host or None)


def _ask_for_tls(connected: socket.socket, until: float) -> None:
    """Raises Trouble where the server will not; nothing is ever sent in the clear then.

    What came in the clear behind its answer goes with this `Wire`: nobody knows who said it.
    """
    wire = Wire(connected)
    try:
        (answer,) = wire.ask([messages.start_tls()], until)
    except Lost as error:
        trouble = Trouble(f"it does not start TLS: {error}")
        trouble.may_be_port = True
        raise trouble from None
    if answer.code != messages.SUCCESS:
        raise Trouble(f"it does not start TLS: {answer}")


def _context(ca_file: str | None, *, checks: bool) -> ssl.SSLContext:
    import ssl

    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise Trouble(f"ca_file {ca_file} cannot be used: {reason(error)}") from None
    if not checks:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _keep_alive(found: socket.socket) -> None:
    """An idle connection stays known to firewalls, and one whose other end is gone ends by itself."""
    import socket

    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE:
        if hasattr(socket, name):
            found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _resolved(host: str, port: int, until: float) -> list[Address]:
    """The addresses of a host.  The system's resolver knows no time-out, so it works in a thread that may be left.

    Raises:
        Trouble: there are none, or not in time.
    """
    import socket
    from threading import Thread

    found: list[Address] = []
    failed: list[OSError] = []

    def resolve() -> None:
        try:
            every = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            failed.append(error if isinstance(error, OSError) else OSError(0, "it cannot be a host's name"))
        else:
            found.extend((family, address) for family, _, _, _, address in every)

    thread = Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(max(until - monotonic(), 0.001))
    if failed:
        raise Trouble(f"the name {host} is not found: {reason(failed[0])}")
    if not found:
        raise Trouble(f"the name {host} is not found in time")
    return list(found)
