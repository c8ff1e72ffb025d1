"""One connection to a server: requests out, answers in, each until a moment."""

from __future__ import annotations

import select
from time import monotonic

from nwauth.stores.ldap.messages import Answer, new_client

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from typing import Final

    from nwauth.stores.ldap.messages import Operation

BLOCK_BYTES = 65_536
MAX_MESSAGE_BYTES = 16 << 20  # of one entry; more is no user's
UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21)
OTHER_NAME = (62, 64)


class Trouble(Exception):
    """A server cannot be asked now; the text says why.

    `may_be_port`: a port that wants TLS looks so to who speaks without it, or the other way round.
    """

    may_be_port = False


class Lost(Trouble):
    """The server has ended the connection: what was asked may be asked again on another."""


class Wire:
    """A connection.  After a `Trouble` it is of no use any more."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket: Final = connected
        self._client: Final = new_client()
        self._has_answered = False

    def ask(self, operations: Sequence[Operation], until: float) -> list[Answer]:
        """Send the requests together; their answers, in the same order.

        Raises:
            Lost: the server has hung up.
            Trouble: it does not answer by `until` (of `monotonic`), or not in LDAP.
        """
        from sansldap import LDAPError

        try:
            return self._ask(operations, until)
        except Lost as lost:
            raise self._judged(lost) from None
        except LDAPError as error:
            raise self._judged(_translated(error)) from None
        except TimeoutError:
            raise Trouble("no answer in time") from None
        except OSError as error:
            raise self._judged(Lost(f"the connection is lost: {reason(error)}")) from None

    def _judged(self, trouble: Trouble) -> Trouble:
        trouble.may_be_port = not self._has_answered
        return trouble

    def _ask(self, operations: Sequence[Operation], until: float) -> list[Answer]:
        client, connected = self._client, self._socket
        asked = {operation.send(client): Answer(operation.ending) for operation in operations}
        waiting, unread = len(asked), 0
        connected.settimeout(_left(until))
        connected.sendall(client.data_to_send())
        while waiting:
            connected.settimeout(_left(until))
            block = connected.recv(BLOCK_BYTES)
            if not block:
                raise Lost("the server has closed the connection")
            messages = client.receive(block)
            unread = 0 if messages else unread + len(block)
            if unread > MAX_MESSAGE_BYTES:
                raise Trouble(f"what answers there sends a message of more than {MAX_MESSAGE_BYTES} bytes")
            for message in messages:
                self._has_answered = True
                answer = asked[message.message_id]  # the library refuses numbers that were not asked
                answer.take(message)
                waiting -= answer.is_done
        return list(asked.values())

    def is_quiet(self) -> bool:
        """Whether nothing has come unasked; what could come is an end, or a farewell."""
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        return not poller.poll(0)

    def close(self) -> None:
        """Hang up, with a word if it can be said at once."""
        from sansldap import LDAPError

        try:
            self._client.unbind()
            self._socket.settimeout(0)
            self._socket.send(self._client.data_to_send())
        except (OSError, ValueError, LDAPError):
            pass
        try:
            self._socket.close()
        except OSError:
            pass


def _left(until: float) -> float:
    """The seconds until then.  Raises TimeoutError when there are none."""
    left = until - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _translated(error: Exception) -> Trouble:
    """The library's error: a notice of disconnection (RFC 4511 section 4.4.1), or bytes that are no LDAP."""
    from sansldap import ExtendedResponse

    notice = getattr(error, "request", None)
    if isinstance(notice, ExtendedResponse):
        said = " ".join(notice.result.diagnostics_message.split())
        return Lost(f"the server ends the connection: {said or notice.result.result_code.name}")
    return Trouble(f"what answers there speaks no LDAP: {' '.join(str(error).split())}")


def reason(error: OSError) -> str:
    """The system's words for an error, on one line; those of TLS without the place in its sources."""
    verify = getattr(error, "verify_message", "")
    if verify:
        return f"its certificate is refused: {verify.rstrip('.')}{_remedy(getattr(error, 'verify_code', 0))}"
    library = getattr(error, "reason", None)
    if isinstance(library, str):
        return f"TLS fails: {library.replace('_', ' ').lower()}"
    return " ".join(str(error.strerror or error or type(error).__name__).split())


def _remedy(verify_code: int) -> str:
    """What to do about a certificate that OpenSSL refuses with this code (its x509_vfy.h has the numbers)."""
    if verify_code in UNKNOWN_AUTHORITY:
        return ": put the authority that signed it into ca_file"
    if verify_code in OTHER_NAME:
        return ": name the server in urls as its certificate does"
    return ""
