"""NWAuth's own command line: the options of a serving child and the one-shot forms (spec/protocol.md section 5)."""

from __future__ import annotations

import os

from nwauth.errors import ConfigError, Misuse
from nwauth.model import Record
from nwauth.names import ENCODING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from nwauth.audit import Log
    from nwauth.config import Config
    from nwauth.server import Conversation, Stop
    from nwauth.service import Service

# The options of NWAuth, and how many words follow each (None: all that are left).
OPTIONS: dict[str, int | None] = {
    "-path": 1,
    "-readonly": 0,
    "-log": 0,
    "-debug": 0,
    "-size": 1,
    "-service": 1,
    "-badchar": 1,
    "-badchar_localpart": 1,
    "-allowats": 0,
    "-allowhighascii": 0,
    "-logpass": 0,
    "-sleep": 2,
    "-generate": 1,
    "-encrypt": 1,
    "drop_path": 2,
    "-drop_path": 2,
    "-lookup": 1,
    "-check": None,
    "-set": None,
    "-del": 1,
    "-search": None,
}
ONE_SHOT = ("-generate", "-encrypt", "-lookup", "-check", "-set", "-del", "-search")


def complain(text: str) -> None:
    """One line on stderr, if anybody reads it; stdout belongs to the replies."""
    try:
        os.write(2, f"nwauth: {text}\n".encode(ENCODING, "backslashreplace"))
    except OSError:
        pass


class Options(Record):
    """The drop-in options as they were given: each with its words."""

    __slots__ = ("given",)

    def __init__(self, given: dict[str, list[str]]) -> None:
        self.given: Final = given

    def has(self, option: str) -> bool:
        """Whether it was given."""
        return option in self.given

    def word(self, option: str, default: str) -> str:
        """Its one word."""
        return self.given.get(option, [default])[0]

    def number(self, option: str, *, at: int = 0) -> int:
        """One of its words as a number, 0 or more.

        Raises:
            Misuse: it is none.
        """
        word = self.given[option][at]
        if not (word.isascii() and word.isdigit() and len(word) < 16):
            raise Misuse(f"{option}: found {word!r}, wanted a number")
        return int(word)

    @property
    def folder(self) -> str:
        """The folder of the user files."""
        return self.word("-path", os.environ.get("NWAUTH_PATH") or ".")

    @property
    def one_shot(self) -> str | None:
        """The option that asks for one answer instead of a conversation."""
        return next((option for option in self.given if option in ONE_SHOT), None)


def read_options(words: list[str]) -> Options | None:
    """The drop-in options, or None where the words are a command for administrators.

    Raises:
        Misuse: an option that there is not, or one without its words.
    """
    given: dict[str, list[str]] = {}
    at = 0
    while at < len(words):
        word = "-path" if words[at] == "--path" else words[at]
        if word not in OPTIONS:
            if given.keys() <= {"-path"} and (word.startswith("--") or word == "-h" or not word.startswith("-")):
                return None
            raise Misuse(_unknown(word))
        count = OPTIONS[word]
        end = len(words) if count is None else at + 1 + count
        values = words[at + 1 : end]
        if count is not None and len(values) < count:
            raise Misuse(f"{word}: wanted {count} word{'s' * (count > 1)} behind it")
        given[word.replace("-drop_path", "drop_path")] = values
        at = end
    return Options(given)


def _unknown(word: str) -> str:
    """What to say of a word that is no option; of one nearly right, which may be meant."""
    if not word.startswith("-"):
        return f"found {word!r}, wanted an option"
    from difflib import get_close_matches

    meant = get_close_matches(word, OPTIONS, n=1)
    return f"unknown option {word}" + (f", did you mean {meant[0]}?" if meant else "")


