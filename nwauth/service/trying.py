"""Logins as a program asks about them: JSON objects in, the same with the decision out (spec/policy.md section 7)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nwauth.errors import NwauthError, Refused
from nwauth.model import Info, User
from nwauth.names import ENCODING, ERRORS, fold
from nwauth.policy.hosts import UNKNOWN, read_address
from nwauth.policy.instants import BadInstant, read_instant
from nwauth.policy.rules import DEFAULT
from nwauth.policy.words import shown
from nwauth.service.apps import named
from nwauth.service.gate import Question
from nwauth.service.values import silent

if TYPE_CHECKING:
    from typing import Final

    from nwauth.policy.apps import AppPassword
    from nwauth.service.operations import Service


class BadRequest(ValueError):
    """An object that asks nothing that can be answered; the text says what was found and what is wanted."""


class Tryout:
    """Answers about logins at `service`; `refused` counts what was malformed, `untold` what could not be answered."""

    def __init__(self, service: Service) -> None:
        self.refused = self.untold = 0
        self._service: Final = service
        self._zone: Final = service.gate.zone()

    def answer(self, line: bytes, number: int) -> dict[str, object]:
        """The object on a line with ``decision``, ``rule`` and ``until`` added, or with an ``error``."""
        request: dict[str, object] = {}
        try:
            request = _object(line)
            return request | self._decision(request)
        except BadRequest as error:
            self.refused += 1
            return request | {"error": f"line {number}: {error}"}
        except NwauthError as error:
            self.untold += 1
            return request | {"error": f"line {number}: cannot tell: {error}"}

    def _decision(self, request: dict[str, object]) -> dict[str, object]:
        """What is added to a request.  Raises BadRequest, NwauthError."""
        address = _word(request, "from")
        if address is not None and fold(address) == UNKNOWN:
            address = None
        if address is not None and read_address(address) is None:
            raise BadRequest(f"from: found {shown(address)}, wanted an address, or {UNKNOWN}")
        moment = _word(request, "at")
        now = datetime.now(UTC).astimezone(self._zone)
        try:
            instant = now if moment is None else read_instant(moment, zone=self._zone, now=now)
        except BadInstant as error:
            raise BadRequest(f"at: {error}") from None
        used = fold(_word(request, "service") or "")
        user = self._user(request)
        asked = Question(user, address=address, service=used, app=_app(request, user))
        told: dict[str, object] = {}
        gate = self._service.gate
        rules = gate.in_force()
        refusal = gate.refusal_by(rules, asked, lambda: instant, told.__setitem__)
        until = gate.until_by(rules, asked, instant)
        return {
            "decision": "allow" if refusal is None else "deny",
            "rule": told.get("rule", DEFAULT) if refusal is None else refusal.rule,
            "until": None if until is None else until.astimezone(self._zone).isoformat(),
        }

    def _user(self, request: dict[str, object]) -> User:
        """The user of the store, or one of the request's own making.  Raises BadRequest, NwauthError."""
        name = _word(request, "user")
        if not name:
            raise BadRequest("user: found nothing, wanted a name")
        user = self._service.lookup(name, silent, command="check")
        if user is not None:
            return user
        info = request.get("info")
        if info is None:
            raise BadRequest(f'user: {shown(name)} is not there, wanted a user of the store, or an object "info"')
        if not isinstance(info, dict) or not all(map(_is_text, (*info, *info.values()))):
            raise BadRequest('info: wanted an object of strings, such as {"mailaccess": "student"}')
        return User(name=self._service.whole(name), stored_password="", info=Info().updated(info), store="")


def _app(request: dict[str, object], user: User) -> AppPassword | None:
    """The app password by which the user comes; None: by its own password.  Raises BadRequest."""
    label = _word(request, "app")
    try:
        return None if label is None else named(user, label)
    except Refused as error:
        raise BadRequest(f"app: {error}") from None


def _object(line: bytes) -> dict[str, object]:
    """The JSON object on a line.  Raises BadRequest."""
    try:
        found = json.loads(line, parse_constant=_refuse, parse_float=_number)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadRequest(
            f'found {shown(line.decode(errors="replace").strip())}, wanted a JSON object such as {{"user": "bob"}}'
        )
    return found


def _refuse(word: str) -> None:
    """NaN and Infinity are no JSON, and would come back as they are.  Raises ValueError."""
    raise ValueError(word)


def _number(word: str) -> float:
    """A number that JSON can hold: 1e999 would come back as Infinity.  Raises ValueError."""
    value = float(word)
    if value - value != 0:
        raise ValueError(word)
    return value


def _word(request: dict[str, object], key: str) -> str | None:
    """A string of the request; None where it is absent or null.  Raises BadRequest."""
    value = request.get(key)
    if value is None:
        return None
    if isinstance(value, str) and _is_text(value):
        return value
    raise BadRequest(f"{key}: found {shown(json.dumps(value))}, wanted a string of UTF-8")


def _is_text(value: object) -> bool:
    """Whether it is a string that UTF-8 can hold; JSON can write others."""
    try:
        return isinstance(value, str) and bool(value.encode(ENCODING, ERRORS) or True)
    except UnicodeEncodeError:
        return False
