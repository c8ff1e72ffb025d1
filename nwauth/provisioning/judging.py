"""What is wrong with what a plan says of a user, each fault with its place; nothing is shown that may be a password."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nwauth.errors import Refused
from nwauth.model import SECRET_FIELDS, fault_of_word
from nwauth.names import ENCODING, ERRORS, covering, fault_of_halves, fold
from nwauth.passwords.inspecting import known_tag
from nwauth.policy import account, apps
from nwauth.policy.hosts import WANTED, BadHost, read_mask
from nwauth.protocol import BadRequest, check_field
from nwauth.provisioning.heads import UPDATES
from nwauth.provisioning.parts import Fault, named, shown
from nwauth.provisioning.values import NO_FIELD
from nwauth.provisioning.words import NO_INFO, PASSWORD_KEYS, PASSWORD_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Final

    from nwauth.names import NameRules
    from nwauth.passwords import Passwords
    from nwauth.provisioning.parts import Raw

STATES = ("present", "absent", "suspended")
# A date in another form; anything else may be a password, in a row that has slipped, and is not shown.
DATE_LIKE = re.compile(r"[0-9]{1,4}([./-])[0-9]{1,2}\1[0-9]{1,4}([ T]+[0-9:]{4,8})?")


class Judging:
    """Tells what is wrong with users, by the rules of the store and of the settings.

    `whole` gives a name the default domain.  `is_there` tells whether a user stands in the store: names that do are not
    judged.  `is_asked`: whether mail or a login of a folded name asks the store; None: of each.  Every user has to be
    of the `scope`; "": of none.
    """

    def __init__(
        self,
        *,
        names: NameRules,
        whole: Callable[[str], str],
        passwords: Passwords,
        scheme: str,
        star_is_clear: bool,
        is_there: Callable[[str], bool],
        is_asked: Callable[[str], bool] | None = None,
        scope: str = "",
    ) -> None:
        self.names: Final = names
        self.whole: Final = whole
        self._passwords: Final = passwords
        self._scheme: Final = scheme
        self.star_is_clear: Final = star_is_clear
        self._is_there: Final = is_there
        self._is_asked: Final = is_asked
        self.take_scope(scope)

    def take_scope(self, scope: str) -> None:
        """Another scope from here on."""
        self.scope = scope
        self.matches = covering(scope) if scope else None

    def tests(self) -> Callable[[str], bool] | None:
        """What a folded name has to pass that is not judged by itself; None: nothing."""
        matches, is_asked = self.matches, self._is_asked
        if matches is None or is_asked is None:
            return matches or is_asked
        return lambda key: matches(key) and is_asked(key)

    def faults(self, raw: Raw, values: dict[str, str], *, generate: bool) -> Iterator[Fault]:
        """What is wrong with the `values` of a user, which are text by now; `generate`: a password is to be made up."""

        def fault(key: str, text: str) -> Fault:
            return Fault(raw.at(key), f"{named(key)}: {text}")

        yield from self._faults_of_name(raw, values)
        state, update = values.get("state", "present"), values.get("update_password", "on_create")
        if state not in STATES:
            yield fault("state", f"found something else, wanted {', '.join(STATES)}")
        if update not in UPDATES:
            yield fault("update_password", f"found something else, wanted {' or '.join(UPDATES)}")
        given = [key for key in PASSWORD_KEYS if values.get(key)] + ["generate"] * generate
        if len(given) > 1:
            yield fault(given[1], f"found beside {given[0]}, wanted one of them")
        if update == "always" and generate:
            yield fault("update_password", "found always with generate, which would be another password each time")
        beside = [key for key in raw.values if key in values or (key == "generate" and generate)]
        beside = [key for key in beside if key not in ("name", "state")]
        if state == "absent" and beside:
            yield fault(beside[0], 'found beside state = "absent", wanted nothing but the name')
        yield from self._faults_of_secret(raw, values)
        yield from _faults_of_own(raw, values)
        yield from _faults_of_fields(raw, values, suspended=state == "suspended")

    def _faults_of_name(self, raw: Raw, values: dict[str, str]) -> Iterator[Fault]:
        name = values.get("name")
        if not name:
            if "name" not in raw.values or name is not None:
                yield Fault(raw.at("name") if "name" in raw.values else raw.at(), "name: found none, wanted one")
            return
        whole = self.whole(name)

        def of_many(text: str) -> Fault:
            return Fault(raw.at("name"), f"{shown(whole)}: {text}", name=whole, is_same=True)

        why = self.names.fault(whole) or fault_of_halves(whole)
        if why is not None and values.get("state") != "absent" and not self._is_there(whole):
            yield Fault(raw.at("name"), f"name: nobody may be called {shown(whole)}: {why}")
        asked = self._is_asked is None or values.get("state") == "absent" or self._is_asked(fold(whole))
        if not asked and not self._is_there(whole):
            yield of_many("mail and logins do not ask this store (its match): give --store NAME")
        if self.matches is not None and not self.matches(fold(whole)):
            yield of_many(f"outside the scope, {shown(self.scope)}")

    def _faults_of_secret(self, raw: Raw, values: dict[str, str]) -> Iterator[Fault]:
        field, password = values.get("password_hash", ""), values.get("password", "")
        if field:
            if ":" in field or (not field.isprintable() and any(c < " " or c == "\x7f" for c in field)):
                yield Fault(raw.at("password_hash"), "password_hash: found a colon or control character in it")
            elif self._passwords.identify(field, star_is_clear=self.star_is_clear).name == "unknown":
                yield Fault(raw.at("password_hash"), f"password_hash: found {_unknown(field)}")
        if password:
            try:
                self._passwords.must_be_makeable(password.encode(ENCODING, ERRORS), self._scheme)
            except Refused as error:
                yield Fault(raw.at("password"), f"password: {error}")


def _unknown(field: str) -> str:
    """What a field of no known form is, in words; of it the tag of a scheme alone is told: it may be a password."""
    tag = known_tag(field)
    if tag:
        return f"{tag}, which nothing here verifies (nwauth hash list names what is known)"
    return "no known form (nwauth hash list names them); if it is clear text, write {PLAIN} before it"


def _faults_of_own(raw: Raw, values: dict[str, str]) -> Iterator[Fault]:
    """What no reply could hold, and a mask that lets nobody in for ever."""
    for key in ("drop_path", "uid"):
        fault = fault_of_word(values.get(key) or "0")
        if fault:
            yield Fault(raw.at(key), f"{key}: it {fault}, wanted one word")
    if values.get("ip_mask"):
        try:
            read_mask(values["ip_mask"])
        except BadHost:
            yield Fault(raw.at("ip_mask"), f"ip_mask: found none, wanted {WANTED}")


def _faults_of_fields(raw: Raw, values: dict[str, str], *, suspended: bool) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for key, value in values.items():
        if key in NO_INFO:
            continue
        folded = key.lower()
        try:
            if not (key.isidentifier() and value.isprintable() and '"' not in value):  # nearly all are
                check_field(key, value)
            if folded in account.DATE_FIELDS:
                account.check_dates({key: value})
            if folded in SECRET_FIELDS:
                apps.check_field(key, value)
        except (BadRequest, Refused) as error:
            yield Fault(raw.at(key), _why_not(key, error))
        if folded in seen:
            yield Fault(raw.at(key), f"{named(key)}: found beside {named(seen[folded])}, which is the same field")
        seen[folded] = key
        if folded in PASSWORD_WORDS and value:
            yield Fault(raw.at(key), f"{named(key)}: {NO_FIELD}")
        if suspended and folded == "mailstatus":
            yield Fault(raw.at(key), f'{named(key)}: found beside state = "suspended", which sets it')


def _why_not(key: str, error: BadRequest | Refused) -> str:
    """Why no field can be made of it, without a value that may be a password."""
    if isinstance(error, account.BadDate):
        found = shown(error.value) if DATE_LIKE.fullmatch(error.value) else "something else"
        return f"{named(key)}: found {found}, wanted {account.WANTED}"
    return f"{shown(key)}: {str(error).removeprefix('malformed info: ')}"
