"""What a child may spend, what a machine may lack, and what is imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from nwauth.errors import Unavailable
from nwauth.passwords import SCHEMES_MADE, Passwords, Settings, crypt3
from tests.passwords import vectors
from tests.passwords.common import CHEAP, DES, SSHA, YESCRYPT


class TestLimits:
    @pytest.mark.parametrize(
        "stored",
        [
            "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$" + "A" * 43,
            "$argon2id$v=19$m=1048576,t=6,p=1$c29tZXNhbHQ$" + "A" * 43,
            "$argon2id$v=19$m=65536,t=1,p=8192$c29tZXNhbHQ$" + "A" * 43,
            "$argon2i$m=8,t=999999999,p=1$c29tZXNhbHQ$" + "A" * 43,
            "$6$rounds=999999999$abcdefgh$" + "a" * 86,
            "$5$rounds=5000001$abcdefgh$" + "a" * 43,
            "$2b$31$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
            "$2y$17$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
            "$y$jTT$abcdefgh$" + "a" * 43,
            "$y$j9T0$abcdefgh$" + "a" * 43,
            "$gy$jhh$abcdefgh$" + "a" * 43,
            "$7$zzzzzzzzzzzabcdefgh$" + "a" * 43,
            "{PBKDF2}$1$salt$99999999$" + "0" * 40,
            "{CRYPT}$6$rounds=999999999$abcdefgh$" + "a" * 86,
        ],
    )
    @pytest.mark.parametrize("native", [True, False])
    def test_a_field_that_would_hang_the_child_is_not_tried_and_the_remedy_named(
        self, stored: str, *, native: bool
    ) -> None:
        with pytest.raises(Unavailable, match="set the user's password again"):
            Passwords(CHEAP, native=native).verify(stored, b"secret")

    @pytest.mark.parametrize(
        "stored",
        [
            vectors.DOVEADM_ARGON2ID,
            "$2b$16$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
            "$6$rounds=656000$abcdefgh$" + "a" * 86,
            "$y$jFT$abcdefgh$" + "a" * 43,
        ],
    )
    def test_costs_that_programs_set_by_default_are_tried(self, stored: str) -> None:
        from nwauth.passwords.costs import afford
        from nwauth.passwords.table import split

        afford(*split(stored, False))

    def test_every_setting_we_take_is_tried_ourselves(self) -> None:
        from nwauth.passwords.costs import afford
        from nwauth.passwords.making import dummy
        from nwauth.passwords.table import split

        highest = Settings(
            argon2id_memory_kib=1 << 20, argon2id_iterations=5, argon2id_lanes=64, bcrypt_cost=16,
            sha512_rounds=5_000_000, yescrypt_cost=11,
        )  # fmt: skip
        for scheme in SCHEMES_MADE:
            afford(*split(dummy(scheme, highest), False))


class TestMachine:
    """A libcrypt that lacks a scheme, or is not there, is told from a damaged field by a known one."""

    @pytest.fixture
    def without_bcrypt(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = crypt3.libcrypt()
        assert real is not None

        def crypt(password: bytes, setting: bytes) -> bytes | None:
            return None if setting.startswith((b"$2", b"$y$")) else real(password, setting)

        monkeypatch.setattr(crypt3, "_found", [crypt])

    @pytest.mark.usefixtures("without_bcrypt")
    def test_what_libcrypt_lacks_goes_to_libpass(self) -> None:
        passwords = Passwords(CHEAP)
        stored = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
        assert passwords.verify(stored, b"secret").ok
        assert {info.name: info.by for info in passwords.schemes()}["bcrypt"] == "libpass"

    @pytest.mark.usefixtures("without_bcrypt")
    def test_what_neither_has_cannot_be_told(self) -> None:
        with pytest.raises(Unavailable, match="yescrypt needs a system libcrypt"):
            Passwords(CHEAP).verify(YESCRYPT, b"secret")

    def test_a_scheme_is_proven_once_however_many_fields_are_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[bytes] = []

        def crypt(_password: bytes, setting: bytes) -> bytes:
            asked.append(setting)
            return setting

        monkeypatch.setattr(crypt3, "_found", [crypt])
        monkeypatch.setattr(crypt3, "_proven", {})
        passwords = Passwords(CHEAP)
        assert all(passwords.identify(YESCRYPT).verifiable for _ in range(9))
        assert len(asked) == 1

    def test_a_libcrypt_that_answers_with_another_scheme_is_not_believed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(crypt3, "_found", [lambda _password, _setting: b"$yBKb8SgWqxYk"])
        with pytest.raises(Unavailable):
            Passwords(CHEAP).verify(YESCRYPT, b"secret")

    def test_no_library_at_all_is_no_error_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(crypt3, "_found", [])
        monkeypatch.setattr(crypt3, "LIBRARIES", ("libcrypt.so.none",))
        assert Passwords(CHEAP).verify(DES, b"secret").ok

    @pytest.mark.parametrize("missing", ["passlib", "passlib.hash"])
    def test_a_missing_libpass_names_the_remedy(self, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, missing, None)
        with pytest.raises(Unavailable, match="-m pip install libpass"):
            Passwords(CHEAP).verify("$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/", b"secret")

    def test_without_the_bindings_argon2_goes_to_libpass(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from nwauth.passwords import argon

        monkeypatch.setattr(argon, "bindings", lambda: None)
        passwords = Passwords(CHEAP)
        assert passwords.verify(passwords.hash(b"secret", "argon2id"), b"secret").ok

    def test_short_memory_is_no_wrong_password(self) -> None:
        crypt = crypt3._wrap(lambda *_: b"*0", new_buffer=lambda _size: None, errno=lambda: 12)
        with pytest.raises(Unavailable, match="memory"):
            crypt(b"secret", YESCRYPT.encode())

    def test_the_table_says_what_is_here(self) -> None:
        infos = {info.name: info for info in Passwords(CHEAP).schemes()}
        assert {name for name, info in infos.items() if info.makeable} == set(SCHEMES_MADE)
        assert all(info.verifiable for info in infos.values())
        assert (infos["yescrypt"].by, infos["apr1"].by, infos["ssha"].by) == ("libcrypt", "libpass", "hashlib")
        portable = {info.name for info in Passwords(CHEAP, native=False).schemes() if not info.verifiable}
        assert portable == {"yescrypt", "gost-yescrypt", "scrypt"}


HEAVY = ("passlib", "argon2", "_argon2_cffi_bindings", "bcrypt", "hashlib", "_hashlib", "ctypes", "re", "typing",
         "dataclasses", "base64", "binascii", "_blake2", "datetime")  # fmt: skip


ROOT = Path(__file__).parents[2]


class TestImports:
    def loaded(self, code: str) -> set[str]:
        program = f"import sys; {code}; print(*sys.modules)"
        command = [sys.executable, "-S", "-c", program]
        return set(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split())

    def test_importing_the_package_loads_no_library(self) -> None:
        loaded = self.loaded("import nwauth.passwords; nwauth.passwords.Passwords()")
        assert not loaded.intersection(HEAVY)

    def test_a_check_of_ssha_loads_no_more_than_it_needs(self) -> None:
        loaded = self.loaded(f"import nwauth.passwords; nwauth.passwords.Passwords().verify({SSHA!r}, b'test')")
        assert not loaded.intersection(set(HEAVY) - {"binascii"})

    def test_completeness_and_names_load_no_hashing_library(self) -> None:
        code = "; ".join(f"nwauth.passwords.complete({row[2]!r})" for row in vectors.LIBCRYPT + vectors.NETWIN_SSHA)
        loaded = self.loaded(f"import nwauth.passwords; {code}")
        assert not loaded.intersection(set(HEAVY) - {"binascii"})
