"""What a verification costs: the limit above which a field is not tried, and whether a field is due for upgrade.

A damaged or hostile field may ask for hours or for all memory.  The limits keep a check near 5 s of an idle core,
below the 10 s that a server waits, and let every program's own defaults through (the most costly known is Dovecot's
argon2id: 1 GiB, 5 passes).  Beyond them the answer is "cannot tell": the user is not wrong, the field is.
"""

from __future__ import annotations

from nwauth.errors import Unavailable
from nwauth.passwords.table import BY_NAME, CRYPT64
from nwauth.passwords.values import BCRYPT_BYTES, DES_BYTES, NoLogin, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from nwauth.passwords.table import Scheme
    from nwauth.passwords.values import Settings

    Cost = tuple[int, ...]

GIB = 1 << 30
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def argon2(text: str) -> Cost:
    """Memory in KiB, passes, lanes.  The whole field is read: no NUL or odd text reaches the C code."""
    parts = text.split("$")[2:]
    version = parts.pop(0) if parts[0][:2] == "v=" else "v=16"
    if len(parts) != 3 or version not in ("v=16", "v=19") or parts[1].strip(BASE64) or parts[2].strip(BASE64):
        raise NoLogin("damaged field")
    found = [item.partition("=") for item in parts[0].split(",")]
    if [name for name, _, _ in found] != ["m", "t", "p"]:
        raise NoLogin("damaged field")
    memory, passes, lanes = (number(value) for _, _, value in found)
    return memory, passes, lanes


def bcrypt(text: str) -> Cost:
    """The binary logarithm of the rounds."""
    if text[6:7] != "$":
        raise NoLogin("damaged field")
    return (number(text[4:6]),)


def sha_crypt(text: str) -> Cost:
    """The rounds; 5000 where the field names none."""
    part = text.split("$")[2]
    return (number(part[7:]) if part.startswith("rounds=") else 5000,)


def yescrypt(text: str) -> Cost:
    """Bytes of memory, from the flavour, N and r that every crypt_gensalt writes as three characters."""
    parts = text.split("$")
    if len(parts) != 5 or not parts[2] or parts[2].strip(CRYPT64):
        raise NoLogin("damaged field")
    found = [CRYPT64.find(character) for character in parts[2]]
    if len(found) != 3 or max(found) > 47:  # p, t, g or a ROM: no program is known to write them
        raise Unavailable("a yescrypt field with parameters not known here: set the user's password again")
    return (128 * (found[2] + 1) << found[1] + 1,)


def scrypt(text: str) -> Cost:
    """Bytes of memory passed over, from N, r and p: one character, five, five."""
    found = [CRYPT64.find(character) for character in text[3:14]]
    if len(found) != 11 or min(found) < 0:
        raise NoLogin("damaged field")
    r, p = (sum(value << 6 * place for place, value in enumerate(found[at : at + 5])) for at in (1, 6))
    return (128 * r * p << found[0],)


def pbkdf2(stored: str) -> Cost:
    """The rounds."""
    from nwauth.passwords.pbkdf2 import parse

    return (parse(stored)[0],)


# name: (what reads the cost, the most that is tried of each figure, what the figures are)
ARGON2 = (argon2, (1 << 20, 5 << 20, 64), "KiB of memory, passes, lanes")
YESCRYPT = (yescrypt, (GIB,), "bytes of memory")
SHA_CRYPT = (sha_crypt, (5_000_000,), "rounds")
PBKDF2 = (pbkdf2, (10_000_000,), "rounds")
COSTS: dict[str, tuple[Callable[[str], Cost], Cost, str]] = {
    "argon2id": ARGON2,
    "argon2i": ARGON2,
    "argon2d": ARGON2,
    "yescrypt": YESCRYPT,
    "gost-yescrypt": YESCRYPT,
    "scrypt": (scrypt, (GIB,), "bytes of memory"),
    "bcrypt": (bcrypt, (16,), "cost"),
    "sha512-crypt": SHA_CRYPT,
    "sha256-crypt": SHA_CRYPT,
    "pbkdf2": PBKDF2,
    "pbkdf2-sha256": PBKDF2,
    "pbkdf2-sha512": PBKDF2,
}
ARGON2_KIB_PASSES = 5 << 20


def afford(scheme: Scheme, text: str) -> None:
    """Nothing, if a verification of the field is worth trying.

    Raises:
        NoLogin: the field is damaged.
        Unavailable: it asks for more than a child may spend; the text says so and what to do.
    """
    if scheme.name not in COSTS:
        return
    read, most, unit = COSTS[scheme.name]
    cost = read(text)
    total = cost[0] * cost[1] if scheme.family == "argon2" else 0
    if total > ARGON2_KIB_PASSES or any(have > limit for have, limit in zip(cost, most, strict=True)):
        asked = ", ".join(map(str, cost))
        raise Unavailable(
            f"a {scheme.name} field asks for {asked} ({unit}), more than is tried: set the user's password again"
        )


def wanted_cost(name: str, settings: Settings) -> Cost:
    """The figures of `COSTS` that a new field of the scheme has (argon2's lanes are no cost)."""
    if name == "argon2id":
        return settings.argon2id_memory_kib, settings.argon2id_iterations
    if name == "bcrypt":
        return (settings.bcrypt_cost,)
    if name == "sha512-crypt":
        return (settings.sha512_rounds,)
    if name == "yescrypt":
        power, r = yescrypt_figures(settings.yescrypt_cost)
        return (128 * r << power,)
    return ()


def yescrypt_figures(cost: int) -> tuple[int, int]:
    """The binary logarithm of N, and r, as libxcrypt's crypt_gensalt sets them for a cost of 1 to 11."""
    return (cost + 9, 8) if cost < 3 else (cost + 7, 32)


def is_due(scheme: Scheme, text: str, password: bytes, *, wanted: str, settings: Settings) -> bool:
    """Whether a right password should be stored again in the wanted scheme (spec/stores.md section 1, "Upgrade").

    Never from NetWin's weak hash (many passwords fit one), nor where the scheme did not read all that was typed
    (DES over 8 bytes, bcrypt over 72): what would be stored need not be the user's password.  Never to a weaker
    scheme: ``{ssha}`` replaces clear text alone.
    """
    read = {"des-crypt": DES_BYTES, "bcrypt": BCRYPT_BYTES}.get(scheme.name, len(password))
    if scheme.family == "netwin" or len(password) > read:
        return False
    if scheme.name == wanted:
        if scheme.name not in COSTS:
            return False
        pairs = zip(COSTS[wanted][0](text), wanted_cost(wanted, settings), strict=False)
        return any(have < want for have, want in pairs) or (wanted == "argon2id" and "$v=19$" not in text)
    new = BY_NAME.get(wanted)
    return new is None or not new.weak or scheme.family == "clear"
