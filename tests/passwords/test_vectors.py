"""Every form of field: known strings, round trips, mismatches, damage; libcrypt and libpass against each other."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwauth.errors import Unavailable
from nwauth.passwords import SCHEMES_MADE, Passwords, Settings, complete
from nwauth.passwords.values import MAX_PASSWORD_BYTES
from tests.passwords import vectors
from tests.passwords.common import CHEAP

NATIVE = Passwords(CHEAP)
PORTABLE = Passwords(CHEAP, native=False)
LIBPASS_LACKS = {"yescrypt", "gost-yescrypt", "scrypt"}
BOTH = [row for row in vectors.ALL if row[0] not in LIBPASS_LACKS]
CHEAPEST = [row for row in vectors.LIBPASS if row[0].startswith("argon2")]
FIRST_OF_EACH = list({row[0]: row for row in reversed([*CHEAPEST, *vectors.ALL])}.values())

passwords_bytes = st.binary(min_size=1, max_size=MAX_PASSWORD_BYTES).filter(lambda raw: b"\0" not in raw)


def cannot_tell_or_no(stored: str, password: bytes) -> bool:
    try:
        return not NATIVE.verify(stored, password).ok
    except Unavailable:
        return True


@pytest.mark.parametrize(("scheme", "password", "stored"), vectors.ALL)
def test_fields_made_by_other_programs_verify_and_are_named(scheme: str, password: bytes, stored: str) -> None:
    verdict = NATIVE.verify(stored, password)
    assert (verdict.ok, verdict.rehash, verdict.scheme, verdict.reason) == (True, None, scheme, "")
    assert NATIVE.identify(stored).name == scheme


@pytest.mark.parametrize(("scheme", "password", "stored"), vectors.ALL)
def test_another_password_does_not_fit(scheme: str, password: bytes, stored: str) -> None:
    for other in (b"Secret", b"x" + password, password[1:], b"\xff\xfe"):
        verdict = NATIVE.verify(stored, other)
        assert (verdict.ok, verdict.scheme, verdict.reason) == (False, scheme, "wrong password")


@pytest.mark.parametrize(("scheme", "password", "stored"), BOTH)
def test_libpass_alone_says_the_same(scheme: str, password: bytes, stored: str) -> None:
    assert PORTABLE.verify(stored, password) == NATIVE.verify(stored, password)
    assert PORTABLE.verify(stored, b"other") == NATIVE.verify(stored, b"other")
    assert PORTABLE.identify(stored).verifiable, scheme


@pytest.mark.parametrize(("scheme", "password", "stored"), FIRST_OF_EACH)
def test_a_cut_field_is_neither_whole_nor_right(scheme: str, password: bytes, stored: str) -> None:
    assert complete(stored) is (scheme != "clear")
    for end in range(len(stored)):
        assert not complete(stored[:end]), stored[:end]
        assert cannot_tell_or_no(stored[:end], password), stored[:end]


@pytest.mark.parametrize(("scheme", "password", "stored"), vectors.ALL)
def test_every_vector_is_whole_but_clear_text_and_odd_salts_in_hex(scheme: str, password: bytes, stored: str) -> None:
    assert complete(stored) is (scheme != "clear"), password


@pytest.mark.parametrize(("scheme", "password", "stored"), FIRST_OF_EACH)
def test_a_field_with_one_character_changed_is_not_right(scheme: str, password: bytes, stored: str) -> None:
    if scheme == "clear":
        return
    start = stored.index("}") + 1 if stored[0] == "{" else max(stored.rfind("$"), 0)
    for at in range(start, len(stored)):
        if stored[at + 1 : at + 2] in ("", "=", "$"):
            continue  # the last character of base64 may hold spare bits
        swapped = "A" if stored[at].upper() != "A" else "B"
        assert cannot_tell_or_no(stored[:at] + swapped + stored[at + 1 :], password), at


@pytest.mark.parametrize("scheme", SCHEMES_MADE)
@pytest.mark.parametrize("password", [vectors.SECRET, vectors.GREETING, b"\xff\x80 :\"'", b"x" * 72])
def test_a_new_field_verifies_and_is_whole(scheme: str, password: bytes) -> None:
    stored = NATIVE.hash(password, scheme)
    assert NATIVE.verify(stored, password).ok
    assert not NATIVE.verify(stored, password[1:]).ok
    assert NATIVE.identify(stored).name == scheme
    assert complete(stored)
    assert stored != NATIVE.hash(password, scheme)


@pytest.mark.parametrize("scheme", [scheme for scheme in SCHEMES_MADE if scheme not in LIBPASS_LACKS])
def test_what_one_library_makes_the_other_verifies(scheme: str) -> None:
    assert NATIVE.verify(PORTABLE.hash(vectors.GREETING, scheme), vectors.GREETING).ok
    assert PORTABLE.verify(NATIVE.hash(vectors.GREETING, scheme), vectors.GREETING).ok


@pytest.mark.parametrize("scheme", sorted(LIBPASS_LACKS))
def test_without_libcrypt_some_schemes_cannot_be_told_and_the_remedy_is_named(scheme: str) -> None:
    stored = next(row[2] for row in vectors.LIBCRYPT if row[0] == scheme)
    with pytest.raises(Unavailable, match="needs a system libcrypt"):
        PORTABLE.verify(stored, vectors.SECRET)
    assert not PORTABLE.identify(stored).verifiable


@given(password=passwords_bytes, other=passwords_bytes)
@settings(max_examples=30, deadline=None)
def test_libcrypt_and_libpass_agree_on_any_password(password: bytes, other: bytes) -> None:
    for salt in ("ab", "$1$abcdefgh$", "$5$rounds=1000$abcdefgh$", "$2b$04$abcdefghijklmnopqrstuu"):
        scheme, crypt = NATIVE.identify(salt + "x" * 11).name, NATIVE
        stored = libcrypt_field(password, salt)
        assert PORTABLE.verify(stored, password).ok, scheme
        assert PORTABLE.verify(stored, other).ok == crypt.verify(stored, other).ok


def libcrypt_field(password: bytes, setting: str) -> str:
    from nwauth.passwords.crypt3 import libcrypt

    crypt = libcrypt()
    assert crypt is not None, "these tests need the system's libcrypt"
    field = crypt(password, setting.encode())
    assert field is not None
    return field.decode()


def test_the_ssha_form_is_nwauths_own() -> None:
    stored = NATIVE.hash(b"secret", "ssha")
    assert stored.startswith("{ssha}")
    assert len(stored) == len("{ssha}") + 32  # 20 bytes of SHA-1 and 4 of salt
    assert stored.isascii()


def test_prefixes_are_read_in_any_case() -> None:
    for stored in ("{SsHa}BuFLjIFUUSy1IltX3AuN420qV2ZFU7EL", "{SSHA}BuFLjIFUUSy1IltX3AuN420qV2ZFU7EL"):
        assert NATIVE.verify(stored, b"qwerty").ok
    assert NATIVE.verify("{plain}x", b"x").ok
    assert NATIVE.verify("{md5}Xr4ilOzQ4PCOq3aQ0qbuaQ==", b"secret").ok  # LDAP's; Dovecot's {MD5} is md5-crypt
    assert NATIVE.verify("{Md5}5ebe2294ecd0e0f08eab7690d2a6ee69", b"secret").ok
    assert NATIVE.verify("{crypt}abNANd1rDfiNc", b"secret").ok
    assert NATIVE.verify("{sha256.hex}2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b", b"secret").ok


@pytest.mark.parametrize("stored", vectors.NO_LOGIN)
def test_markers_of_no_login_let_nobody_in(stored: str) -> None:
    for password in (b"secret", b"x", stored.encode() or b" ", stored[1:].encode() or b" "):
        assert not NATIVE.verify(stored, password).ok
    assert NATIVE.identify(stored).name == "no-login"
    assert not NATIVE.identify(stored).login
    assert not complete(stored)


@pytest.mark.parametrize("stored", vectors.UNKNOWN)
def test_an_unknown_form_is_never_clear_text(stored: str) -> None:
    verdict = NATIVE.verify(stored, stored.encode(), star_is_clear=True)
    assert (verdict.ok, verdict.scheme, verdict.reason) == (False, "unknown", "unknown form of password field")
    assert not NATIVE.identify(stored).login
    assert not complete(stored)


def test_a_star_begins_clear_text_in_flat_files_only() -> None:
    assert NATIVE.verify("*zxcv", b"zxcv", star_is_clear=True).ok
    assert not NATIVE.verify("*zxcv", b"zxcv").ok
    assert NATIVE.verify("*Gr\udcfc\udcdfe", b"Gr\xfc\xdfe", star_is_clear=True).ok
    assert not NATIVE.verify("*zxcv", b"*zxcv", star_is_clear=True).ok
    assert not NATIVE.verify("*LK*", b"LK*", star_is_clear=True).ok
    assert not NATIVE.verify("!zxcv", b"zxcv", star_is_clear=True).ok
    assert not NATIVE.verify("*a\ud800", b"a", star_is_clear=True).ok
    assert NATIVE.identify("*zxcv", star_is_clear=True).name == "clear"
    assert not complete("*zxcv")


@pytest.mark.parametrize(("scheme", "password", "stored"), vectors.NETWIN_WEAK)
def test_netwins_weak_hash_counts_only_when_switched_on(scheme: str, password: bytes, stored: str) -> None:
    weak = Passwords(Settings(netwin_weak=True))
    assert weak.verify(stored, password).ok
    assert not weak.verify(stored, password + b"a").ok
    assert weak.identify(stored).login
    verdict = NATIVE.verify(stored, password)
    assert (verdict.ok, verdict.scheme) == (False, scheme)
    assert "netwin_weak" in verdict.reason
    assert not NATIVE.identify(stored).login
    assert not complete(stored)


def test_a_weak_hash_of_eleven_characters_that_looks_like_des_still_fits() -> None:
    from nwauth.passwords.digests import netwin_hash

    words = [b"%011d" % number for number in range(1000)]
    password = next(word for word in words if netwin_hash("qr", word).isalnum())
    stored = netwin_hash("qr", password)
    on, off = Passwords(Settings(netwin_weak=True)), Passwords(CHEAP)
    verdict = on.verify(stored, password, upgrade_to="ssha")
    assert (verdict.ok, verdict.rehash, verdict.scheme) == (True, None, "des-crypt")
    assert not on.verify(stored, b"elevenchars").ok
    assert not off.verify(stored, password).ok


def test_the_sample_of_surgeftp_has_the_weak_form() -> None:
    assert Passwords(Settings(netwin_weak=True)).verify("qrQ\\Wd", b"moos").ok


@pytest.mark.parametrize("password", [b"", b"nul\0inside", b"secret\0", b"x" * 512, b"x" * 100_000])
@pytest.mark.parametrize("stored", ["{PLAIN}", "{PLAIN}secret", "abNANd1rDfiNc", "*", "", "nonsense"])
def test_a_password_that_nobody_can_have_is_wrong_for_every_field(stored: str, password: bytes) -> None:
    assert not NATIVE.verify(stored, password, star_is_clear=True).ok


def test_the_longest_password_works_everywhere() -> None:
    password = b"\xc3\xa4x" * 170 + b"."
    assert len(password) == MAX_PASSWORD_BYTES
    for scheme in ("argon2id", "sha512-crypt", "yescrypt", "ssha"):
        assert NATIVE.verify(NATIVE.hash(password, scheme), password).ok


def test_verification_reads_what_the_scheme_reads() -> None:
    assert NATIVE.verify(NATIVE.hash(b"x" * 72, "bcrypt"), b"x" * 72 + b"tail").ok
    assert PORTABLE.verify(NATIVE.hash(b"x" * 72, "bcrypt"), b"x" * 72 + b"tail").ok
    eight = libcrypt_field(b"12345678", "ab")
    assert NATIVE.verify(eight, b"12345678tail").ok
    assert PORTABLE.verify(eight, b"12345678tail").ok


BEGINNINGS = [
    "$1$", "$2b$04$", "$5$", "$6$rounds=1000$", "$7$", "$y$j75$", "$gy$", "$argon2id$", "$argon2id$v=19$m=8,", "$apr1$",
    "{SSHA}", "{SSHA.HEX}", "{MD5}", "{CRYPT}", "{CRYPT}$", "{PBKDF2}", "{PBKDF2}$1$", "*", "!",
]  # fmt: skip
likely = st.tuples(st.sampled_from(BEGINNINGS), st.text(alphabet="$./=,+AaZz09jtp{}\0é\udc80", max_size=70))
fields = st.text(max_size=80) | likely.map("".join)


@given(stored=fields, password=st.binary(min_size=1, max_size=20))
@settings(max_examples=400, deadline=None)
def test_no_field_whatever_raises_anything_but_cannot_tell_nor_lets_anybody_in(stored: str, password: bytes) -> None:
    for passwords in (NATIVE, PORTABLE):
        try:
            verdict = passwords.verify(stored, password)
        except Unavailable:
            continue
        assert not verdict.ok or verdict.scheme in ("clear", "des-crypt")
        assert complete(stored) in (True, False)
        assert passwords.identify(stored).name == verdict.scheme


@given(row=st.sampled_from(FIRST_OF_EACH), at=st.integers(0, 40), junk=st.text(min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_junk_inside_a_field_is_never_more_than_a_no(row: tuple[str, bytes, str], at: int, junk: str) -> None:
    scheme, password, stored = row
    damaged = stored[:at] + junk + stored[at:]
    if scheme != "clear" and not damaged.lower().startswith(("{plain}", "{clear}", "{cleartext}")):
        assert cannot_tell_or_no(damaged, password) or damaged.upper() == stored.upper()
