"""What the password tests share: the cheapest costs, and a clock that stands until it is moved."""

from nwauth.passwords import Passwords, Settings

# of "secret", but the second of vectors.GREETING and the last of "test": rows of vectors.py
YESCRYPT = "$y$j75$abcdefgh$uMUXG79B2cFpoAYyDccUnsaH/aGTyBYMlnQidzyag01"
YESCRYPT_GREETING = "$y$j75$abcdefgh$NHG58pQ2Fwfb3pym4FdhI2HsvUHF/XgbGKsGdHbL4rB"
DES = "abNANd1rDfiNc"
SSHA = "{ssha}Vw8EkFxAJuiZrb98Fz+sdr/yEEmBZ2Jc"

CHEAP = Settings(
    argon2id_memory_kib=8, argon2id_iterations=1, bcrypt_cost=4, sha512_rounds=1000, yescrypt_cost=1, memo_seconds=600
)


class Clock:
    """A monotonic clock in the test's hands; `step` is added at each look."""

    def __init__(self, *, step: float = 0.0) -> None:
        self.now = 1000.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


class Counting:
    """Stands in for the verification of one scheme and notes each real one."""

    def __init__(self, passwords: Passwords, scheme: str) -> None:
        self.fields: list[str] = []
        self._check = passwords._checks[scheme]
        passwords._checks[scheme] = self

    def __call__(self, stored: str, password: bytes) -> bool:
        self.fields.append(stored)
        return self._check(stored, password)
