"""``kind = "passwd"``: files in the form of /etc/passwd, one or one for each domain."""

from __future__ import annotations

import os

from nwauth.config.part import MAX_SECONDS, StoreConfig, settling_patience
from nwauth.names import fold

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, Self

    from nwauth.options import Options
    from nwauth.passwords.values import Settings

DOMAIN = "{domain}"
NEW_SCHEME = "sha512-crypt"  # what every program reads that has such files: libcrypt's and Dovecot alike
MAX_ID = 2**32 - 2


class PasswdConfig(StoreConfig):
    """Files of the passwd format (spec/stores.md section 3).

    `files` and `shadow` may hold ``{domain}``.  `domains` are the only ones that the store holds, none: any; `listed`
    are more that must have a file.  `state` is the folder for indexes and for the list of served files, `path` that of
    the files.  `keep`: a changed password keeps the scheme of the field that it replaces.
    """

    __slots__ = (
        "domains",
        "drop_path",
        "files",
        "keep",
        "listed",
        "name",
        "new_gid",
        "new_home",
        "new_scheme",
        "new_shell",
        "new_uid",
        "patience_seconds",
        "read_only",
        "settle_seconds",
        "shadow",
        "state",
        "unix_case",
        "upgrade",
    )
    kind: Final = "passwd"

    def __init__(
        self,
        *,
        files: str,
        name: str = "passwd",
        shadow: str | None = None,
        domains: tuple[str, ...] = (),
        listed: tuple[str, ...] = (),
        drop_path: str = "config",
        unix_case: bool = False,
        read_only: bool = True,
        settle_seconds: float = 2.0,
        state: str | None = None,
        new_scheme: str = NEW_SCHEME,
        keep: bool = True,
        upgrade: bool = False,
        new_uid: str = "",
        new_gid: str = "",
        new_home: str = "",
        new_shell: str = "",
        patience_seconds: float = 0.0,
    ) -> None:
        self.files: Final = files
        self.name: Final = name
        self.shadow: Final = shadow
        self.domains: Final = domains
        self.listed: Final = listed
        self.drop_path: Final = drop_path
        self.unix_case: Final = unix_case
        self.read_only: Final = read_only
        self.settle_seconds: Final = settle_seconds
        self.state: Final = state
        self.new_scheme: Final = new_scheme
        self.keep: Final = keep
        self.upgrade: Final = upgrade and not read_only
        self.new_uid: Final = new_uid
        self.new_gid: Final = new_gid
        self.new_home: Final = new_home
        self.new_shell: Final = new_shell
        self.patience_seconds: Final = patience_seconds

    @property
    def path(self) -> str:
        return os.path.dirname(self.files.partition(DOMAIN)[0]) or "/"

    def patient(self, seconds: float) -> Self:
        return self.changed(patience_seconds=settling_patience(seconds, self.settle_seconds))


def read(table: Options, _passwords: Settings) -> PasswdConfig:
    """The settings of one ``[[stores]]`` of this kind.  Raises ConfigError."""
    given = PasswdConfig(files="")
    files, shadow = _files(table)
    domains = _domains(table, many=DOMAIN in files)
    has_domain = DOMAIN in files or bool(domains)
    read_only = _read_only(table)
    scheme, upgrade = _scheme(table, read_only=read_only)
    return PasswdConfig(
        files=files,
        name=table.text("name", given.name, wanted="a name") or given.name,
        shadow=shadow,
        domains=domains,
        listed=_listed(table) if DOMAIN in files else (),
        drop_path=_template(
            table, "drop_path", given.drop_path, ("{home}", "{name}", DOMAIN) if has_domain else ("{home}", "{name}")
        ),
        unix_case=table.boolean("unix_case", given.unix_case),
        read_only=read_only,
        settle_seconds=table.number("settle_seconds", given.settle_seconds, minimum=0, maximum=MAX_SECONDS),
        state=table.folder,
        new_scheme=scheme or NEW_SCHEME,
        keep=scheme is None,
        upgrade=upgrade,
        new_uid=_id(table, "new_uid"),
        new_gid=_id(table, "new_gid"),
        new_home=_template(table, "new_home", "", ("{name}", DOMAIN) if has_domain else ("{name}",)),
        new_shell=_field(table, "new_shell"),
    )


