"""A changed password keeps the scheme, tag and form of its field, where another program reads the field too."""

from hashlib import md5, new

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nwauth.errors import Refused, Unavailable
from nwauth.passwords import SCHEMES_KEPT, SCHEMES_MADE, Passwords, Settings
from nwauth.passwords.keeping import NOT_MADE
from tests.passwords import vectors
from tests.passwords.common import CHEAP, DES, YESCRYPT

NATIVE = Passwords(CHEAP)
PORTABLE = Passwords(CHEAP, native=False)
SHORT = b"pa\xc3\xa4ss"
KEPT = [row for row in vectors.ALL if row[0] not in NOT_MADE]
LIBPASS_LACKS = {"yescrypt"}

storable = st.binary(min_size=1, max_size=100).filter(lambda raw: all(byte >= 32 and byte != 127 for byte in raw))


def form(field: str) -> str:
    """A field with its salt and digest struck out: what must be as it was."""
    tag, text = field[: field.find("}") + 1], field[field.find("}") + 1 :]
    if "PLAIN}" in tag.upper() or "CLEAR" in tag.upper():
        return tag
    if "$" not in text:
        return f"{tag}{len(text)}"
    parts = text.split("$")
    kept = [part for part in parts[:-1] if "=" in part or part in ("1", "2a", "2b", "2y", "5", "6", "apr1", "y")]
    return f"{tag}{len(parts)} {kept} {len(parts[-1])}"


class TestKept:
    """Every form of every other program that `vectors` has."""

    @pytest.mark.parametrize(("scheme", "password", "stored"), KEPT)
    def test_the_new_field_has_scheme_tag_and_form_of_the_old(self, scheme: str, password: bytes, stored: str) -> None:
        field = NATIVE.hash_like(SHORT, stored, default="argon2id")
        assert form(field) == form(stored)
        assert NATIVE.verify(field, SHORT).ok
        assert not NATIVE.verify(field, password).ok
        assert NATIVE.identify(field).name == scheme

    @pytest.mark.parametrize(("scheme", "password", "stored"), [row for row in KEPT if row[0] not in LIBPASS_LACKS])
    def test_a_machine_without_libcrypt_makes_the_same(self, scheme: str, password: bytes, stored: str) -> None:
        field = PORTABLE.hash_like(SHORT, stored, default="argon2id")
        assert form(field) == form(stored)
        assert NATIVE.verify(field, SHORT).ok, scheme
        assert not NATIVE.verify(field, password).ok

    @given(row=st.sampled_from(KEPT), password=storable)
    @settings(max_examples=150, deadline=None)
    def test_any_password_verifies_in_its_new_field_or_is_refused(
        self, row: tuple[str, bytes, str], password: bytes
    ) -> None:
        most = {"des-crypt": 8, "bcrypt": 72}.get(row[0], 511)
        if len(password) > most:
            with pytest.raises(Refused, match=f"reads {most} bytes"):
                NATIVE.hash_like(password, row[2], default="argon2id")
            return
        field = NATIVE.hash_like(password, row[2], default="argon2id")
        assert NATIVE.verify(field, password).ok
        assert form(field) == form(row[2])
        assert form(NATIVE.hash_like(b"again", field, default="argon2id")) == form(row[2])

    def test_two_new_fields_of_a_salted_scheme_differ(self) -> None:
        for scheme, _, stored in KEPT:
            if scheme not in ("clear", "md5", "sha", "sha256", "sha512"):
                assert NATIVE.hash_like(SHORT, stored, default="md5") != NATIVE.hash_like(SHORT, stored, default="md5")

    def test_tags_keep_their_spelling_and_digests_their_digits(self) -> None:
        digest = md5(b"new").hexdigest()
        upper, lower = "{md5}5EBE2294ECD0E0F08EAB7690D2A6EE69", "{Plain-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69"
        assert NATIVE.hash_like(b"new", upper, default="clear") == "{md5}" + digest.upper()
        assert NATIVE.hash_like(b"new", lower, default="clear") == "{Plain-MD5}" + digest
        assert NATIVE.hash_like(b"new", "{cleartext}old", default="md5") == "{cleartext}new"

    def test_a_salt_is_as_long_as_the_old_one_within_reason(self) -> None:
        long = "{SSHA.HEX}" + "00" * (20 + 1000)
        assert len(NATIVE.hash_like(b"new", long, default="md5")) == len("{SSHA.HEX}") + 2 * (20 + 64)


