"""User bases for both programs: the same users in nwauth.txt and in htpasswd form, cached between runs."""

from __future__ import annotations

import base64
import ctypes
import hashlib
import os
import random
import shutil
import time
from array import array
from dataclasses import dataclass
from functools import cache

from driver import BenchError

POOL = 256
SALT_LETTERS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SLOW_PASSWORD = "slow-secret"
NCSA_READS = ("md5", "sha512", "bcrypt", "yescrypt")  # of the slow schemes; it knows neither {ssha} nor argon2
FORMAT = 1  # change it with the form of the data: older folders are made again


def name(i: int) -> str:
    return f"User{i}@Dom{i % 7}.test.com"


def unknown(i: int) -> str:
    return f"Nobody{i}@Dom{i % 7}.test.com"


def slow_name(scheme: str) -> str:
    return f"Slow.{scheme}@Dom1.test.com"


def password(i: int) -> str:
    """At most eight bytes, or traditional DES would cut it."""
    return f"pw{i % POOL:03d}x"


def _crypt(key: str, setting: str) -> str:
    lib = _libcrypt()
    found = lib.crypt(key.encode(), setting.encode())
    if not found or found.startswith(b"*"):
        raise BenchError(f"libcrypt has no {setting[:4]}")
    return str(found.decode())


@cache
def _libcrypt() -> ctypes.CDLL:
    try:
        lib = ctypes.CDLL("libcrypt.so.1")
    except OSError as error:
        raise BenchError(f"no libcrypt to make hashes with: {error}") from error
    lib.crypt.restype = ctypes.c_char_p
    lib.crypt_gensalt.restype = ctypes.c_char_p
    return lib


def _salt(prefix: bytes, count: int) -> str:
    found = _libcrypt().crypt_gensalt(prefix, ctypes.c_ulong(count), None, 0)
    return found.decode() if found else prefix.decode()


def des_pool() -> list[str]:
    return [_crypt(password(i), SALT_LETTERS[i % 64] + SALT_LETTERS[i // 64]) for i in range(POOL)]


def _ssha(key: str) -> str:
    salt = os.urandom(4)
    return "{ssha}" + base64.b64encode(hashlib.sha1(key.encode() + salt).digest() + salt).decode()


def _argon2id(key: str) -> str:
    """With the parameters nwauth takes by default."""
    import argon2

    return argon2.PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1).hash(key)


SLOW = {
    "ssha": _ssha,
    "md5": lambda key: _crypt(key, _salt(b"$1$", 0)),
    "sha512": lambda key: _crypt(key, _salt(b"$6$", 5000)),
    "bcrypt": lambda key: _crypt(key, _salt(b"$2b$", 12)),
    "yescrypt": lambda key: _crypt(key, _salt(b"$y$", 0)),
    "argon2id": _argon2id,
}


@dataclass(frozen=True)
class Base:
    """One size of user base: `folder` for nwauth, `htpasswd` for basic_ncsa_auth."""

    size: int
    folder: str

    @property
    def users(self) -> str:
        return os.path.join(self.folder, "nwauth.txt")

    @property
    def htpasswd(self) -> str:
        return os.path.join(self.folder + ".htpasswd")


def prepare(work: str, size: int) -> Base:
    """The base of that size, made if it is not there; its time stamps lie two hours back, so that it is settled."""
    base = Base(size, os.path.join(work, f"users-{size}-v{FORMAT}"))
    if not (os.path.exists(base.users) and os.path.exists(base.htpasswd)):
        shutil.rmtree(base.folder, ignore_errors=True)
        os.makedirs(base.folder)
        _write(base)
    for path in (base.users, base.htpasswd):
        age(path)
    return base


def age(path: str) -> None:
    then = int(time.time()) - 7200
    os.utime(path, (then, then))


def _write(base: Base) -> None:
    pool = des_pool()
    order = array("I", range(base.size))
    random.Random(base.size).shuffle(order)
    slow = [(slow_name(scheme), make(SLOW_PASSWORD)) for scheme, make in SLOW.items()]
    ours, theirs = base.users + ".part", base.htpasswd + ".part"
    with open(ours, "w", encoding="ascii") as users, open(theirs, "w", encoding="ascii") as htpasswd:
        for at in range(0, base.size, 100_000):
            rows = [(name(i), pool[i % POOL]) for i in order[at : at + 100_000]]
            if at <= base.size // 2 < at + 100_000:
                middle = base.size // 2 - at
                rows[middle:middle] = slow
            users.writelines(f'{who}:{stored}:quota="100"\n' for who, stored in rows)
            htpasswd.writelines(f"{who}:{stored}\n" for who, stored in rows if stored[0] != "{")
    os.rename(theirs, base.htpasswd)
    os.rename(ours, base.users)


def scratch(base: Base, work: str, *, configuration: str = "") -> Base:
    """A copy that a row may write into; the one before it is thrown away."""
    copy = Base(base.size, os.path.join(work, "scratch"))
    shutil.rmtree(copy.folder, ignore_errors=True)
    os.makedirs(copy.folder)
    shutil.copyfile(base.users, copy.users)
    os.chmod(copy.users, 0o600)
    age(copy.users)
    shutil.copyfile(base.htpasswd, copy.htpasswd)
    age(copy.htpasswd)
    if configuration:
        with open(os.path.join(copy.folder, "nwauth.toml"), "w", encoding="ascii") as f:
            f.write(configuration)
    return copy
