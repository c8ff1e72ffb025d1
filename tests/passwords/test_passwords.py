"""The rules around the schemes: defaults, what is made, upgrades, weak schemes."""

from datetime import date

import pytest

from nwauth.errors import Refused, Unavailable
from nwauth.passwords import SCHEMES_MADE, Passwords, Settings, Verdict, crypt3
from tests.passwords import vectors
from tests.passwords.common import CHEAP, DES, SSHA, YESCRYPT, Clock


class TestDefaults:
    def test_new_passwords_are_argon2id_as_owasp_asks(self) -> None:
        assert Passwords().hash(b"secret").startswith("$argon2id$v=19$m=19456,t=2,p=1$")

    def test_the_other_schemes_have_current_costs(self) -> None:
        passwords = Passwords()
        assert passwords.hash(b"secret", "bcrypt").startswith("$2b$12$")
        assert passwords.hash(b"secret", "sha512-crypt").startswith("$6$rounds=100000$")
        assert passwords.hash(b"secret", "yescrypt").startswith("$y$j9T$")  # as mkpasswd -R 5

    def test_the_memo_and_upgrades_are_on_and_weak_forms_off(self) -> None:
        settings = Settings()
        assert (settings.memo_seconds, settings.upgrade, settings.netwin_weak) == (600, True, False)
        assert settings.weak_after is None

    @pytest.mark.parametrize("cost", range(1, 12))
    def test_yescrypt_costs_are_those_of_crypt_gensalt(self, cost: int) -> None:
        import ctypes

        library = ctypes.CDLL(crypt3.LIBRARIES[0])
        library.crypt_gensalt_rn.restype = ctypes.c_char_p
        output = ctypes.create_string_buffer(192)
        theirs = library.crypt_gensalt_rn(b"$y$", ctypes.c_ulong(cost), bytes(range(16)), 16, output, 192)
        from nwauth.passwords.making import crypt_setting

        assert crypt_setting("yescrypt", Settings(yescrypt_cost=cost), bytes(range(16))) == theirs.decode()

    @pytest.mark.parametrize(
        ("key", "changes"),
        [
            ("scheme", {"scheme": "md5"}),
            ("argon2id.memory_kib", {"argon2id_memory_kib": 7}),
            ("argon2id.iterations", {"argon2id_iterations": 0}),
            ("argon2id.lanes", {"argon2id_lanes": 65}),
            ("bcrypt_cost", {"bcrypt_cost": 31}),
            ("sha512_rounds", {"sha512_rounds": 999}),
            ("yescrypt_cost", {"yescrypt_cost": 0}),
            ("memo_seconds", {"memo_seconds": -1.0}),
            ("weak_after", {"scheme": "ssha", "weak_after": date(2027, 1, 1)}),
        ],
    )
    def test_a_setting_out_of_range_is_named_with_what_is_wanted(self, key: str, changes: dict[str, object]) -> None:
        with pytest.raises(ValueError, match=rf"^{key}: found .*, wanted "):
            Settings(**changes)  # type: ignore[arg-type]

    def test_a_rehash_stays_out_of_what_is_printed(self) -> None:
        assert "hidden" not in repr(Verdict(ok=True, scheme="x", rehash="hidden"))


class TestMaking:
    @pytest.mark.parametrize("scheme", SCHEMES_MADE)
    @pytest.mark.parametrize("password", [b"", b"a\0b", b"x" * 512])
    def test_a_password_nobody_may_have_is_refused(self, scheme: str, password: bytes) -> None:
        with pytest.raises(Refused, match="password"):
            Passwords(CHEAP).hash(password, scheme)

    def test_bcrypt_refuses_what_it_would_not_read(self) -> None:
        with pytest.raises(Refused, match="bcrypt reads 72 bytes"):
            Passwords(CHEAP).hash(b"x" * 73, "bcrypt")

    @pytest.mark.parametrize("scheme", ["apr1", "argon2i", "netwin-weak", "unknown", "nonsense"])
    def test_old_schemes_are_not_made(self, scheme: str) -> None:
        with pytest.raises(Refused, match="choose one of argon2id"):
            Passwords(CHEAP).hash(b"secret", scheme)

    def test_yescrypt_without_libcrypt_names_the_remedy(self) -> None:
        with pytest.raises(Unavailable, match="libcrypt"):
            Passwords(CHEAP, native=False).hash(b"secret", "yescrypt")


