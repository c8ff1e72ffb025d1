"""Success is the number 0 in the kind of answer that was due, and nothing else; the bytes are those of the wire."""

from __future__ import annotations

import pytest

from nwauth.stores.ldap import messages
from nwauth.stores.ldap.messages import Answer, Operation

BIND, DONE, EXTENDED = b"\x61", b"\x65", b"\x78"
SEARCH = messages.search("dc=test", messages.SUBTREE, messages.present("uid"), ["uid"])
BINDING = messages.bind("uid=bob,dc=test", b"secret")
ODD_CODES = [81, 82, 85, 91, 112, 113, 118, 122, 123, 255, 256, 4096, 16654, 123456]


def answered(operation: Operation, kind: bytes, code: int) -> Answer:
    """What becomes of an answer of that kind with that code, as any server may give it (RFC 4511 section 4.1.9)."""
    client = messages.new_client()
    number = operation.send(client)
    client.data_to_send()
    octets = code.to_bytes(code.bit_length() // 8 + 1, "big")
    result = b"\x0a" + bytes([len(octets)]) + octets + b"\x04\x00\x04\x00"
    body = b"\x02\x01" + bytes([number]) + kind + bytes([len(result)]) + result
    answer = Answer(operation.ending)
    for message in client.receive(b"\x30" + bytes([len(body)]) + body):
        answer.take(message)
    assert answer.is_done
    return answer


@pytest.mark.parametrize("code", [0, 1, 32, 49, 51, 80, *ODD_CODES])
@pytest.mark.parametrize(("operation", "kind"), [(BINDING, BIND), (SEARCH, DONE)], ids=["bind", "search"])
def test_the_code_is_the_one_that_the_server_gave(operation: Operation, kind: bytes, code: int) -> None:
    """A proxy whose directory is down passes codes on that RFC 4511 does not list."""
    answer = answered(operation, kind, code)
    assert answer.code == code
    assert str(answer).startswith(f"{code} ")


@pytest.mark.parametrize(
    ("operation", "kind"),
    [(BINDING, DONE), (BINDING, EXTENDED), (SEARCH, BIND), (SEARCH, EXTENDED), (messages.start_tls(), BIND)],
)
def test_success_in_an_answer_of_another_kind_is_none(operation: Operation, kind: bytes) -> None:
    answer = answered(operation, kind, 0)
    assert answer.code == messages.NO_ANSWER
    assert operation.ending in str(answer)
