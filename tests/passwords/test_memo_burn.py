"""The memo of right passwords, and the time that an unknown user costs."""

import gc

import pytest

from nwauth.passwords import SCHEMES_KEPT, SCHEMES_MADE, Passwords, Settings, complete
from nwauth.passwords.memo import ENTRIES, Memo
from tests.passwords import vectors
from tests.passwords.common import CHEAP, DES, YESCRYPT, YESCRYPT_GREETING, Clock, Counting


class TestMemo:
    def passwords(self, clock: Clock, **changes: float) -> tuple[Passwords, Counting]:
        passwords = Passwords(Settings(yescrypt_cost=1, **changes), monotonic=clock)  # type: ignore[arg-type]
        passwords.verify(YESCRYPT_GREETING, b"wrong")
        return passwords, Counting(passwords, "yescrypt")

    def test_a_right_password_is_computed_once(self) -> None:
        passwords, counted = self.passwords(Clock())
        for _ in range(3):
            assert passwords.verify(YESCRYPT, b"secret").ok
        assert counted.fields == [YESCRYPT]

    def test_a_wrong_password_is_computed_each_time(self) -> None:
        passwords, counted = self.passwords(Clock())
        for _ in range(3):
            assert not passwords.verify(YESCRYPT, b"wrong").ok
        assert len(counted.fields) == 3

    def test_a_changed_field_is_dead_at_once(self) -> None:
        passwords, counted = self.passwords(Clock())
        assert passwords.verify(YESCRYPT, b"secret").ok
        assert not passwords.verify(YESCRYPT_GREETING, b"secret").ok
        assert len(counted.fields) == 2

    def test_an_entry_ends_after_its_seconds_however_often_used(self) -> None:
        clock = Clock()
        passwords, counted = self.passwords(clock)
        for _ in range(3):
            passwords.verify(YESCRYPT, b"secret")
            clock.now += 299
        assert len(counted.fields) == 1
        clock.now += 10
        passwords.verify(YESCRYPT, b"secret")
        assert len(counted.fields) == 2

    def test_no_seconds_is_no_memo(self) -> None:
        passwords, counted = self.passwords(Clock(), memo_seconds=0)
        for _ in range(2):
            assert passwords.verify(YESCRYPT, b"secret").ok
        assert len(counted.fields) == 2

    def test_cheap_schemes_have_none(self) -> None:
        passwords = Passwords(CHEAP)
        assert passwords.verify(DES, b"secret").ok
        counted = Counting(passwords, "des-crypt")
        assert passwords.verify(DES, b"secret").ok
        assert len(counted.fields) == 1

    def test_a_remembered_password_is_still_upgraded_when_its_turn_comes(self) -> None:
        passwords, counted = self.passwords(Clock())
        assert passwords.verify(YESCRYPT, b"secret").rehash is None
        assert passwords.verify(YESCRYPT, b"secret", upgrade_to="sha512-crypt").rehash is not None
        assert counted.fields == [YESCRYPT]

    def test_it_is_bounded_and_the_oldest_goes(self) -> None:
        memo = Memo(seconds=600, monotonic=Clock())
        entries = [memo.entry("field", b"%d" % number) for number in range(ENTRIES + 10)]
        for entry in entries:
            memo.add(entry)
        assert [memo.holds(entry) for entry in entries] == [False] * 10 + [True] * ENTRIES

    def test_field_and_password_cannot_run_together(self) -> None:
        memo = Memo(seconds=600, monotonic=Clock())
        assert memo.entry("ab", b"c") != memo.entry("a", b"bc")

    def test_each_process_has_its_own_key(self) -> None:
        first, second = (Memo(seconds=600, monotonic=Clock()) for _ in range(2))
        assert first.entry("a", b"b") != second.entry("a", b"b")

    def test_no_password_can_be_reached_from_its_state(self) -> None:
        password = b"a password to look for \xff"
        passwords = Passwords(CHEAP)
        stored = passwords.hash(password, "yescrypt")
        passwords.verify(stored, password)
        passwords.verify(stored, password + b"wrong")
        passwords.burn(password)
        for scheme in ("ssha", "argon2id", "bcrypt"):
            stored = passwords.hash(password, scheme)
            passwords.verify(stored, password, upgrade_to="sha512-crypt")
        reached = everything_reached(passwords)
        buffers = [bytes(item) for item in reached if type(item).__name__ == "c_char_Array_32768"]  # type: ignore[call-overload]
        assert buffers, "libcrypt's working memory was not looked at"
        texts = [repr(item) for item in reached if isinstance(item, bytes | bytearray | str)]
        assert repr(stored) in texts, "the walk does not reach what burn repeats"
        assert not any("to look for" in text for text in [*texts, *map(repr, buffers)])


