"""What a plan says of one user, checked; whatever is wrong is told with its place, and nothing of that user is used."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING

from nwauth.errors import Refused
from nwauth.model import SECRET_FIELDS, Record, fault_of_word
from nwauth.names import ENCODING, ERRORS, MAX_NAME_BYTES, covering, fault_of_halves, fold
from nwauth.passwords.inspecting import all_known, known_tag
from nwauth.policy import account, apps
from nwauth.policy.hosts import WANTED, BadHost, read_mask
from nwauth.protocol import BadRequest, check_field
from nwauth.provisioning.damaged import DamagedHashes
from nwauth.provisioning.heads import UPDATES, BadHead, head_of
from nwauth.provisioning.parts import Fault, Place, Raw, Rows, named, shown
from nwauth.provisioning.plain import FIRST_LINE, Plain, line_of
from nwauth.provisioning.spool import PART, place
from nwauth.provisioning.values import NO_FIELD, NoText, check_key, text_of
from nwauth.provisioning.words import NO_INFO, OWN_KEYS, PASSWORD_KEYS, PASSWORD_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Final

    from nwauth.names import NameRules
    from nwauth.passwords import Passwords

STATES = ("present", "absent", "suspended")
# A date in another form; anything else may be a password, in a row that has slipped, and is not shown.
DATE_LIKE = re.compile(r"[0-9]{1,4}([./-])[0-9]{1,2}\1[0-9]{1,4}([ T]+[0-9:]{4,8})?")


class Entry(Record):
    """What a plan wants of one user.

    `secret_kind` is one of `PASSWORD_KEYS` or "", `secret` what is said there.  `fields` are info fields; an empty
    value takes one away.  `line` 0: it cannot be told.
    """

    __slots__ = ("always", "fields", "line", "name", "own", "secret", "secret_kind", "state")
    SECRET = ("secret",)

    def __init__(
        self,
        *,
        name: str,
        line: int,
        state: str,
        secret_kind: str,
        secret: str,
        always: bool,
        fields: dict[str, str],
        own: dict[str, str],
    ) -> None:
        self.name: Final = name
        self.line: Final = line
        self.state: Final = state
        self.secret_kind: Final = secret_kind
        self.secret: Final = secret
        self.always: Final = always
        self.fields: Final = fields
        self.own: Final = own

    def row(self) -> str:
        """For a `Spool`."""
        said = (self.name, self.line, self.state, self.secret_kind, self.secret, self.always, self.fields, self.own)
        return PART.join((place(fold(self.name)), str(FIRST_LINE + self.line), "", json.dumps(said)))

    @classmethod
    def of(cls, row: str) -> Entry:
        """The reverse of `row`."""
        name, line, state, kind, secret, always, fields, own = json.loads(row.rpartition(PART)[2])
        return cls(
            name=name,
            line=line,
            state=state,
            secret_kind=kind,
            secret=secret,
            always=always,
            fields=fields,
            own=own,
        )


class Reader:
    """Makes entries of what stands in a plan.

    `scope` is the pattern of the plan's head, or the one given; `defaults` are filled in by who knows the user.
    `whole` gives a name the default domain.  `is_there` tells whether a user stands in the store: names that do are not
    judged.  `is_asked`: whether mail or a login of a folded name asks the store; None: of each.
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
        scope: str = "",
        is_asked: Callable[[str], bool] | None = None,
    ) -> None:
        self._is_there: Final = is_there
        self._names: Final = names
        self._whole: Final = whole
        self._passwords: Final = passwords
        self._scheme: Final = scheme
        self._star_is_clear: Final = star_is_clear
        self._given_scope: Final = scope
        self.scope = scope
        self.defaults: dict[str, str] = {}
        self.always = False
        self.damaged: Final = DamagedHashes(star_is_clear=star_is_clear)
        known = partial(all_known, star_is_clear=star_is_clear)
        self.plain: Final = Plain(names=names, whole=whole, all_known=known, damaged=self.damaged)
        self.matches: Callable[[str], bool] | None = covering(scope) if scope else None
        self._is_asked: Final = is_asked
        self.clear_text = 0
        self.doubts: Final = self.plain.doubts

    def entries(
        self, found: Iterable[Raw | Rows | Fault], *, takes_plain: bool = False
    ) -> Iterator[Entry | Fault | list[str]]:
        """An entry for each user, or what is wrong with it, each fault by itself.

        `takes_plain`: of thousands who are plain come the rows for a `Spool`, that `plain` has made.
        """
        for raw in found:
            if isinstance(raw, Fault):
                yield raw
            elif isinstance(raw, Rows):
                rows = self.plain.rows(raw, self._tests()) if takes_plain else None
                if rows is not None:
                    yield rows
                else:
                    for one in raw.each():
                        yield from self._entry(one)
            elif raw.is_head:
                yield from self._take_head(raw)
            else:
                yield from self._entry(raw)

    def entry_of(self, row: str) -> Entry:
        """The entry that a row of a `Spool` is."""
        said = self.plain.said(row)
        if said is None:
            return Entry.of(row)
        secret = said.pop("password_hash", "")
        return Entry(
            name=said.pop("name"),
            line=line_of(row),
            state="present",
            secret_kind="password_hash" if secret else "",
            secret=secret,
            always=self.always and bool(secret),
            fields=said,
            own={},
        )

    def _tests(self) -> Callable[[str], bool] | None:
        """What a folded name has to pass; None: nothing."""
        matches, is_asked = self.matches, self._is_asked
        if matches is None or is_asked is None:
            return matches or is_asked
        return lambda key: matches(key) and is_asked(key)

    # --- the head ---------------------------------------------------------------------------------------------------

    def _take_head(self, raw: Raw) -> Iterator[Fault]:
        head, faults = head_of(raw.values)
        self.always = head.always
        self.defaults = head.defaults
        self.doubts.look_at_fields(head.defaults)
        if head.scope and self._given_scope and head.scope != self._given_scope:
            text = f"scope.match: found {shown(head.scope)}, and --match says {shown(self._given_scope)}"
            faults.append(BadHead("scope.match", text))
        elif head.scope:
            self._take_scope(head.scope)
        yield from (Fault(raw.at(one.key), str(one), is_of_all=True) for one in faults)

    def _take_scope(self, scope: str) -> None:
        self.scope = scope
        self.matches = covering(scope)

    # --- a user -----------------------------------------------------------------------------------------------------

    def _entry(self, raw: Raw) -> Iterator[Entry | Fault]:
        faults: list[Fault] = []
        values: dict[str, str] = {}
        flags = {"generate": False}
        for key, value in raw.values.items():
            try:
                check_key(key)
                if key == "generate" and isinstance(value, bool):
                    flags[key] = value
                else:
                    values[key] = value if type(value) is str and value.isprintable() else text_of(value)
            except NoText as error:
                faults.append(Fault(raw.at(key), f"{named(key)}: {error}"))
        if "generate" in values:
            word = values.pop("generate").lower()
            if word not in ("true", "false"):
                faults.append(Fault(raw.at("generate"), "generate: found something else, wanted true or false"))
            flags["generate"] = word == "true"
        faults += self._faults(raw, values, generate=flags["generate"])
        if faults:
            name = values.get("name", "")
            if len(name) > MAX_NAME_BYTES:  # nobody's
                name = ""
            yield from (Fault(fault.place, fault.text, name=name) for fault in faults)
        if faults or raw.is_spoilt:
            return
        secret_kind = next((key for key in PASSWORD_KEYS if values.get(key)), "")
        state = values.get("state", "present")
        fields = {key: value for key, value in values.items() if key not in NO_INFO}
        if state == "suspended":
            fields["mailstatus"] = "suspended"
        entry = Entry(
            name=self._whole(values["name"]),
            line=raw.line,
            state=state,
            secret_kind=secret_kind or ("generate" if flags["generate"] else ""),
            secret=values.get(secret_kind, ""),
            always=values.get("update_password", "always" if self.always and secret_kind else "") == "always",
            fields=fields,
            own={key: values[key] for key in OWN_KEYS if key in values},
        )
        self._look_at(entry)
        yield entry

    def _look_at(self, entry: Entry) -> None:
        """Keep what is worth telling of a user who is taken."""
        self.doubts.look_at_fields(entry.fields)
        match entry.secret_kind:
            case "password":
                self.clear_text += 1
            case "password_hash":
                self.damaged.look_at([entry.name], [entry.secret], [entry.line])

    def _faults(self, raw: Raw, values: dict[str, str], *, generate: bool) -> Iterator[Fault]:
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
        whole = self._whole(name)
        why = self._names.fault(whole) or fault_of_halves(whole)
        if why is not None and values.get("state") != "absent" and not self._is_there(whole):
            yield Fault(raw.at("name"), f"name: nobody may be called {shown(whole)}: {why}")
        asked = self._is_asked is None or values.get("state") == "absent" or self._is_asked(fold(whole))
        if not asked and not self._is_there(whole):
            yield Fault(
                raw.at("name"),
                f"name: mail and logins of {shown(whole)} do not ask this store (its match): give --store NAME",
            )
        if self.matches is not None and not self.matches(fold(whole)):
            yield Fault(raw.at("name"), f"name: {shown(whole)} is outside the scope, {shown(self.scope)}")

    def _faults_of_secret(self, raw: Raw, values: dict[str, str]) -> Iterator[Fault]:
        field, password = values.get("password_hash", ""), values.get("password", "")
        if field:
            if ":" in field or (not field.isprintable() and any(c < " " or c == "\x7f" for c in field)):
                yield Fault(raw.at("password_hash"), "password_hash: found a colon or control character in it")
            elif self._passwords.identify(field, star_is_clear=self._star_is_clear).name == "unknown":
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


__all__ = ["Entry", "Place", "Reader"]
