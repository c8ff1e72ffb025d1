"""From the text of a dmail.conf to its values.

Each line is ``name value`` and nothing else; a line that begins with ``#`` is a comment.  DMail warns of settings it
does not know, and tells of a bad value and ignores it (dm_conf.txt): both are done here.  A setting may stand there
once, but for `REPEATED`; of one that stands there twice the last counts, and it is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nwauth.config import without_waiting
from nwauth.dmail.values import METHODS, DmailConf, PasswdFile, Problem, Setting, VirtualDomain, is_address_like
from nwauth.dmail.words import unquoted
from nwauth.errors import ConfigError
from nwauth.names import ENCODING, ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_FILE = "/etc/dmail.conf"
REPEATED = ("host_domain", "vdomain", "vdomain_passwd")
OTHER_SPELLINGS = {"vdomain_password": "vdomain_passwd"}
MAX_BYTES = 1 << 22
BLANKS = " \t"
WANTED_VDOMAIN = "PREFIX, an IP address or a login's suffix, DOMAIN, PATH"
_MAX_SHOWN = 60


class _BadValue(Exception):
    """A value that DMail would ignore; the text says found and wanted."""


def read(path: str) -> DmailConf:
    """The settings in a file.

    Raises:
        ConfigError: it cannot be read.
        FileNotFoundError: there is none.
    """
    try:
        with open(path, "rb", opener=without_waiting) as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES or b"\0" in content:
        raise ConfigError(f"{path}: found no text file of at most {MAX_BYTES >> 20} MiB, wanted a dmail.conf")
    return parse(content, file=path)


def parse(content: bytes, *, file: str) -> DmailConf:
    """The settings in a file's `content`; what is wrong with it is in their `problems`."""
    reader = _Reader(file)
    text = content.removeprefix(b"\xef\xbb\xbf").decode(ENCODING, ERRORS)
    for number, line in enumerate(text.split("\n"), 1):
        reader.line(line.strip(BLANKS + "\r"), number)
    return reader.conf()