def everything_reached(start: object) -> list[object]:
    """Each object that can be reached from `start`, short of types and of the globals of modules."""
    found: dict[int, object] = {}
    queue = [start]
    while queue:
        item = queue.pop()
        if id(item) in found or isinstance(item, type) or (isinstance(item, dict) and "__builtins__" in item):
            continue
        found[id(item)] = item
        queue += gc.get_referents(item)
    return list(found.values())


class TestBurn:
    def test_it_repeats_the_last_real_verification(self) -> None:
        passwords = Passwords(CHEAP, burn_scheme="ssha")
        passwords.verify(DES, b"secret")
        des = Counting(passwords, "des-crypt")
        passwords.verify(DES, b"other")
        passwords.burn(b"guess")
        assert des.fields == [DES, DES]
        passwords.verify(YESCRYPT, b"secret")
        yescrypt = Counting(passwords, "yescrypt")
        passwords.verify(YESCRYPT, b"other")
        passwords.burn(b"guess")
        passwords.burn(b"guess")
        assert yescrypt.fields == [YESCRYPT] * 3

    def test_a_quick_field_does_not_make_quick_what_unknown_users_cost(self) -> None:
        """Whoever has an account with one could tell by the time who else exists."""
        passwords = Passwords(CHEAP, burn_scheme="ssha")
        passwords.verify(YESCRYPT, b"secret")
        yescrypt = Counting(passwords, "yescrypt")
        assert not passwords.verify(YESCRYPT, b"wrong").ok
        right, wrong = passwords.hash(b"secret", "ssha"), passwords.hash(b"other", "ssha")
        assert passwords.verify(right, b"secret").ok
        assert yescrypt.fields == [YESCRYPT]
        passwords.burn(b"guess")
        assert yescrypt.fields == [YESCRYPT] * 2
        assert not passwords.verify(wrong, b"secret").ok
        assert yescrypt.fields == [YESCRYPT] * 3, "a wrong password costs the same for a quick field"

    def test_where_new_passwords_are_slow_so_are_unknown_users_from_the_first(self) -> None:
        passwords = Passwords(CHEAP)
        assert passwords.verify(passwords.hash(b"secret", "ssha"), b"secret").ok
        passwords.burn(b"guess")
        assert passwords._last is not None
        assert passwords._last[1].startswith("$argon2id$")

    def test_the_memo_saves_it_nothing(self) -> None:
        passwords = Passwords(CHEAP)
        passwords.verify(DES, b"secret")
        passwords.verify(YESCRYPT, b"wrong")
        counted = Counting(passwords, "yescrypt")
        passwords.verify(YESCRYPT, b"secret")
        passwords.verify(YESCRYPT, b"secret")
        passwords.burn(b"secret")
        passwords.burn(b"secret")
        assert len(counted.fields) == 3

    @pytest.mark.parametrize("stored", [*vectors.NO_LOGIN, "nonsense", "{SSHA}damaged", "$6$damaged", "qrYSZI"])
    def test_a_locked_or_damaged_account_takes_as_long(self, stored: str) -> None:
        passwords = Passwords(CHEAP)
        passwords.verify(YESCRYPT, b"wrong")
        counted = Counting(passwords, "yescrypt")
        passwords.verify(YESCRYPT, b"wrong")
        passwords.verify(stored, b"secret")
        assert counted.fields == [YESCRYPT, YESCRYPT]

    @pytest.mark.parametrize("scheme", [*SCHEMES_MADE, *SCHEMES_KEPT])
    @pytest.mark.parametrize("native", [True, False])
    def test_before_any_field_it_takes_the_scheme_of_new_ones(self, scheme: str, *, native: bool) -> None:
        passwords = Passwords(CHEAP, burn_scheme=scheme, native=native)
        passwords.burn(b"guess")
        if native or scheme != "yescrypt":
            assert list(passwords._checks) == []
            assert passwords._last is not None
            check, field = passwords._last
            assert passwords.identify(field).name == scheme
            assert complete(field) is (scheme != "clear")
            assert check(field, b"guess") is False

    def test_what_it_is_to_take_must_be_a_scheme_of_new_fields(self) -> None:
        with pytest.raises(ValueError, match="burn_scheme: found 'apr1', wanted one of argon2id"):
            Passwords(CHEAP, burn_scheme="apr1")

    def test_the_dummy_has_the_cost_of_new_fields(self) -> None:
        passwords = Passwords(Settings())
        passwords.burn(b"guess")
        assert passwords._last is not None
        assert passwords._last[1].startswith("$argon2id$v=19$m=19456,t=2,p=1$")

    def test_a_password_nobody_can_have_costs_nothing_known_or_not(self) -> None:
        passwords = Passwords(CHEAP)
        passwords.verify(YESCRYPT, b"secret")
        counted = Counting(passwords, "yescrypt")
        for password in (b"", b"a\0b", b"x" * 600):
            passwords.verify(YESCRYPT, password)
            passwords.burn(password)
        assert counted.fields == []
