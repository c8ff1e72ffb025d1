"""NWAuth's own command line: the options of a serving child and the one-shot forms (spec/protocol.md section 5)."""

from __future__ import annotations

import os

from nwauth.errors import ConfigError, NwauthError, Refused
from nwauth.model import Record
from nwauth.names import ENCODING, ERRORS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from nwauth import protocol
    from nwauth.audit import Log
    from nwauth.config import Config
    from nwauth.protocol import Reply, Request
    from nwauth.server import Conversation, Stop
    from nwauth.service import Service

EXIT_STATUS = {"+OK": 0, "-ERR": 1, "-DEAD": 75}  # 75 is EX_TEMPFAIL: try again

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


class Misuse(Exception):
    """The command line cannot be understood; the text says why."""


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
        word = words[at]
        if word not in OPTIONS:
            if given.keys() <= {"-path"} and (word.startswith("--") or not word.startswith("-")):
                return None
            raise Misuse(f"unknown option {word}" if word.startswith("-") else f"found {word!r}, wanted an option")
        count = OPTIONS[word]
        end = len(words) if count is None else at + 1 + count
        values = words[at + 1 : end]
        if count is not None and len(values) < count:
            raise Misuse(f"{word}: wanted {count} word{'s' * (count > 1)} behind it")
        given[word.replace("-drop_path", "drop_path")] = values
        at = end
    return Options(given)


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
    if failure is None:
        try:
            service = build.build(config)
        except ConfigError as error:
            failure = error
    if failure is not None:
        service = build.broken(failure)
        log.event(1, "start", {"reason": str(failure)})
        complain(str(failure))
    if options.has("-logpass"):
        log.event(2, "start", {"reason": "-logpass: passwords are never written"})
    conversation = converse(options, config, service, log)
    if options.one_shot is not None:
        return run_one_shot(options, config, service, conversation, log)
    return serve(conversation, service, log, stop, most_held=1 if options.has("-sleep") else 64)


def configured(options: Options) -> tuple[Config, ConfigError | None]:
    """The configuration with the command line's options in force; a bad file gives the plain one, and the error."""
    from nwauth.config import Config, read

    failure = None
    try:
        config = read(options.folder)
    except ConfigError as error:
        config, failure = Config(folder=options.folder), error
    log, names, store = config.log, config.names, config.stores[0]
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
        store = store.changed(max_journal_bytes=options.number("-size"))
    if options.has("-readonly"):
        store = store.changed(read_only=True)
    return config.changed(log=log, names=names, stores=(store,)), failure


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

    def drop_path(name: str) -> str:
        if "/" in name or ".." in name:  # such a name would lead out of the base
            return "config"
        main = name.lower().partition("_")[2] or name.lower()
        return "/".join([base, *main[:levels], name])

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
        complain("type a request, such as: lookup bob@test.com   (help lists them, exit ends)")
    writer = server.Writer(1, most_held=most_held)

    def idle() -> None:
        writer.flush()
        tend(service, log)

    server.serve(server.read_lines(0, stop, idle), writer, conversation)
    return 0


def tend(service: Service, log: Log) -> None:
    """Do what was put off; it must never end the service, nor change an answer."""
    try:
        service.tend()
    except Exception as error:  # noqa: BLE001 - whatever it is
        log.bug(error, command="tend")


def run_one_shot(options: Options, config: Config, service: Service, conversation: Conversation, log: Log) -> int:
    """Answer the one request of the command line on stdout; the exit status says what kind of answer it was."""
    from nwauth import protocol
    from nwauth.owner import become_owner

    write = _whoever_reads()
    try:
        become_owner(config.stores[0].path)
        reply = _answer_one_shot(options, service, conversation, write)
    except NwauthError as error:
        reply = protocol.dead(str(error)) if error.temporary else protocol.err(str(error))
        write(reply.encode())
    except Misuse:
        raise
    except Exception as error:  # noqa: BLE001 - a bug must not be told as "no"
        log.bug(error, command=str(options.one_shot))
        reply = protocol.dead("internal fault, see the log")
        write(reply.encode())
    else:
        tend(service, log)
    return EXIT_STATUS[reply.kind]