def run(options: Options) -> int:
    """Serve the protocol, or answer the one request of the command line."""
    from nwauth import build, server

    stop = server.Stop()
    if options.one_shot is not None:
        from nwauth.owner import become_owner

        become_owner(options.folder)  # before anything in the folder is read: its owner lays it out
    else:
        stop.install()
    config, failure = configured(options)
    log = open_log(config)
    service = None
    if failure is None:
        try:
            service = build.build(
                config,
                notice=lambda facts: log.event(1, "store", facts),
                alarm=None
                if options.one_shot
                else lambda facts: log.event(1 if "reason" in facts else 2, "policy", facts),
            )
        except ConfigError as error:  # what only the store can tell, as a library that lacks
            failure = error
    if service is None or failure is not None:
        assert failure is not None  # noqa: S101
        service = build.broken(failure)
        log.event(1, "start", {"reason": str(failure)})
        complain(str(failure))
    if options.has("-logpass"):
        log.event(2, "start", {"reason": "-logpass: passwords are never written"})
    conversation = converse(options, config, service, log)
    if options.one_shot is not None:
        from nwauth import oneshot

        if options.one_shot == "-generate":
            options.number("-generate")
        words = options.given[options.one_shot]
        return oneshot.run(options.one_shot, words, service, conversation, log, folder=config.stores[0].path)
    service.gate.begin()
    waits = options.has("-sleep") or service.store.waits
    return serve(conversation, service, log, stop, most_held=1 if waits else 64)


def configured(options: Options) -> tuple[Config, ConfigError | None]:
    """The configuration with the command line's options in force; a bad file gives the plain one, and the error."""
    from nwauth.config import Config, FlatfileConfig, read

    failure = None
    try:
        config = read(options.folder)
    except ConfigError as error:
        config, failure = Config(folder=options.folder), error
    log, names = config.log, config.names
    stores = config.stores
    if options.has("-log"):
        log = log.changed(level="info")
    if options.has("-debug"):
        log = log.changed(level="debug")
    if options.has("-allowats"):
        names = names.changed(allow_ats=True)
    if options.has("-allowhighascii"):
        names = names.changed(allow_high_ascii=True)
    names = names.changed(
        badchar=options.word("-badchar", names.badchar),
        badchar_localpart=options.word("-badchar_localpart", names.badchar_localpart),
    )
    if options.has("-size"):
        size = options.number("-size")
        stores = tuple(
            one.changed(max_journal_bytes=size) if isinstance(one, FlatfileConfig) else one for one in stores
        )
    if options.has("-readonly"):
        stores = tuple(one.as_read_only() for one in stores)
    return config.changed(log=log, names=names, stores=stores), failure


def open_log(config: Config) -> Log:
    """The log that the configuration describes; no file is opened before its first line."""
    from nwauth.audit import open_log

    return open_log(config.log.file, level=config.log.level, format=config.log.format)


def converse(options: Options, config: Config, service: Service, log: Log) -> Conversation:
    """The conversation that the options ask for."""
    from nwauth.protocol import Parser
    from nwauth.server import Conversation

    drop_path = None
    if options.has("drop_path"):
        levels, base = options.number("drop_path"), options.given["drop_path"][1]
        if levels > 2:
            raise Misuse(f"drop_path: found {levels} folder letters, wanted 0, 1 or 2")
        drop_path = _drop_paths(levels, base.rstrip("/"))
    before_reply = None
    if options.has("-sleep"):
        before_reply = _sleeper(options.number("-sleep"), options.number("-sleep", at=1))
    return Conversation(
        service,
        Parser(config.server.address),
        log,
        service_name=options.word("-service", ""),
        drop_path=drop_path,
        before_reply=before_reply,
    )


def _drop_paths(levels: int, base: str) -> Callable[[str], str]:
    """DPOP's hashed drop paths: a letter of the name without its vdomain prefix for each folder."""
    from nwauth.dmail.drops import hashed_path

    def drop_path(name: str) -> str:
        main = name.partition("_")[2] or name
        return hashed_path(base, main, name, levels=levels) or "config"  # some names would lead out of the base

    return drop_path


def _sleeper(every: int, seconds: int) -> Callable[[], None]:
    """Sleeps at first and on every so many replies: how a server bears a slow module."""
    import time

    replies = 0

    def sleep() -> None:
        nonlocal replies
        if replies % max(1, every) == 0:
            time.sleep(seconds)
        replies += 1

    return sleep


def serve(conversation: Conversation, service: Service, log: Log, stop: Stop, *, most_held: int) -> int:
    """Speak the protocol on stdin and stdout until the end; always 0."""
    from nwauth import server

    if os.isatty(0):
        complain("this is what a mail server talks to; nwauth --help tells of the commands for people")
        complain("type a request, such as: lookup bob@test.com   (help lists them, exit ends)")
    writer = server.Writer(1, most_held=most_held)

    def idle() -> None:
        writer.flush()
        server.tend(service, log)

    server.serve(server.read_lines(0, stop, idle), writer, conversation)
    service.gate.close()
    service.store.close()  # what is behind it may want a word of its own
    return 0
