"""Names as the database holds them: the bytes that they are on the wire."""

from __future__ import annotations

from nwauth.names import ENCODING, ERRORS, MAX_NAME_BYTES


def octets(user_key: str) -> bytes:
    """The bytes of a folded name; one that is longer than any user's is cut, and told from others by a digest."""
    try:
        whole = user_key.encode(ENCODING, ERRORS)
    except UnicodeEncodeError:  # a surrogate that never was a byte
        whole = user_key.encode(ENCODING, "surrogatepass")
    if len(whole) <= MAX_NAME_BYTES:
        return whole
    from nwauth.policy.throttle.tag import digest

    return whole[:MAX_NAME_BYTES] + b"..." + digest(whole, b"", digest_bytes=8).hex().encode()


def text(held: bytes) -> str:
    """A name, or a client, from what the database holds."""
    return held.decode(ENCODING, ERRORS)