def _answer_one_shot(
    options: Options, service: Service, conversation: Conversation, write: Callable[[bytes], None]
) -> Reply:
    from nwauth import protocol

    option = options.one_shot or ""
    if option == "-generate":
        reply = _generate(service, options.number(option))
    elif option == "-encrypt":
        reply = _encrypt(service, options.word(option, ""))
    else:
        request = one_shot_request(option, [_as_text(word) for word in options.given[option]])
        if isinstance(request, protocol.Set):
            _make_base_for(service, request)
        return conversation.respond(request, write)
    write(reply.encode())
    return reply


def _whoever_reads() -> Callable[[bytes], None]:
    """Writes to stdout; where nobody reads, the exit status is the answer."""
    from nwauth.server import Hangup, Writer

    writer = Writer(1)

    def write(data: bytes) -> None:
        try:
            writer(data)
        except Hangup:
            return

    return write


def _make_base_for(service: Service, request: protocol.Set) -> None:
    """Make a user base where there is none, unless the request is refused: an empty folder may be a mount point."""
    try:
        service.judge(request.user, request.password, request.fields)
    except Refused:
        return
    service.store.make()


def one_shot_request(option: str, words: list[str]) -> Request:
    """The request in a one-shot form; the words come apart already, so a password may hold blanks.

    Raises:
        Misuse: too few or too many words.
        BadRequest: info that is malformed.
    """
    from nwauth.protocol import Check, Delete, Lookup, Parser, Set, is_address

    match option, words:
        case "-lookup", [user]:
            return Lookup(user)
        case "-del", [user]:
            return Delete(user)
        case "-check", [user, password]:
            return Check(user, password.encode(ENCODING, ERRORS))
        case "-check", [user, password, address]:
            known = is_address(address)
            return Check(
                user, password.encode(ENCODING, ERRORS), address if known else None, 0 if known else len(address)
            )
        case "-set", [user, password, *info]:
            return Set(user, None if password == "(NULL)" else password.encode(ENCODING, ERRORS), _fields(info))  # noqa: S105
        case "-search", [_, *_]:
            request = Parser().parse(" ".join(["search", *words]).encode(ENCODING, ERRORS))
            assert request is not None  # noqa: S101 - the line holds a word
            return request
    usage = {
        "-check": "USER PASSWORD [IP]",
        "-set": "USER PASSWORD [NAME=VALUE ...]",
        "-search": "STRING [-from N] [-max M]",
    }
    raise Misuse(f"{option}: wanted {usage.get(option, 'USER')}")


def _fields(words: list[str]) -> dict[str, str]:
    """Info fields as a shell hands them over: ``name=value``, the quotes eaten, or with them."""
    from nwauth.protocol import BadRequest, check_field, parse_fields

    fields: dict[str, str] = {}
    for word in words:
        if '="' in word:
            fields.update(parse_fields(word))
            continue
        name, equals, value = word.partition("=")
        if not equals:
            raise BadRequest(f"malformed info {word}, expected name=value")
        check_field(name, value)
        fields[name] = value
    return fields


def _generate(service: Service, count: int) -> Reply:
    from nwauth import protocol

    service.store.make()
    for number in range(count):
        service.set(f"test{number}", b"test", {})
    return protocol.ok(f"{count} users test0 to test{count - 1} with password test" if count else "no users")


def _encrypt(service: Service, name: str) -> Reply:
    """Hash the clear-text fields of one user, or of all."""
    from nwauth import protocol

    if name.lower() == "all":
        users = [user for user in service.search("") if user.stored_password[:1] == "*"]
    else:
        user = service.lookup(_as_text(name))
        if user is None:
            return protocol.does_not_exist(name)
        users = [user]
    done = refused = 0
    for user in users:
        try:
            done += service.encrypt(user)
        except Refused:  # a password that no field can be made of; the others are not to stay in the clear for it
            refused += 1
    text = f"{done} clear-text password{'s' * (done != 1)} hashed"
    return protocol.err(f"{text}, {refused} could not be") if refused else protocol.ok(text)


def _as_text(word: str) -> str:
    """A word of the command line as the wire would have brought it, whatever the locale."""
    return os.fsencode(word).decode(ENCODING, ERRORS)