def _files(table: Options) -> tuple[str, str | None]:
    """The passwd and the shadow file; ``{domain}`` may stand once in the first folder or file that is not fixed."""
    table.required("path", wanted='a file, as "/etc/mail/{domain}.passwd"')
    files = _file(table, "path")
    if "shadow" not in table:
        return files, None
    shadow = _file(table, "shadow")
    if (DOMAIN in shadow) != (DOMAIN in files):
        raise table.error("shadow", f'found "{shadow}" beside path = "{files}", wanted {DOMAIN} in both or in none')
    return files, shadow


def _file(table: Options, key: str) -> str:
    found = table.path(key, "")
    after = found.partition(DOMAIN)[2]
    if "{" in found.replace(DOMAIN, "") or DOMAIN in after.partition("/")[0]:
        raise table.error(key, f'found "{found}", wanted {DOMAIN} in it at most, and once between two slashes')
    return found


def _domains(table: Options, *, many: bool) -> tuple[str, ...]:
    found = table.texts("domain", (), or_one=True)
    for domain in found:
        if not domain or domain[0] == "." or ".." in domain or any(c in domain or c <= " " for c in '@/*?"{'):
            raise table.error("domain", f'found "{domain}", wanted the name of a domain, as "dom2.test.com"')
    if len(found) > 1 and not many:
        raise table.error("domain", f"found {len(found)} domains for one file, wanted one, or {DOMAIN} in path")
    if len(set(map(fold, found))) < len(found):
        raise table.error("domain", "found a domain a second time, wanted each once")
    return found


def _listed(table: Options) -> tuple[str, ...]:
    """The domains that patterns of ``match`` name without a wildcard: ``*@dom2.test.com``."""
    domains = [pattern.rpartition("@")[2] for pattern in table.texts("match", (), or_one=True) if "@" in pattern]
    return tuple(domain for domain in domains if domain and "*" not in domain and "?" not in domain)


def _read_only(table: Options) -> bool:
    writable = table.boolean("writable", False)
    read_only = table.boolean("read_only", not writable)
    if writable and read_only:
        raise table.error("read_only", "found true with writable = true, wanted one of them")
    return read_only


def _scheme(table: Options, *, read_only: bool) -> tuple[str | None, bool]:
    """The scheme of new passwords, None: that of the field in their place; and whether old ones are upgraded to it."""
    from nwauth.passwords.values import SCHEMES_KEPT, SCHEMES_MADE

    scheme = table.choice("scheme", None, SCHEMES_MADE + SCHEMES_KEPT)
    upgrade = table.boolean("upgrade", False)
    if upgrade and read_only:
        raise table.error("upgrade", "found true without writable = true, wanted both: an upgrade is a write")
    if upgrade and scheme is None:
        raise table.error("upgrade", "found true, wanted a scheme beside it: which can the file's other programs read?")
    return scheme, upgrade


def _template(table: Options, key: str, default: str, places: tuple[str, ...]) -> str:
    """A path made of `places` and of text; it is one word of an answer."""
    found = _field(table, key, default)
    rest = found
    for place in places:
        rest = rest.replace(place, "")
    if "{" in rest or "}" in rest or any(c in found for c in ' "'):
        raise table.error(key, f'found "{found}", wanted a path, in it {", ".join(places)}, no blanks or quotes')
    return found


def _field(table: Options, key: str, default: str = "") -> str:
    """Text that a field of a line can hold."""
    found = table.text(key, default)
    if ":" in found or not found.isprintable():
        raise table.error(key, f"found {found!a}, wanted text without colons and control characters")
    return found


def _id(table: Options, key: str) -> str:
    found = table.integer(key, None, minimum=0, maximum=MAX_ID)
    return "" if found is None else str(found)