class TestUpgrade:
    @pytest.mark.parametrize(("scheme", "password", "stored"), vectors.NETWIN_SSHA)
    def test_a_right_password_comes_with_a_field_in_the_wanted_scheme(
        self, scheme: str, password: bytes, stored: str
    ) -> None:
        passwords = Passwords(CHEAP)
        verdict = passwords.verify(stored, password, upgrade_to="argon2id")
        assert verdict.rehash is not None, scheme
        assert verdict.rehash.startswith("$argon2id$")
        assert passwords.verify(verdict.rehash, password, upgrade_to="argon2id") == Verdict(ok=True, scheme="argon2id")

    def test_a_wrong_password_upgrades_nothing(self) -> None:
        assert Passwords(CHEAP).verify(SSHA, b"wrong", upgrade_to="argon2id").rehash is None

    def test_nothing_is_upgraded_unless_the_store_wants_it(self) -> None:
        assert Passwords(CHEAP).verify(SSHA, b"test").rehash is None

    @pytest.mark.parametrize("scheme", SCHEMES_MADE)
    def test_a_field_of_the_wanted_scheme_and_cost_stays(self, scheme: str) -> None:
        passwords = Passwords(CHEAP)
        stored = passwords.hash(b"secret", scheme)
        assert passwords.verify(stored, b"secret", upgrade_to=scheme).rehash is None

    @pytest.mark.parametrize(
        ("scheme", "more"),
        [
            ("argon2id", {"argon2id_memory_kib": 16}),
            ("argon2id", {"argon2id_iterations": 2}),
            ("bcrypt", {"bcrypt_cost": 5}),
            ("sha512-crypt", {"sha512_rounds": 1001}),
            ("yescrypt", {"yescrypt_cost": 2}),
        ],
    )
    def test_a_field_of_lower_cost_is_made_anew_and_one_of_higher_cost_stays(
        self, scheme: str, more: dict[str, int]
    ) -> None:
        base = {"argon2id_memory_kib": 8, "argon2id_iterations": 1, "bcrypt_cost": 4, "sha512_rounds": 1000}
        costly = Passwords(Settings(**{**base, "yescrypt_cost": 1, **more}))  # type: ignore[arg-type]
        cheap = Passwords(CHEAP)
        low, high = cheap.hash(b"secret", scheme), costly.hash(b"secret", scheme)
        assert costly.verify(low, b"secret", upgrade_to=scheme).rehash is not None
        assert cheap.verify(high, b"secret", upgrade_to=scheme).rehash is None

    def test_argon2_of_the_first_version_and_the_other_kinds_are_due(self) -> None:
        old = "$argon2i$v=19$m=8,t=1,p=1$mnMOQej9P0cI4bw3BmAs5Q$p40s8cfJRRP2NwSjG3bB7f2gwnnwy5HQRt0f20K6E2I"
        assert Passwords(CHEAP).verify(old, b"secret", upgrade_to="argon2id").rehash is not None

    def test_netwins_weak_hash_is_never_upgraded(self) -> None:
        passwords = Passwords(Settings(netwin_weak=True))
        assert passwords.verify("qrYSZI", b"test", upgrade_to="argon2id") == Verdict(ok=True, scheme="netwin-weak")

    def test_des_is_upgraded_only_from_what_it_read(self) -> None:
        from tests.passwords.test_vectors import libcrypt_field

        stored = libcrypt_field(b"12345678", "ab")
        assert Passwords(CHEAP).verify(stored, b"12345678", upgrade_to="argon2id").rehash is not None
        assert Passwords(CHEAP).verify(stored, b"123456789", upgrade_to="argon2id").rehash is None

    def test_bcrypt_is_upgraded_only_from_what_it_read(self) -> None:
        stored = Passwords(CHEAP).hash(b"x" * 72, "bcrypt")
        assert Passwords(CHEAP).verify(stored, b"x" * 72, upgrade_to="argon2id").rehash is not None
        assert Passwords(CHEAP).verify(stored, b"x" * 73, upgrade_to="argon2id").rehash is None
        assert Passwords().verify(stored, b"x" * 73, upgrade_to="bcrypt").rehash is None

    def test_a_long_password_logs_in_though_bcrypt_cannot_take_it(self) -> None:
        verdict = Passwords(CHEAP).verify("{PLAIN}" + "x" * 80, b"x" * 80, upgrade_to="bcrypt")
        assert (verdict.ok, verdict.rehash) == (True, None)
        assert verdict.reason.startswith("not upgraded: bcrypt reads 72 bytes")

    def test_a_machine_that_cannot_make_the_scheme_still_lets_the_user_in(self) -> None:
        verdict = Passwords(CHEAP, native=False).verify(SSHA, b"test", upgrade_to="yescrypt")
        assert (verdict.ok, verdict.rehash) == (True, None)
        assert "not upgraded" in verdict.reason

    def test_ssha_replaces_clear_text_and_nothing_better(self) -> None:
        passwords = Passwords(CHEAP)
        for stored in (DES, YESCRYPT):
            assert passwords.verify(stored, b"secret", upgrade_to="ssha").rehash is None
        verdict = passwords.verify("*secret", b"secret", upgrade_to="ssha", star_is_clear=True)
        assert verdict.rehash is not None
        assert verdict.rehash.startswith("{ssha}")

    def test_upgrades_take_at_most_a_tenth_of_the_childs_time(self) -> None:
        clock = Clock(step=0.5)
        passwords = Passwords(CHEAP, monotonic=clock)
        start, upgrades = clock.now, 0
        while clock.now < start + 1000:
            upgrades += passwords.verify("{PLAIN}x", b"x", upgrade_to="argon2id").rehash is not None
        assert 150 < upgrades <= 1000 / 10 / 0.5

    def test_a_quiet_hour_saves_up_no_upgrades(self) -> None:
        clock = Clock()
        passwords = Passwords(CHEAP, monotonic=clock)
        clock.now += 3600
        clock.step = 0.01
        upgrades = [passwords.verify("{PLAIN}x", b"x", upgrade_to="argon2id").rehash is not None for _ in range(5)]
        assert upgrades == [True, False, False, False, False]


