"""One password asked of libpam, by ctypes.  It is run in a process of its own: see `asking`.

The functions and numbers are those of Linux-PAM, whose binary interface has stood since 1.0; OpenPAM counts otherwise.
"""

from __future__ import annotations

import ctypes

from nwauth.errors import ConfigError
from nwauth.model import Record
from nwauth.stores.system.libc import function, load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

LIBRARY = "libpam.so.0"

SUCCESS, CONVERSATION_ERROR = 0, 19
PERMISSION_DENIED, AUTH_ERROR, USER_UNKNOWN, MAX_TRIES = 6, 7, 10, 11
NEW_PASSWORD_REQUIRED, ACCOUNT_EXPIRED, PASSWORD_EXPIRED = 12, 13, 27

PROMPT_WITHOUT_ECHO, PROMPT_WITH_ECHO, ERROR_MESSAGE, INFO_MESSAGE = 1, 2, 3, 4
TTY, REMOTE_HOST, FAIL_DELAY = 3, 4, 10
SILENT, NO_EMPTY_PASSWORD = 0x8000, 1
MOST_MESSAGES = 32  # PAM_MAX_NUM_MSG

AUTHENTICATION, ACCOUNT = 1, 2
WRONG = (AUTH_ERROR, USER_UNKNOWN)


class Message(ctypes.Structure):
    """``struct pam_message``."""

    _fields_ = (("style", ctypes.c_int), ("text", ctypes.c_void_p))


class Response(ctypes.Structure):
    """``struct pam_response``; PAM frees the text, so it must be the C library's."""

    _fields_ = (("text", ctypes.c_void_p), ("code", ctypes.c_int))


Answer = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_int,
    ctypes.POINTER(ctypes.POINTER(Message)),
    ctypes.POINTER(ctypes.POINTER(Response)),
    ctypes.c_void_p,
)
NoDelay = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)


class Conversation(ctypes.Structure):
    """``struct pam_conv``."""

    _fields_ = (("answer", Answer), ("data", ctypes.c_void_p))


class Result(Record):
    """What PAM said: in which `phase`, its number, and that in words.

    `asked_for_more`: it asked for more than the password, and got nothing.
    """

    __slots__ = ("asked_for_more", "code", "phase", "text")

    def __init__(self, *, phase: int, code: int, text: str, asked_for_more: bool = False) -> None:
        self.phase: Final = phase
        self.code: Final = code
        self.text: Final = text
        self.asked_for_more: Final = asked_for_more


def is_installed() -> bool:
    """Whether libpam is there."""
    return load(LIBRARY) is not None


class Pam:
    """libpam, loaded.

    Raises:
        ConfigError: it is not installed, or is not Linux-PAM's.
    """

    def __init__(self) -> None:
        library = load(LIBRARY)
        if library is None:
            raise ConfigError(f'{LIBRARY} is not installed, found passwords = "pam": install it, or use "shadow"')
        handle = ctypes.c_void_p

        def call(name: str, *arguments: Any, returns: Any = ctypes.c_int) -> Any:
            found = function(name, arguments, library=library, returns=returns)
            if found is None:
                raise ConfigError(f"{LIBRARY} has no {name}, wanted that of Linux-PAM")
            return found

        self._start: Final = call("pam_start", ctypes.c_char_p, ctypes.c_char_p, handle, handle)
        self._end: Final = call("pam_end", handle, ctypes.c_int)
        self._set: Final = call("pam_set_item", handle, ctypes.c_int, handle)
        self._authenticate: Final = call("pam_authenticate", handle, ctypes.c_int)
        self._account: Final = call("pam_acct_mgmt", handle, ctypes.c_int)
        self._say: Final = call("pam_strerror", handle, ctypes.c_int, returns=ctypes.c_char_p)
        self._calloc: Final = function("calloc", (ctypes.c_size_t, ctypes.c_size_t), returns=handle)
        self._strdup: Final = function("strdup", (ctypes.c_char_p,), returns=handle)
        self._free: Final = function("free", (handle,), returns=None)

    def check(
        self, service: str, user: bytes, password: bytes, address: str | None, *, goes_on: bool = False
    ) -> Result:
        """Ask for a user's password, and whether the account may be used.

        `goes_on`: the second is asked where the password is wrong too, to see whether both can be told.
        """
        answer = _Answer(password, self._new_answers, self._strdup)
        conversation = Conversation(Answer(answer), None)
        no_delay = NoDelay(lambda _code, _microseconds, _data: None)
        handle = ctypes.c_void_p()
        name = service.encode()
        code = self._start(name, user, ctypes.byref(conversation), ctypes.byref(handle))
        phase = AUTHENTICATION
        if code == SUCCESS:
            self._set(handle, FAIL_DELAY, ctypes.cast(no_delay, ctypes.c_void_p))
            self._set(handle, TTY, name)  # some modules ask for one; this is no terminal's name
            if address is not None:
                self._set(handle, REMOTE_HOST, address.encode())
            code = self._authenticate(handle, SILENT | NO_EMPTY_PASSWORD)
            if code == SUCCESS or (goes_on and code in WRONG):
                phase = ACCOUNT
                code = self._account(handle, SILENT | NO_EMPTY_PASSWORD)
        text = (self._say(handle, code) or b"").decode("utf-8", "replace")
        if handle:
            self._end(handle, code)
        return Result(phase=phase, code=code, text=text, asked_for_more=answer.was_asked_for_more)

    def _new_answers(self, count: int) -> int | None:
        address: int | None = self._calloc(count, ctypes.sizeof(Response))
        return address


class _Answer:
    """The conversation: the password for the first prompt that shows no typing, and nothing for any other."""

    def __init__(self, password: bytes, calloc: Any, strdup: Any) -> None:
        self._password: Final = password
        self._calloc: Final = calloc
        self._strdup: Final = strdup
        self._was_answered = False
        self.was_asked_for_more = False

    def __call__(self, count: int, messages: Any, answers: Any, _data: object) -> int:
        """Called by libpam; nothing may be raised here."""
        styles = [messages[at].contents.style for at in range(count)] if 0 < count <= MOST_MESSAGES else []
        prompts = [at for at, style in enumerate(styles) if style not in (ERROR_MESSAGE, INFO_MESSAGE)]
        if len(prompts) > 1 or any(styles[at] != PROMPT_WITHOUT_ECHO or self._was_answered for at in prompts):
            self.was_asked_for_more = True
            return CONVERSATION_ERROR
        place = self._calloc(count) if styles else None
        if place is None:
            return CONVERSATION_ERROR
        made = ctypes.cast(place, ctypes.POINTER(Response))
        for at in prompts:
            made[at].text = self._strdup(self._password)
            self._was_answered = True
        answers[0] = made
        return SUCCESS