class _Reader:
    """Takes the lines one by one."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._values: dict[str, Any] = {}
        self._settings: list[Setting] = []
        self._unknown: list[Setting] = []
        self._problems: list[Problem] = []

    def line(self, line: str, number: int) -> None:
        if not line or line.startswith("#"):
            return
        name, *rest = _words(line, 2)
        name = OTHER_SPELLINGS.get(name.lower(), name.lower())
        setting = Setting(name=name, value=unquoted(rest[0]) if rest else "", line=number)
        if name not in _READERS:
            self._unknown.append(setting)
            self._tell_misspelt(setting)
            return
        field, read = _READERS[name]
        try:
            value = read(setting)
        except _BadValue as error:
            self._tell(number, f"{name}: {error}; DMail ignores it")
            return
        self._take(setting, field, value)

    def _tell_misspelt(self, setting: Setting) -> None:
        """Say so where an unknown setting is nearly one of those that matter here; DMail has many others."""
        from difflib import get_close_matches

        near = get_close_matches(setting.name, _READERS, n=1, cutoff=0.85)
        if near:
            self._tell(setting.line, f"{setting.name}: no setting that is known here, did you mean {near[0]}?")

    def _take(self, setting: Setting, field: str, value: Any) -> None:
        if setting.name in REPEATED:
            self._values[field] = (*self._values.get(field, ()), value)
        else:
            before = next((one.line for one in self._settings if one.name == setting.name), 0)
            if before:
                self._tell(
                    setting.line, f"{setting.name}: found it a second time (line {before}), wanted it once; this counts"
                )
            self._values[field] = value
        self._settings.append(setting)

    def _tell(self, line: int, text: str) -> None:
        printable = "".join(c if c.isprintable() else "?" for c in text)
        self._problems.append(Problem(file=self._file, line=line, text=printable))

    def conf(self) -> DmailConf:
        """What was read, and what is wrong with the whole."""
        conf = DmailConf(file=self._file, settings=tuple(self._settings), unknown=tuple(self._unknown), **self._values)
        for line, text in _contradictions(conf):
            self._tell(line, text)
        ordered = sorted(self._problems, key=lambda problem: problem.line or MAX_BYTES)
        return DmailConf(
            file=self._file,
            settings=conf.settings,
            unknown=conf.unknown,
            problems=tuple(ordered),
            **self._values,
        )


# --- values ----------------------------------------------------------------------------------------------------------


def _words(text: str, most: int) -> list[str]:
    """The first words of `text`, blanks and tabs apart; all the rest is the last of `most`."""
    words: list[str] = []
    rest = text.strip(BLANKS)
    while rest and len(words) < most - 1:
        end = min((rest.find(blank) for blank in BLANKS if blank in rest), default=len(rest))
        words.append(rest[:end])
        rest = rest[end:].lstrip(BLANKS)
    return [*words, rest] if rest else words


def _shown(value: str) -> str:
    if not value:
        return "nothing"
    cut = value if len(value) <= _MAX_SHOWN else value[:_MAX_SHOWN] + "..."
    return f"'{cut}'"


def _wrong(setting: Setting, wanted: str) -> _BadValue:
    hint = " (a comment has a line of its own)" if " #" in setting.value or "\t#" in setting.value else ""
    return _BadValue(f"found {_shown(setting.value)}, wanted {wanted}{hint}")


def _switch(setting: Setting) -> bool:
    if setting.value.lower() not in ("true", "false"):
        raise _wrong(setting, "true or false")
    return setting.value.lower() == "true"


def _number(minimum: int, maximum: int) -> Callable[[Setting], int]:
    def read(setting: Setting) -> int:
        value = setting.value
        if not (value.isascii() and value.isdigit() and len(value) < 12 and minimum <= int(value) <= maximum):
            raise _wrong(setting, f"a number from {minimum} to {maximum}")
        return int(value)

    return read


def _method(setting: Setting) -> str:
    if setting.value.lower() not in METHODS:
        raise _wrong(setting, f"{', '.join(METHODS[:-1])} or {METHODS[-1]}")
    return setting.value.lower()


def _text(setting: Setting) -> str:
    if not setting.value:
        raise _wrong(setting, "a value")
    return setting.value


def _word(setting: Setting) -> str:
    if len(_words(setting.value, 2)) != 1:
        raise _wrong(setting, "one word")
    return setting.value


def _virtual_domain(setting: Setting) -> VirtualDomain:
    """``PREFIX WAY DOMAIN PATH``; or ``PREFIX PATH``, as the manual prints it, where the last is surely a path."""
    words = _words(setting.value, 4)
    if len(words) == 4:
        prefix, way, domain, path = map(unquoted, words)
        _must_be_way(setting, way)
        return VirtualDomain(prefix=prefix, way=way, domain=domain, path=path, line=setting.line)
    if len(words) == 2 and ("/" in words[1] or "\\" in words[1]):
        prefix, path = map(unquoted, words)
        return VirtualDomain(prefix=prefix, way="", domain="", path=path, line=setting.line)
    count = f"{len(words)} word{'s' * (len(words) != 1)}" if words else "nothing"
    raise _BadValue(f"found {count}, wanted 4: {WANTED_VDOMAIN}")


def _must_be_way(setting: Setting, way: str) -> None:
    from nwauth.protocol import is_address

    if is_address_like(way) and not is_address(way):
        raise _BadValue(f"found {_shown(way)} in {_shown(setting.value)}, wanted an IP address or a login's suffix")


def _passwd_file(setting: Setting) -> PasswdFile:
    words = _words(setting.value, 2)
    if len(words) != 2:
        raise _wrong(setting, "DOMAIN FILE")
    return PasswdFile(domain=unquoted(words[0]), path=unquoted(words[1]), line=setting.line)


_READERS: dict[str, tuple[str, Callable[[Setting], Any]]] = {
    "authent_method": ("method", _method),
    "authent_process": ("authent_process", _text),
    "authent_number": ("authent_number", _number(1, 10_000)),
    "authent_timeout": ("authent_timeout_seconds", _number(1, 86_400)),
    "authent_cache": ("authent_cache", _number(0, 1 << 31)),
    "auth_nocache": ("auth_nocache", _switch),
    "authent_domain": ("authent_domain", _switch),
    "host_domain": ("host_domains", _word),
    "dpop_host": ("dpop_host", _word),
    "vdomain": ("virtual_domains", _virtual_domain),
    "vdomain_separator": ("vdomain_separator", _word),
    "vdomain_passwd": ("passwd_files", _passwd_file),
    "lowercase_username": ("lowercase_username", _switch),
    "lowercase_password": ("lowercase_password", _switch),
    "unix_case": ("unix_case", _switch),
    "hash_spool": ("hash_spool", _number(0, 2)),
    "drop_path": ("drop_path", _text),
    "drop_prefix": ("drop_prefix", _switch),
}


# --- the whole -------------------------------------------------------------------------------------------------------


def _contradictions(conf: DmailConf) -> list[tuple[int, str]]:
    """What each line allows and all of them do not: line (0: none) and text."""
    found: list[tuple[int, str]] = []
    if not conf.host_domains:
        instead = f"; taken from dpop_host: {conf.dpop_host}" if conf.dpop_host else ""
        found.append((0, f"host_domain: found none, wanted the main domain{instead}"))
    if not conf.drop_path:
        found.append((0, "drop_path: found none, wanted the folder of drop files"))
    if conf.authent_method == "external" and not conf.authent_process:
        found.append((0, "authent_process: found none with authent_method external, wanted a command line"))
    return found + _strange_domains(conf) + _strange_files(conf)


def _strange_domains(conf: DmailConf) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    by_way: dict[str, VirtualDomain] = {}
    by_domain: dict[str, VirtualDomain] = {}
    by_prefix: dict[str, VirtualDomain] = {}
    for one in conf.virtual_domains:
        if not one.domain:
            text = f"vdomain: found PREFIX and PATH alone, wanted {WANTED_VDOMAIN}; which domain it is, is not told"
            found.append((one.line, text))
            continue
        key = one.domain.lower()
        if key in (host.lower() for host in conf.host_domains):
            found.append((one.line, f"vdomain: found {one.domain}, which is a host_domain too, wanted it once"))
        way = by_way.setdefault(one.way.lower(), one)
        if way.domain.lower() != key:
            text = f"vdomain: found {one.way}, which is the way in to {way.domain} (line {way.line}), wanted another"
            found.append((one.line, text))
        first = by_domain.setdefault(key, one)
        if (first.prefix, first.path) != (one.prefix, one.path):
            text = f"vdomain: found {one.domain} with another prefix or path than in line {first.line}, which counts"
            found.append((one.line, text))
        other = by_prefix.setdefault(one.prefix.lower(), one)
        if other.domain.lower() != key and not conf.authent_domain:
            text = f"vdomain: found the prefix {one.prefix} of {other.domain} (line {other.line}), wanted another: with"
            found.append((one.line, f"{text} authent_domain false their users cannot be told apart"))
    return found


def _strange_files(conf: DmailConf) -> list[tuple[int, str]]:
    """Password files for domains that there are not."""
    return [
        (one.line, f"vdomain_passwd: found {one.domain}, wanted the main domain or that of a vdomain")
        for one in conf.passwd_files
        if not any(domain.is_called(one.domain) for domain in conf.domains)
    ]