class TestWeakAfter:
    def day(self, month: int, day: int) -> Passwords:
        return Passwords(Settings(weak_after=date(2027, 1, 1)), today=lambda: date(2026 + (month == 1), month, day))

    def test_weak_schemes_are_refused_from_that_day_on(self) -> None:
        assert self.day(12, 31).verify(SSHA, b"test").ok
        verdict = self.day(1, 1).verify(SSHA, b"test")
        assert not verdict.ok
        assert "weak_after" in verdict.reason

    def test_strong_schemes_are_not(self) -> None:
        assert self.day(1, 1).verify(YESCRYPT, b"secret").ok

    def test_a_wrong_password_is_told_as_before(self) -> None:
        assert self.day(1, 1).verify(SSHA, b"wrong").reason == "wrong password"

    def test_nothing_weak_is_upgraded_any_more(self) -> None:
        assert self.day(1, 1).verify(SSHA, b"test", upgrade_to="argon2id").rehash is None

    def test_the_machines_own_day_is_taken_by_default(self) -> None:
        assert not Passwords(Settings(weak_after=date(2000, 1, 1))).verify(SSHA, b"test").ok
        assert Passwords(Settings(weak_after=date(9999, 1, 1))).verify(SSHA, b"test").ok

    def test_the_weak_schemes_are_those_of_one_round(self) -> None:
        weak = {scheme.name for scheme in Passwords(CHEAP).schemes() if scheme.weak}
        assert weak == {
            "clear", "netwin-weak", "des-crypt", "md5-crypt", "apr1", "md5", "smd5", "sha", "sha256", "sha512",
            "ssha", "ssha256", "ssha512",
        }  # fmt: skip
