"""What a user is: the name, what a store keeps for it, the info fields.

Everything here travels on the path of a look-up, so it is built without `dataclasses` and `typing`,
whose import costs a spawned child more than the interpreter's own start (DECISIONS.md, "Records").
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Final


class Record:
    """An immutable value, equal and printed by its fields.

    A subclass lists its fields in ``__slots__`` and sets each once in ``__init__``, annotated ``Final`` (mypy
    holds callers to it).  Fields named in `SECRET` stay out of `repr`.
    """

    __slots__: tuple[str, ...] = ()
    SECRET: tuple[str, ...] = ()

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, field) for field in self.__slots__)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        for field in self.__slots__:  # noqa: SIM110 - a generator costs more than what it compares
            if getattr(self, field) != getattr(other, field):
                return False
        return True

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        shown = (f"{field}={getattr(self, field)!r}" for field in self.__slots__ if field not in self.SECRET)
        return f"{type(self).__name__}({', '.join(shown)})"


# The info fields that are secrets: nobody is shown them, and they are changed by a command of their own alone.
APP_PASSWORDS = "app_passwords"
SECRET_FIELDS = (APP_PASSWORDS,)


class Info:
    """The info text of a user: ``name="value"`` fields in stored order, odd text kept byte for byte.

    The text is kept as it stands and read only when a field is asked for: a look-up gives it out untouched.
    """

    __slots__ = ("text",)

    def __init__(self, text: str = "") -> None:
        self.text: Final = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Info) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Info({self.public().text!r})"

    def __bool__(self) -> bool:
        return bool(self.text)

    def pieces(self) -> Iterator[tuple[str, str, int, int]]:
        """Every field as (name, value, start, end) of the text; what lies between them is odd text.

        A field is a run of characters without blank, ``=`` or quote, then ``="``, a value without quotes, and a quote.
        """
        text, at = self.text, 0
        while True:
            equals = text.find('="', at)
            if equals < 0:
                return
            start = equals
            while start > at and text[start - 1] not in ' \t="':
                start -= 1
            end = text.find('"', equals + 2)
            if end < 0:
                return
            if start == equals:  # a value without a name: odd text
                at = end + 1
                continue
            yield text[start:equals], text[equals + 2 : end], start, end + 1
            at = end + 1

    def get(self, field: str) -> str | None:
        """The value of `field` (names compare without case; the last one counts), or None."""
        wanted, text = field.lower(), self.text.lower()
        if wanted not in text:
            return None
        found = None
        if not text.isascii():
            for name, value, _, _ in self.pieces():
                if name.lower() == wanted:
                    found = value
            return found
        at = 0  # the same as by `pieces`, without cutting out what is not asked for
        while (equals := text.find('="', at)) >= 0 and (end := text.find('"', equals + 2)) >= 0:
            if text.endswith(wanted, at, equals):
                start = equals
                while start > at and text[start - 1] not in ' \t="':
                    start -= 1
                if start < equals and text[start:equals] == wanted:
                    found = self.text[equals + 2 : end]
            at = end + 1
        return found

    def fields(self) -> dict[str, str]:
        """All fields, in stored order, under the spelling that they are stored with."""
        found: dict[str, tuple[str, str]] = {}
        for name, value, _, _ in self.pieces():
            key = name.lower()
            found[key] = (found[key][0] if key in found else name, value)
        return dict(found.values())

    def odd_text(self) -> str:
        """What stands between the fields and is none."""
        text, found, at = self.text, "", 0
        for _, _, start, end in self.pieces():
            found, at = found + text[at:start], end
        return found + text[at:]

    def names_a_secret(self) -> bool:
        """Whether the name of a secret stands anywhere in it: nearly nobody's does, and this is quick to see."""
        return APP_PASSWORDS in self.text.lower()

    def public(self) -> Info:
        """The same without the fields that are secrets: what may be shown, to servers as to people.

        Of a text damaged in such a field nothing is shown from there on.
        """
        if not self.names_a_secret():
            return self
        kept = self.updated(dict.fromkeys(SECRET_FIELDS, ""))
        at = kept.damaged_secret()
        return kept if at < 0 else Info(kept.text[:at].rstrip(" \t"))

    def damaged_secret(self) -> int:
        """Where a secret begins that is no whole field; -1: nowhere.

        Between fields its mere name is enough: a blank before the ``=`` makes odd text of what a hand wrote.
        """
        text = "".join(c.lower() if c.isascii() else c for c in self.text)
        at = 0
        for _, _, start, end in [*self.pieces(), ("", "", len(text), len(text))]:
            for field in SECRET_FIELDS:
                found = text.find(field, at, start)
                if found < 0 and text.endswith(f'{field}="', start, end):  # the quote before it was not ended
                    found = text.rfind(field, start, end)
                if found >= 0:
                    return found
            at = end
        return -1

    def updated(self, changes: Mapping[str, str]) -> Info:
        """A copy with `changes`: fields are replaced in their place, new ones come last, an empty value removes."""
        wanted = {name.lower(): (name, value) for name, value in changes.items()}
        text, kept, at = self.text, "", 0
        for name, _, start, end in self.pieces():
            if name.lower() not in wanted:
                continue
            value = wanted[name.lower()][1]
            kept += text[at:start]
            at = end
            if value:
                kept += f'{name}="{value}"'
                wanted[name.lower()] = (name, "")  # a second one of the name is removed
            else:
                kept, at = _closed_up(kept, text, at)
        new = Info(kept + text[at:])
        added = info_text({field: value for field, value in wanted.values() if value})
        if not added:
            return new
        place = len(new.text)
        if _has_open_quote(new.text):  # a field behind it would be read as a part of it
            place = max((end for _, _, _, end in new.pieces()), default=0)
        return Info(_joined(_joined(new.text[:place], added), new.text[place:]))