class TestCosts:
    @pytest.mark.parametrize(
        ("stored", "beginning"),
        [
            ("$2y$05$" + "a" * 53, "$2y$05$"),
            ("$2a$04$" + "a" * 53, "$2a$04$"),
            ("$2b$31$" + "a" * 53, "$2b$04$"),  # more than is tried
            ("$6$abcdefgh$" + "a" * 86, "$6$"),
            ("$6$rounds=1001$abcdefgh$" + "a" * 86, "$6$rounds=1001$"),
            ("$5$rounds=900$abcdefgh$" + "a" * 43, "$5$rounds=1000$"),
            ("$argon2id$v=19$m=16,t=2,p=1$c29tZXNhbHQ$" + "A" * 43, "$argon2id$v=19$m=16,t=2,p=1$"),
            ("$argon2id$v=19$m=16,t=2,p=1$damaged!$" + "A" * 43, "$argon2id$v=19$m=8,t=1,p=1$"),
            ("$argon2id$m=8,t=3,p=1$c29tZXNhbHQ$" + "A" * 43, "$argon2id$v=19$m=8,t=3,p=1$"),
            ("$y$j85$abcdefgh$" + "a" * 43, "$y$j85$"),
            (YESCRYPT, "$y$j75$"),
            ("{PBKDF2}1001$MMZ4L0WI8V7rHUNo7d279w$TtcCGqS9NxiCrgCDahXE9JvWvkI", "{PBKDF2}1001$"),
        ],
    )
    def test_the_cost_is_the_fields_or_ours_whichever_is_higher(self, stored: str, beginning: str) -> None:
        field = NATIVE.hash_like(b"new", stored, default="md5")
        assert field.startswith(beginning)
        assert NATIVE.verify(field, b"new").ok

    @pytest.mark.parametrize(
        ("stored", "beginning"),
        [
            ("$2y$04$" + "a" * 53, "$2y$06$"),
            ("$6$rounds=1000$abcdefgh$" + "a" * 86, "$6$rounds=1500$"),
            ("$argon2id$v=19$m=16,t=1,p=1$c29tZXNhbHQ$" + "A" * 43, "$argon2id$v=19$m=32,t=2,p=2$"),
            (YESCRYPT, "$y$j85$"),
        ],
    )
    def test_ours_when_it_is_higher(self, stored: str, beginning: str) -> None:
        ours = Settings(
            argon2id_memory_kib=32, argon2id_iterations=2, argon2id_lanes=2, bcrypt_cost=6, sha512_rounds=1500,
            yescrypt_cost=2,
        )  # fmt: skip
        assert Passwords(ours).hash_like(b"new", stored, default="md5").startswith(beginning)

    def test_figures_that_are_only_together_too_high_are_brought_within_what_is_tried(self) -> None:
        from nwauth.passwords.keeping import _raised

        raised = _raised("argon2id", (1 << 20, 1, 1), Settings(argon2id_memory_kib=8, argon2id_iterations=600_000))
        assert (raised.argon2id_memory_kib, raised.argon2id_iterations) == (1 << 20, 5)

    def test_no_yescrypt_cost_is_beyond_the_highest(self) -> None:
        from nwauth.passwords.keeping import _raised

        assert _raised("yescrypt", (1 << 40,), CHEAP).yescrypt_cost == 11


class TestDefault:
    @pytest.mark.parametrize("stored", [*vectors.NO_LOGIN, *vectors.UNKNOWN, "qrYSZI", "{PBKDF2}damaged"])
    def test_a_field_that_lets_nobody_in_gives_way_to_the_stores_scheme(self, stored: str) -> None:
        field = NATIVE.hash_like(b"secret", stored, default="smd5")
        assert NATIVE.identify(field).name == "smd5"
        assert NATIVE.verify(field, b"secret").ok

    @pytest.mark.parametrize("stored", ["$6$damaged", "{SSHA}damaged", "{MD5}", "$2b$", "$argon2id$", "$y$", "$1$"])
    def test_a_damaged_field_keeps_its_scheme(self, stored: str) -> None:
        field = NATIVE.hash_like(b"secret", stored, default="clear")
        assert NATIVE.identify(field).name == NATIVE.identify(stored).name
        assert NATIVE.verify(field, b"secret").ok

    @given(stored=st.text(max_size=80) | st.sampled_from(KEPT).map(lambda row: row[2][:-3]))
    @settings(max_examples=300, deadline=None)
    def test_whatever_the_field_a_password_can_be_set(self, stored: str) -> None:
        assume(NATIVE.identify(stored).name not in NOT_MADE - {"netwin-weak"})
        assert NATIVE.verify(NATIVE.hash_like(b"secret", stored, default="sha"), b"secret").ok


