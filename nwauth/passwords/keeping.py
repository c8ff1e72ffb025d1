"""A new field in the manner of the one that it replaces, for stores that another program reads too.

spec/stores.md section 1, "Upgrade": there a changed password keeps the scheme of its field.  So it does the tag, as it
is spelled, and the form: what that program reads today, it must read tomorrow.
"""

from __future__ import annotations

from nwauth.errors import Refused, Unavailable
from nwauth.passwords.costs import ARGON2_KIB_PASSES, COSTS, afford, wanted_cost
from nwauth.passwords.making import make, make_slow, must_be_read_whole, must_be_storable
from nwauth.passwords.table import split
from nwauth.passwords.values import NoLogin, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nwauth.passwords.costs import Cost
    from nwauth.passwords.table import Scheme

NOT_MADE = frozenset(("netwin-weak", "argon2i", "argon2d", "scrypt", "gost-yescrypt"))
LAST_YESCRYPT_COST = 11


def make_like(password: bytes, field: str, *, default: str, settings: Settings, native: bool) -> str:
    """A new field of the scheme, tag and form of `field`; of the scheme `default` where `field` lets nobody in.

    Raises:
        Refused: nobody may have this password, the scheme would not read all of it, or none of the scheme are made.
        Unavailable: this machine cannot make it; the text says what to do.
    """
    scheme, text = split(field, False)
    if _lets_nobody_in(scheme, field, settings):
        return make(password, default, settings, native=native)
    must_be_storable(password)
    if scheme.name in NOT_MADE:
        raise Refused(
            f"no new passwords are made in {scheme.name}, and this one keeps its scheme for the sake of the other "
            "programs that read it: choose another scheme for the store"
        )
    must_be_read_whole(password, scheme.name)
    match scheme.family:
        case "digest":
            from nwauth.passwords.digests import make_digest_like

            return make_digest_like(scheme, password, field)
        case "pbkdf2":
            from nwauth.passwords.pbkdf2 import make_pbkdf2_like

            return make_pbkdf2_like(scheme, password, field, most_rounds=COSTS[scheme.name][1][0])
    tag = field[: len(field) - len(text)]
    return tag + _untagged(scheme, password, text, settings=settings, native=native)


def _lets_nobody_in(scheme: Scheme, field: str, settings: Settings) -> bool:
    """A PBKDF2 field that cannot be read counts too: without rounds there is nothing to keep."""
    if scheme.family == "pbkdf2":
        from nwauth.passwords.pbkdf2 import parse

        try:
            parse(field)
        except NoLogin:
            return True
    return scheme.family == "none" or (scheme.family == "netwin" and not settings.netwin_weak)


def _untagged(scheme: Scheme, password: bytes, text: str, *, settings: Settings, native: bool) -> str:
    """The new field without its tag: clear text, argon2id, crypt(3)."""
    if scheme.family == "clear":
        from nwauth.passwords.digests import clear_text

        return clear_text(password)
    costly = _as_costly(scheme, text, settings)
    return make_slow(scheme, password, costly, native=native, prefix=_prefix(scheme, text))


def _prefix(scheme: Scheme, text: str) -> str | None:
    """What a new field begins with, where it is not as ours: `crypt_setting`."""
    if scheme.name == "bcrypt":
        return text[:4]  # jBCrypt reads $2a$ alone, PHP writes $2y$
    if scheme.name in ("sha512-crypt", "sha256-crypt") and not text[3:].startswith("rounds="):
        return text[:3]
    return None


def _as_costly(scheme: Scheme, text: str, settings: Settings) -> Settings:
    """The settings, with the costs of the old field where these are higher.

    A field that is damaged, or asks for more than is tried, has no say.
    """
    try:
        afford(scheme, text)
        have = COSTS[scheme.name][0](text)
    except (KeyError, NoLogin, Unavailable):
        return settings
    return _raised(scheme.name, have, settings)


def _raised(name: str, have: Cost, settings: Settings) -> Settings:
    memory_kib, passes = settings.argon2id_memory_kib, settings.argon2id_iterations
    if name == "argon2id":
        memory_kib = max(memory_kib, have[0])
        passes = min(max(passes, have[1]), ARGON2_KIB_PASSES // memory_kib)
    return Settings(
        argon2id_memory_kib=memory_kib,
        argon2id_iterations=passes,
        argon2id_lanes=settings.argon2id_lanes,
        bcrypt_cost=max(settings.bcrypt_cost, have[0]) if name == "bcrypt" else settings.bcrypt_cost,
        sha512_rounds=max(settings.sha512_rounds, have[0]) if name.startswith("sha") else settings.sha512_rounds,
        yescrypt_cost=_yescrypt_cost(have, settings) if name == "yescrypt" else settings.yescrypt_cost,
    )


def _yescrypt_cost(have: Cost, settings: Settings) -> int:
    """The first cost from ours on that takes as much memory as the field."""
    for cost in range(settings.yescrypt_cost, LAST_YESCRYPT_COST):
        if wanted_cost("yescrypt", Settings(yescrypt_cost=cost)) >= have:
            return cost
    return LAST_YESCRYPT_COST
