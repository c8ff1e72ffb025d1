"""`ProcessStore`: the users of another program of this protocol."""

from __future__ import annotations

from time import monotonic

from nwauth.errors import NotSupported, Refused, Unavailable
from nwauth.names import fold
from nwauth.stores.base import Store
from nwauth.stores.health import PUBLIC, unheard
from nwauth.stores.process import wire
from nwauth.stores.process.keeper import FIRST_PAUSE_SECONDS
from nwauth.stores.process.module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Final

    from nwauth.model import User
    from nwauth.stores.health import Notice
    from nwauth.stores.process.wire import Reply

REQUEST_SECONDS = 8.0  # for all that one request of the mail server asks of the module; it waits for 10
LISTING_SECONDS = 9.0  # to the next hit of a search: a module may read through all of its users for one


class ProcessStore(Store):
    """The users that a module knows: the program `command`, started in `folder` and kept.

    The module verifies and hashes by itself: users come without a stored password, and one that is to be stored is
    given in the clear, behind ``{CLEAR}``.  `address` says how the module reads a check (see `wire.check`);
    `send_fields`: whether a change tells it "all" info fields or the "changed" ones; `lists_in_order`: whether its
    searches come by folded name; `dead_texts`: what stands in an ``-ERR`` that is no "no".
    """

    waits = True
    hides_passwords = True

    def __init__(
        self,
        command: Sequence[str],
        *,
        name: str = "process",
        folder: str = ".",
        environment: Mapping[str, str] | None = None,
        timeout_seconds: float = 5.0,
        address: str = "auto",
        send_fields: str = "all",
        lists_in_order: bool = False,
        dead_texts: Sequence[str] = (),
        read_only: bool = False,
        notice: Notice | None = None,
        pause_seconds: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        self.name = name
        self._timeout_seconds: Final = timeout_seconds
        self._address: Final = address
        self._sends_all: Final = send_fields == "all"
        self._lists_in_order: Final = lists_in_order
        self._read_only: Final = read_only
        self._module: Final = Module(
            command,
            store=name,
            folder=folder,
            environment=environment or {},
            dead_texts=dead_texts,
            notice=notice or unheard,
            pause_seconds=pause_seconds,
        )
        self._request_until: float | None = None
        self._login_until = 0.0
        self._asked = ("", "")  # the user given out last: by the name that the module gave, and the one asked for
        self._total: int | None = None  # of users, as the last search said

    def begin(self) -> None:
        self._request_until = monotonic() + max(self._timeout_seconds, REQUEST_SECONDS)

    def end(self) -> None:
        self._request_until = None

    def _until(self) -> float:
        """When the answer must be there that is asked for now."""
        until = monotonic() + self._timeout_seconds
        return until if self._request_until is None else min(until, self._request_until)

    # --- questions --------------------------------------------------------------------------------------------------

    def lookup(self, name: str) -> User | None:
        if not wire.can_name(name):
            return None
        self._login_until = monotonic() + max(self._timeout_seconds, REQUEST_SECONDS)
        reply = self._module.ask(wire.lookup(name), name=name, until=self._until())
        if reply.kind == "-ERR":
            return None
        user = wire.user_of(reply.text, store=self.name)
        if not wire.can_name(user.name):
            raise self._module.cannot_tell(reply)
        self._asked = (user.name, name)
        return user

    def verify(self, user: User, password: bytes, *, address: str | None = None) -> bool | None:
        given, asked = self._asked
        name, until = user.name, self._until()
        if name == given:  # a module may not know a user by the name that it gave itself
            name = asked
            if self._login_until > monotonic():
                until = min(until, self._login_until)
        request = wire.check(name, password, address, reading=self._address)
        if request is None or not wire.can_name(name):
            return False
        reply = self._module.ask(request, name=name, until=until, secret=password)
        if reply.kind == "-ERR" and not wire.is_wrong_password(reply.text, name):
            raise Refused(f"the module says: {self._module.quoted(reply.text)}")
        return reply.kind == "+OK"

    def search(self, pattern: str = "") -> Iterator[User]:
        hits = self._hits(wire.search(pattern))
        if self._lists_in_order:
            yield from self._ordered(hits)
            return
        from nwauth.stores.sorting import in_order

        yield from in_order(hits)

    def _ordered(self, users: Iterator[User]) -> Iterator[User]:
        last = ""
        for user in users:
            key = fold(user.name)
            if key < last:
                raise Unavailable(
                    f"{self.place()}: {user.name!a} came too late in a search, wanted lists_in_order = false for it",
                    public=PUBLIC,
                )
            last = key
            yield user

    def _hits(self, request: bytes) -> Iterator[User]:
        self._total = None
        patience = max(self._timeout_seconds, LISTING_SECONDS)
        for reply in self._module.listing(request, timeout_seconds=patience):
            if reply.kind == "+DATA":
                yield wire.hit_of(reply.text, store=self.name)
            elif reply.kind == "-ERR":
                raise self._refusal(reply, "")
            else:
                self._total = wire.total_of(reply.text)

    def count(self) -> int | None:
        if self._total is not None:
            return self._total
        return sum(1 for _ in self._hits(wire.search("")))

    # --- changes ----------------------------------------------------------------------------------------------------

    def put(self, user: User) -> bool:
        self._must_write()
        if (user.drop_path, user.uid, user.ip_mask) != ("config", "0", ""):
            raise Refused("a module cannot be told a drop path, uid or ip mask")
        if not user.stored_password:
            raise Refused("a module is given no user without a password")
        fields = user.info.fields()
        if user.info.updated(dict.fromkeys(fields, "")).text.strip():
            raise Refused("a module is told info as fields, and there is other text in it")
        request = wire.set_user(user.name, user.stored_password, fields)
        if self.lookup(user.name) is not None:
            return False
        self._set(request, user)
        return True

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        del wait_seconds  # a module has its own way with other writers
        self._must_write()
        name = self._known_as(old)
        if self.lookup(name) != old:
            return False
        if new.name != old.name or (new.drop_path, new.uid, new.ip_mask) != (old.drop_path, old.uid, old.ip_mask):
            raise Refused("a module cannot be told another spelling, drop path, uid or ip mask of a user")
        field = "" if new.stored_password == old.stored_password else new.stored_password
        self._set(wire.set_user(name, field, self._changes(old, new)), new)
        return True

    def rename(self, old: User, new: User) -> bool | None:
        del old, new
        self._must_write()
        raise Refused(
            "a module keeps passwords to itself, so nobody in it can be renamed: add the new name, delete the old"
        )

    def delete(self, name: str, *, only: User | None = None) -> bool:
        self._must_write()
        if only is not None:
            name = self._known_as(only) if fold(only.name) == fold(name) else name
        if not wire.can_name(name) or (only is not None and self.lookup(name) != only):
            return False
        reply = self._module.change(wire.delete(name), name=name, until=self._until())
        if reply.kind == "+OK":
            return True
        if self.lookup(name) is None:
            return False
        raise self._refusal(reply, name)

    def _changes(self, old: User, new: User) -> dict[str, str]:
        """What the module is told of the info; it may keep the fields that it is not told of, or forget them."""
        before, after = old.info.fields(), new.info.fields()
        if before == after:
            return {}
        keys = {label.lower() for label in after}
        told = {label: value for label, value in after.items() if self._sends_all or before.get(label) != value}
        return told | {label: "" for label in before if label.lower() not in keys}

    def _set(self, request: bytes, user: User) -> None:
        secret = wire.encoded(user.stored_password.removeprefix(wire.CLEAR_TAG))
        reply = self._module.change(request, name=user.name, until=self._until(), secret=secret)
        if reply.kind == "-ERR":
            raise self._refusal(reply, user.name)

    def _known_as(self, user: User) -> str:
        """The name by which the module knows a user whom it has just given: it may not be the one that it gave."""
        given, asked = self._asked
        return asked if given == user.name and fold(asked) != fold(given) else user.name

    def _refusal(self, reply: Reply, name: str) -> Refused | NotSupported:
        """What to raise where the module will not."""
        if wire.is_not_understood(reply.text, name):
            return NotSupported(f"the module says: {self._module.quoted(reply.text)}")
        return Refused(self._module.quoted(reply.text) or "the module refuses it")

    def _must_write(self) -> None:
        if self._read_only:
            raise NotSupported

    # --- upkeep -----------------------------------------------------------------------------------------------------

    def place(self) -> str:
        return f"the module {self._module.program}"

    def make(self) -> bool:
        self._must_write()
        self._module.check(self._until())
        return False

    def tend(self) -> None:
        self._module.tend()

    def close(self) -> None:
        self._module.close()