class TestRefused:
    @pytest.mark.parametrize(("scheme", "password", "stored"), [row for row in vectors.ALL if row[0] in NOT_MADE])
    def test_what_is_not_made_is_named_with_what_to_do(self, scheme: str, password: bytes, stored: str) -> None:
        with pytest.raises(
            Refused, match=f"^no new passwords are made in {scheme}, .*choose another scheme for the store$"
        ):
            NATIVE.hash_like(password, stored, default="md5")

    def test_netwins_weak_hash_is_refused_where_it_counts(self) -> None:
        with pytest.raises(Refused, match="netwin-weak"):
            Passwords(Settings(netwin_weak=True)).hash_like(b"secret", "qrYSZI", default="md5")

    @pytest.mark.parametrize(
        ("stored", "reads"), [(DES, 8), ("{CRYPT}" + DES, 8), ("$2y$04$" + "a" * 53, 72), ("{BLF-CRYPT}$2y$", 72)]
    )
    def test_a_password_that_the_scheme_would_cut(self, stored: str, reads: int) -> None:
        assert NATIVE.verify(NATIVE.hash_like(b"x" * reads, stored, default="md5"), b"x" * reads).ok
        with pytest.raises(Refused, match=f"reads {reads} bytes"):
            NATIVE.hash_like(b"x" * (reads + 1), stored, default="md5")

    @pytest.mark.parametrize("stored", ["{PLAIN}x", "{MD5}x", "$1$", YESCRYPT, DES, ""])
    @pytest.mark.parametrize("password", [b"", b"a\0b", b"a\nb", b"x" * 512])
    def test_a_password_nobody_may_have(self, stored: str, password: bytes) -> None:
        with pytest.raises(Refused, match="password"):
            NATIVE.hash_like(password, stored, default="md5")

    def test_a_default_that_is_no_scheme(self) -> None:
        with pytest.raises(Refused, match="nonsense"):
            NATIVE.hash_like(b"secret", "", default="nonsense")

    def test_a_machine_that_lacks_the_scheme_cannot_tell(self) -> None:
        with pytest.raises(Unavailable, match="libcrypt"):
            PORTABLE.hash_like(b"secret", YESCRYPT, default="md5")


class TestSchemesKept:
    """`hash` makes these for stores of other programs; ``[passwords] scheme`` does not take them."""

    @pytest.mark.parametrize("scheme", SCHEMES_KEPT)
    def test_each_is_made_and_verifies(self, scheme: str) -> None:
        for passwords in (NATIVE, PORTABLE):
            field = passwords.hash(SHORT, scheme)
            assert NATIVE.verify(field, SHORT).ok
            assert not NATIVE.verify(field, SHORT[:-1]).ok
            assert PORTABLE.verify(field, SHORT).ok
            assert NATIVE.identify(field).name == scheme
            NATIVE.must_be_makeable(SHORT, scheme)

    @pytest.mark.parametrize("scheme", SCHEMES_KEPT)
    def test_none_is_a_scheme_of_the_settings(self, scheme: str) -> None:
        assert scheme not in SCHEMES_MADE
        with pytest.raises(ValueError, match="scheme: found"):
            Settings(scheme=scheme)

    @pytest.mark.parametrize(
        ("scheme", "field"),
        [
            ("clear", "{CLEAR}secret"),
            ("md5", "{md5}Xr4ilOzQ4PCOq3aQ0qbuaQ=="),
            ("sha", "{sha}5en6G6MezRroT3XKqkdPOmY/BfQ="),
            ("sha256", "{sha256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols="),
        ],
    )
    def test_the_unsalted_ones_are_those_of_dovecot_under_our_tag(self, scheme: str, field: str) -> None:
        assert NATIVE.hash(b"secret", scheme) == field

    @pytest.mark.parametrize(("scheme", "size"), [("smd5", 16), ("ssha256", 32), ("ssha512", 64)])
    def test_the_salted_ones_are_what_hashlib_makes_of_password_and_salt(self, scheme: str, size: int) -> None:
        from binascii import a2b_base64

        field = NATIVE.hash(b"secret", scheme)
        raw = a2b_base64(field.removeprefix(f"{{{scheme}}}"), strict_mode=True)
        algorithm = {"smd5": "md5"}.get(scheme, scheme[1:])
        assert (len(raw), raw[:size]) == (size + 4, new(algorithm, b"secret" + raw[size:]).digest())

    @pytest.mark.parametrize(("scheme", "options"), [("md5-crypt", ["-1"]), ("sha256-crypt", ["-5"])])
    def test_openssl_makes_the_same_of_our_salt(self, scheme: str, options: list[str]) -> None:
        import subprocess

        stored = "$1$" if scheme == "md5-crypt" else "$5$abcdefgh$" + "a" * 43
        field = NATIVE.hash_like(b"secret", stored, default="clear")
        command = ["openssl", "passwd", *options, "-salt", field.split("$")[2], "secret"]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == field

    def test_des_refuses_what_it_would_not_read(self) -> None:
        for call in (NATIVE.hash, NATIVE.must_be_makeable):
            with pytest.raises(Refused, match="des-crypt reads 8 bytes"):
                call(b"x" * 9, "des-crypt")
