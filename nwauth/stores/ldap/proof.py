"""The proof that a "no" needs: users could be seen a moment ago, by the account that looks for them."""

from __future__ import annotations

from time import monotonic

from nwauth.stores.ldap import messages
from nwauth.stores.ldap.wire import Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from nwauth.stores.ldap.messages import Answer, Operation
    from nwauth.stores.ldap.people import People
    from nwauth.stores.ldap.wire import Wire

PROOF_SECONDS = 60.0  # how long it counts; spec/stores.md section 5


class Proof:
    """That one user at least can be seen below the base; or, where there may be none, the base itself.

    A directory that hides users from us says "success, nobody", just as one that has none.
    """

    def __init__(
        self, people: People, *, bind_dn: str, bind_password: bytes, may_be_empty: bool, seconds: float, wait: float
    ) -> None:
        self._base: Final = people.base
        self._names: Final = people.names
        self._bind_dn: Final = bind_dn
        self._bind_password: Final = bind_password
        self._new_probe: Final = people.probe_of_base if may_be_empty else people.probe
        self._seconds: Final = seconds
        self._wait: Final = wait
        self._until = 0.0

    def is_old(self) -> bool:
        """Whether it must be given again."""
        return monotonic() >= self._until

    def probe(self) -> Operation:
        """The request that gives it."""
        return self._new_probe(seconds=self._wait)

    def introduce(self, wire: Wire, until: float) -> None:
        """Bind on a new connection, and see that users can be seen there.  Raises Trouble."""
        if self._bind_dn:
            (answer,) = wire.ask([messages.bind(self._bind_dn, self._bind_password)], until)
            if answer.code != messages.SUCCESS:
                raise Trouble(f"bind_dn {self._bind_dn} is refused: {answer}")
        (answer,) = wire.ask([self.probe()], until)
        self._must_show_someone(answer)

    def greet(self, wire: Wire, until: float) -> None:
        """`introduce`, on the connection that is to be asked.  Raises Trouble."""
        began = monotonic()
        self.introduce(wire, until)
        self._until = began + self._seconds

    def note(self, answer: Answer, began: float) -> None:
        """The answer to a probe that was sent at `began`.  Raises Trouble where it proves nothing."""
        self._must_show_someone(answer)
        self._until = began + self._seconds

    def _must_show_someone(self, answer: Answer) -> None:
        """Raises Trouble for a server where nobody can be seen: it must not say who is not there."""
        if answer.entries:  # the size limit is one
            return
        if answer.code == messages.NO_SUCH_OBJECT:
            raise Trouble(f"base {self._base} is not there, or may not be read: {answer}")
        if answer.code != messages.SUCCESS:
            raise Trouble(f"base {self._base} cannot be searched: {answer}")
        raise Trouble(
            f"no user can be seen below {self._base}: look at base, filter, attributes.name"
            f" ({' or '.join(self._names)}), and what bind_dn may read"
        )
