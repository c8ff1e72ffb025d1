"""NWAuth's one-shot forms: one answer on stdout, and an exit status (spec/protocol.md section 5)."""

from __future__ import annotations

import os

from nwauth import protocol, server
from nwauth.audit import ERROR
from nwauth.errors import Misuse, NwauthError, Refused
from nwauth.names import ENCODING, ERRORS
from nwauth.owner import become_owner
from nwauth.protocol import BadRequest, Check, Delete, Lookup, Parser, Set, check_field, is_address, parse_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from nwauth.audit import Log
    from nwauth.protocol import Reply, Request
    from nwauth.server import Conversation
    from nwauth.service import Service

EXIT_STATUS = {"+OK": 0, "-ERR": 1, "-DEAD": 75}  # 75 is EX_TEMPFAIL: try again


def run(option: str, words: list[str], service: Service, conversation: Conversation, log: Log, *, folder: str) -> int:
    """Answer the one request of the command line on stdout; the exit status says what kind of answer it was.

    `folder` is that of the users: root takes its owner's ids.

    Raises:
        Misuse: too few or too many words.
    """
    write = _whoever_reads()
    try:
        become_owner(folder)
        reply = _answer(option, words, service, conversation, write)
    except NwauthError as error:
        reply = protocol.dead(error.public) if error.temporary else protocol.err(error.public)
        write(reply.encode())
        if error.temporary:  # what was asked of the conversation has its line already
            log.event(ERROR, option.lstrip("-"), {"reason": str(error), "result": "dead"})
    except Misuse:
        raise
    except Exception as error:  # noqa: BLE001 - a bug must not be told as "no"
        log.bug(error, command=option)
        reply = protocol.dead("internal fault, see the log")
        write(reply.encode())
    else:
        server.tend(service, log)
    return EXIT_STATUS[reply.kind]


def _answer(
    option: str, words: list[str], service: Service, conversation: Conversation, write: Callable[[bytes], None]
) -> Reply:
    if option == "-generate":
        reply = _generate(service, int(words[0]))
    elif option == "-encrypt":
        reply = _encrypt(service, words[0])
    else:
        request = one_shot_request(option, [_as_text(word) for word in words])
        if isinstance(request, Set):
            _make_base_for(service, request)
        return conversation.respond(request, write)
    write(reply.encode())
    return reply


def _whoever_reads() -> Callable[[bytes], None]:
    """Writes to stdout; where nobody reads, the exit status is the answer."""
    writer = server.Writer(1)

    def write(data: bytes) -> None:
        try:
            writer(data)
        except server.Hangup:
            return

    return write


def _make_base_for(service: Service, request: Set) -> None:
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
    """Make users test0, test1 and so on."""
    service.store.make()
    for number in range(count):
        service.set(f"test{number}", b"test", {})
    return protocol.ok(f"{count} users test0 to test{count - 1} with password test" if count else "no users")


def _encrypt(service: Service, name: str) -> Reply:
    """Hash the clear-text fields of one user, or of all."""
    if name.lower() == "all":
        users = [user for user in service.search("") if service.clear_text(user) is not None]
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