def _is_blank(character: str) -> bool:
    return character in (" ", "\t")


def _closed_up(before: str, text: str, at: int) -> tuple[str, int]:
    """What stands before a removed field, and where the text goes on: a blank goes with it, nothing runs together."""
    after = text[at : at + 1]
    if _is_blank(before[-1:]) and (not after or _is_blank(after)):
        return before[:-1], at
    if not before and _is_blank(after):
        return before, at + 1
    if before and after and not _is_blank(before[-1]) and not _is_blank(after):
        return before + " ", at
    return before, at


def _has_open_quote(text: str) -> bool:
    """Whether a value begins in `text` and does not end."""
    at = text.find('="')
    while at >= 0:
        end = text.find('"', at + 2)
        if end < 0:
            return True
        at = text.find('="', end + 1)
    return False


def _joined(left: str, right: str) -> str:
    """Two texts with a blank between them where there is none."""
    if not left or not right or _is_blank(left[-1]) or _is_blank(right[0]):
        return left + right
    return f"{left} {right}"


def info_text(fields: Mapping[str, str]) -> str:
    """The text of info fields, as this program writes it."""
    return " ".join([f'{field}="{value}"' for field, value in fields.items()])


# What a server is told of a user whose drop path or uid is no word of a reply, or must not be said.
UNSAYABLE = "the drop path or uid of this user cannot be said, see the log"


# What a store says of a user where it knows nothing else: the server then uses its own.
PLAIN = {"drop_path": "config", "uid": "0", "ip_mask": ""}


class User(Record):
    """One user as a store knows it.  `name` is the spelling stored; `stored_password` is what the store keeps.

    `drop_path` is ``config`` and `uid` is ``0`` where the store knows none: the server then uses its own.  `ip_mask` is
    from where the account may log in (`nwauth.policy.hosts`); empty: from anywhere.
    """

    __slots__ = ("drop_path", "info", "ip_mask", "name", "store", "stored_password", "uid")
    SECRET = ("stored_password",)

    def __init__(
        self,
        *,
        name: str,
        stored_password: str,
        info: Info,
        drop_path: str = "config",
        uid: str = "0",
        store: str = "",
        ip_mask: str = "",
    ) -> None:
        self.name: Final = name
        self.stored_password: Final = stored_password
        self.info: Final = info
        self.drop_path: Final = drop_path
        self.uid: Final = uid
        self.store: Final = store
        self.ip_mask: Final = ip_mask

    @classmethod
    def of(cls, held: tuple[str, ...], *, store: str) -> User:
        """The user of whom a store keeps `held`: the reverse of `held`."""
        name, stored_password, drop_path, uid, ip_mask, info = held
        return cls(
            name=name,
            stored_password=stored_password,
            info=Info(info),
            drop_path=drop_path,
            uid=uid,
            ip_mask=ip_mask,
            store=store,
        )

    def unsayable(self) -> str:
        """Why the drop path or the uid cannot be a word of a reply, for people; "" where both can."""
        for what, word in (("drop path", self.drop_path), ("uid", self.uid)):
            fault = fault_of_word(word)
            if fault:
                return f"the {what} of {self.name!a} {fault}: {word!a}"
        return ""

    def own(self) -> dict[str, str]:
        """The drop path, uid and mask, where they are not as `PLAIN` has them."""
        return {key: value for key, plain in PLAIN.items() if (value := getattr(self, key)) != plain}

    def held(self) -> tuple[str, ...]:
        """What a store keeps of the user, as text; two stores hold the same user where it is equal."""
        return self.name, self.stored_password, self.drop_path, self.uid, self.ip_mask, self.info.text

    def changed(
        self,
        *,
        name: str | None = None,
        stored_password: str | None = None,
        info: Info | None = None,
        store: str | None = None,
        ip_mask: str | None = None,
    ) -> User:
        """A copy with what is given in place of what is."""
        return User(
            name=self.name if name is None else name,
            stored_password=self.stored_password if stored_password is None else stored_password,
            info=self.info if info is None else info,
            drop_path=self.drop_path,
            uid=self.uid,
            store=self.store if store is None else store,
            ip_mask=self.ip_mask if ip_mask is None else ip_mask,
        )


def fault_of_word(word: str) -> str:
    """Why a reply cannot hold `word` as one of its words; "" where it can."""
    if word.isprintable() and " " not in word and '"' not in word:
        return "" if word else "is empty"
    first = next(character for character in word if character in ' "' or not character.isprintable())
    if "\udc80" <= first <= "\udcff":
        return "holds a byte that is no UTF-8"
    if first < " " or "\x7f" <= first < "\xa0":
        return "holds a control character"
    if first.isspace():
        return "holds a blank"
    return "holds a quote" if first == '"' else "holds a character that cannot be shown"
