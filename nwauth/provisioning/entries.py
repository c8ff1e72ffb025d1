"""What a plan says of one user, checked; whatever is wrong is told with its place, and nothing of that user is used."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from nwauth.model import Record
from nwauth.names import MAX_NAME_BYTES, fold
from nwauth.passwords.inspecting import all_known
from nwauth.provisioning.damaged import DamagedHashes
from nwauth.provisioning.heads import BadHead, head_of
from nwauth.provisioning.parts import Fault, Raw, Rows, named, shown
from nwauth.provisioning.plain import FIRST_LINE, Plain, line_of
from nwauth.provisioning.spool import PART, place
from nwauth.provisioning.values import NoText, check_key, text_of
from nwauth.provisioning.words import NO_INFO, OWN_KEYS, PASSWORD_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Final

    from nwauth.provisioning.judging import Judging


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

    `scope` is the pattern of the plan's head, or the one that was given; `defaults` are filled in by who knows the
    user.
    """

    def __init__(self, judging: Judging) -> None:
        self._judging: Final = judging
        self._given_scope: Final = judging.scope
        self.defaults: dict[str, str] = {}
        self.always = False
        self.damaged: Final = DamagedHashes(star_is_clear=judging.star_is_clear)
        self.plain: Final = Plain(
            names=judging.names,
            whole=judging.whole,
            all_known=partial(all_known, star_is_clear=judging.star_is_clear),
            damaged=self.damaged,
        )
        self.clear_text = 0
        self.doubts: Final = self.plain.doubts

    @property
    def scope(self) -> str:
        """The pattern that every user has to be of; "": none."""
        return self._judging.scope

    @property
    def matches(self) -> Callable[[str], bool] | None:
        """Whether a folded name is of the scope; None: each is."""
        return self._judging.matches

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
                rows = self.plain.rows(raw, self._judging.tests()) if takes_plain else None
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
            self._judging.take_scope(head.scope)
        yield from (Fault(raw.at(one.key), str(one), is_of_all=True) for one in faults)

    # --- a user -----------------------------------------------------------------------------------------------------

    def _entry(self, raw: Raw) -> Iterator[Entry | Fault]:
        values, generate, faults = _text_of(raw)
        faults += self._judging.faults(raw, values, generate=generate)
        if faults:
            name = values.get("name", "")
            if len(name) > MAX_NAME_BYTES:  # nobody's
                name = ""
            for fault in faults:
                yield Fault(fault.place, fault.text, name=name and (fault.name or name), is_same=fault.is_same)
        if faults or raw.is_spoilt:
            return
        secret_kind = next((key for key in PASSWORD_KEYS if values.get(key)), "")
        state = values.get("state", "present")
        fields = {key: value for key, value in values.items() if key not in NO_INFO}
        if state == "suspended":
            fields["mailstatus"] = "suspended"
        entry = Entry(
            name=self._judging.whole(values["name"]),
            line=raw.line,
            state=state,
            secret_kind=secret_kind or ("generate" if generate else ""),
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


def _text_of(raw: Raw) -> tuple[dict[str, str], bool, list[Fault]]:
    """What is said of a user, as text; whether a password is to be made up; and what is wrong with the rest."""
    values: dict[str, str] = {}
    faults: list[Fault] = []
    generate = False
    for key, value in raw.values.items():
        try:
            check_key(key)
            if key == "generate" and isinstance(value, bool):
                generate = value
            else:
                values[key] = value if type(value) is str and value.isprintable() else text_of(value)
        except NoText as error:
            faults.append(Fault(raw.at(key), f"{named(key)}: {error}"))
    if "generate" in values:
        word = values.pop("generate").lower()
        if word not in ("true", "false"):
            faults.append(Fault(raw.at("generate"), "generate: found something else, wanted true or false"))
        generate = word == "true"
    return values, generate, faults
