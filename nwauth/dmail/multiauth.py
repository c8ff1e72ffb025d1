"""MultiAuth's multiauth.ini: several modules behind one, and the ``nwauth.toml`` that does the same.

The file's form is that of MultiAuth 1.0t: global settings, then blocks that begin with ``module N``; the lowest number
is asked first, and a block's setting counts before the global one.  NetWin's nwauth is served by this program itself,
from the folder of its ``-path``; every other module stays, as a store of kind process.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nwauth.config.part import MAX_WAIT_SECONDS
from nwauth.dmail.drops import is_windows_path
from nwauth.dmail.values import Setting
from nwauth.dmail.words import command_words, options_beside_path, path_of, program, toml_array, toml_string, unquoted
from nwauth.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import NoReturn

COMMANDS = ("lookup", "check", "set", "del", "search")
SWITCHES = ("do_lookup", "do_check", "do_search", "do_del", "do_set")
KNOWN = ("loglevel", "binary", "match", *COMMANDS, *SWITCHES, "strip_prefix", "strip_suffix", "timeout")
LEVELS = ("error", "info", "debug")
YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
OURS = ("nwauth", "nwauth.exe")


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A block: its number, its line, and its settings by name."""

    number: int
    line: int
    settings: dict[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiauth:
    """What a file says: the modules in the order in which they are asked; `shared` settings are those before them."""

    file: str
    shared: Mapping[str, Setting]
    modules: tuple[Module, ...]
    unknown: tuple[Setting, ...]

    def wrong(self, setting: Setting, wanted: str) -> NoReturn:
        """Raises Refused: a value cannot be used."""
        raise Refused(
            f"{self.file}: line {setting.line}: {setting.name}: found {setting.value!a}, wanted {wanted}"
        ) from None

    def of(self, module: Module, name: str) -> Setting | None:
        """A setting of a module: its own, or the global one."""
        return module.settings.get(name) or self.shared.get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to write: the text of the stores, the level of the log, and what is to be known."""

    stores: str
    log_level: str
    notes: tuple[str, ...]


# --- reading ---------------------------------------------------------------------------------------------------------


def read(content: bytes, *, file: str) -> Multiauth:
    """What a multiauth.ini says; blanks at the ends of lines, over which MultiAuth stumbles, mean nothing.

    Raises:
        Refused: it is none, or cannot be understood; the text says the line, what was found and wanted.
    """
    shared: dict[str, Setting] = {}
    modules: dict[int, Module] = {}
    unknown: list[Setting] = []
    settings = shared
    for setting in _settings(content, file):
        if setting.name == "module":
            module = _module(setting, modules, file)
            settings = modules[module.number].settings
        elif setting.name not in KNOWN:
            unknown.append(setting)
        elif setting.name in settings:
            raise Refused(
                f"{file}: line {setting.line}: found {setting.name} a second time in its block, first in line"
                f" {settings[setting.name].line}, wanted it once"
            )
        else:
            settings[setting.name] = setting
    if not modules:
        raise Refused(f'{file}: found no block that begins with "module N", wanted a multiauth.ini')
    ordered = tuple(module for _, module in sorted(modules.items()))
    return Multiauth(file=file, shared=shared, modules=ordered, unknown=tuple(unknown))


def _settings(content: bytes, file: str) -> Iterator[Setting]:
    for number, raw in enumerate(content.split(b"\n"), 1):
        line = raw.decode("utf-8", "surrogateescape").strip()
        if not line or line[0] == "#":
            continue
        if not line.isprintable() and "\t" not in line:
            raise Refused(f"{file}: line {number}: found what does not print or is no UTF-8, wanted a setting")
        name, _, value = line.replace("\t", " ").partition(" ")
        value = value.strip() if name.lower() == "binary" else unquoted(value.strip())
        yield Setting(name=name.lower(), value=value, line=number)


def _module(setting: Setting, modules: dict[int, Module], file: str) -> Module:
    if not (setting.value.isascii() and setting.value.isdigit() and len(setting.value) < 10):
        raise Refused(f"{file}: line {setting.line}: module: found {setting.value!a}, wanted a number")
    module = Module(number=int(setting.value), line=setting.line)
    if module.number in modules:
        first = modules[module.number].line
        raise Refused(f"{file}: line {setting.line}: found module {module.number} a second time, first in line {first}")
    modules[module.number] = module
    return module


# --- the same in nwauth.toml -----------------------------------------------------------------------------------------


def plan(found: Multiauth) -> Plan:
    """What does the same as `found`.

    Raises:
        Refused: a value cannot be used.
    """
    notes = [
        f"line {setting.line}: {setting.name} {setting.value}: nwauth has no such setting; it is left out"
        for setting in found.unknown
    ]
    stores = "".join(_store(found, module, notes) for module in found.modules)
    if 'do_set = "existing"' in stores and "do_set = true" not in stores:
        notes.append('no module takes new users (do_set is "existing", MultiAuth\'s default): do_set = true lets one')
    return Plan(stores=stores, log_level=_log_level(found), notes=tuple(notes))


def _log_level(found: Multiauth) -> str:
    setting = found.shared.get("loglevel")
    if setting is None:
        return "error"
    level = setting.value.lower()
    return level if level in LEVELS else found.wrong(setting, ", ".join(LEVELS))


def _store(found: Multiauth, module: Module, notes: list[str]) -> str:
    lines = [f"# module {module.number} of multiauth.ini", "[[stores]]", f'name = "module{module.number}"']
    lines += _kind(found, module, notes)
    lines += _patterns(found, module)
    lines += [f"{name} = false" for name in ("do_lookup", "do_check", "do_search") if not _is_on(found, module, name)]
    lines.append(f"do_set = {_do_set(found, module)}")
    lines.append(f"do_del = {str(_is_on(found, module, 'do_del', default=False)).lower()}")
    for name in ("strip_prefix", "strip_suffix"):
        setting = found.of(module, name)
        if setting is not None and setting.value:
            lines.append(f"{name} = {toml_string(setting.value)}")
    return "\n".join(lines) + "\n\n"


def _kind(found: Multiauth, module: Module, notes: list[str]) -> list[str]:
    """The module itself."""
    binary = found.of(module, "binary")
    if binary is None or not binary.value:
        raise Refused(f"{found.file}: line {module.line}: module {module.number} has no binary: what is to be asked?")
    words = command_words(binary.value)
    if program(words[0]) in OURS:
        folder = path_of(words)
        if folder is None:
            folder = "."
            notes.append(
                f"module {module.number}: nwauth without -path: its users are where MultiAuth was started: give that"
                " folder as the store's path"
            )
        elif is_windows_path(folder):
            notes.append(
                f"module {module.number}: {folder} is a folder of Windows: copy nwauth.txt and nwauth.add from there,"
                " and give their folder as the store's path"
            )
        return [
            'kind = "flatfile"',
            f"path = {toml_string(folder)}",
            "shared = true",
            *_options(module, words, folder, notes),
        ]
    if is_windows_path(words[0]):
        notes.append(f"module {module.number}: {words[0]} is a program of Windows: give the one of this system")
    elif "/" in words[0]:
        _note_relative(module, words[0], notes)
    return ['kind = "process"', f"command = {toml_array(words)}", *_timeout(found, module, notes)]


def _options(module: Module, words: list[str], folder: str, notes: list[str]) -> list[str]:
    """What else NetWin's nwauth was told: the store is read-only too, the rest is of the program and is told."""
    if folder != "." and not is_windows_path(folder):
        _note_relative(module, folder, notes)
    options = options_beside_path(words)
    left = [word for word in options if word != "-readonly"]
    if left:
        notes.append(
            f"module {module.number}: {' '.join(left)}: options that no store has; give them to nwauth itself, in"
            " authent_process, if they are meant for all stores"
        )
    return ["read_only = true"] if "-readonly" in options else []


def _note_relative(module: Module, path: str, notes: list[str]) -> None:
    if not path.startswith("/"):
        notes.append(f"module {module.number}: {path} is looked for in the folder of nwauth.toml from now on")


def _timeout(found: Multiauth, module: Module, notes: list[str]) -> list[str]:
    setting = found.of(module, "timeout")
    if setting is None:
        return []
    try:
        seconds = float(setting.value)
    except ValueError:
        found.wrong(setting, "seconds")
    if not 0 < seconds < 86_400:
        found.wrong(setting, "seconds")
    if seconds > MAX_WAIT_SECONDS:
        notes.append(
            f"line {setting.line}: timeout {setting.value}: {MAX_WAIT_SECONDS:g} is written,"
            " the mail server waits for 10"
        )
    return [f"timeout_seconds = {min(seconds, MAX_WAIT_SECONDS):g}"]


def _patterns(found: Multiauth, module: Module) -> list[str]:
    """Which names the module is asked for; a command that has a pattern of its own has a line of its own."""
    setting = found.of(module, "match")
    match = setting.value if setting is not None and setting.value else "*"
    lines = [] if match == "*" else [f"match = {toml_array([match])}"]
    for command in COMMANDS:
        own = found.of(module, command)
        if own is not None and own.value not in ("", match):
            lines.append(f"match_{command} = {toml_array([own.value])}")
    return lines


def _is_on(found: Multiauth, module: Module, name: str, *, default: bool = True) -> bool:
    setting = found.of(module, name)
    if setting is None:
        return default
    value = setting.value.lower()
    if value not in YES + NO:
        found.wrong(setting, "true or false")
    return value in YES


def _do_set(found: Multiauth, module: Module) -> str:
    setting = found.of(module, "do_set")
    if setting is None or setting.value.lower() == "existing":
        return '"existing"'
    if setting.value.lower() not in YES + NO:
        found.wrong(setting, "true, false or existing")
    return str(setting.value.lower() in YES).lower()
