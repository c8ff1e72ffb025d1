"""`LdapStore`: users in a directory; and what of its answers is "yes", "no" and "cannot tell"."""

from __future__ import annotations

from time import monotonic, time

from nwauth.errors import NotSupported, NwauthError, Refused, Unavailable
from nwauth.model import Record
from nwauth.names import fold
from nwauth.stores.base import Store
from nwauth.stores.health import PUBLIC, Health, unheard
from nwauth.stores.ldap import messages, states
from nwauth.stores.ldap.dial import Dialler
from nwauth.stores.ldap.link import RETRY_SECONDS, Limits, Line, Peers
from nwauth.stores.ldap.listing import entries
from nwauth.stores.ldap.proof import PROOF_SECONDS, Proof
from nwauth.stores.ldap.url import parsed
from nwauth.stores.ldap.wire import Trouble
from nwauth.stores.sorting import in_order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Final

    from nwauth.model import User
    from nwauth.stores.health import Notice
    from nwauth.stores.ldap.link import Peer
    from nwauth.stores.ldap.messages import Answer, Entry
    from nwauth.stores.ldap.people import People
    from nwauth.stores.ldap.wire import Wire

RECENT_USERS = 64  # whose entries are remembered from the look-up to the bind


class Found(Record):
    """An entry that a look-up found: its name in the directory, and what keeps a login out.

    `passwords` counts those that it shows; `until` is when the request ends that it was found in.
    """

    __slots__ = ("dn", "passwords", "refusal", "until", "user")

    def __init__(self, user: User, *, dn: str, refusal: str, passwords: int, until: float) -> None:
        self.user: Final = user
        self.dn: Final = dn
        self.refusal: Final = refusal
        self.passwords: Final = passwords
        self.until: Final = until


class LdapStore(Store):
    """Users whom `people` describes, in the directory that each of the servers at `urls` holds; never written.

    Without `bind_dn` it is searched as a guest.  `start_tls`, `ca_file` and `checks_certificate` are as for `Dialler`,
    `may_be_empty` as for `Proof`.  `notice` is told the beginning and the end of each outage, once.  `now` gives the
    seconds since 1970.
    """

    waits = True

    def __init__(
        self,
        urls: Sequence[str],
        people: People,
        *,
        name: str = "ldap",
        bind_dn: str = "",
        bind_password: str = "",
        start_tls: bool = False,
        ca_file: str | None = None,
        checks_certificate: bool = True,
        limits: Limits | None = None,
        ignores_referrals: bool = False,
        may_be_empty: bool = False,
        notice: Notice | None = None,
        retry_seconds: float = RETRY_SECONDS,
        proof_seconds: float = PROOF_SECONDS,
        now: Callable[[], float] = time,
    ) -> None:
        self.name = name
        self._people: Final = people
        self._limits: Final = limits or Limits()
        self._ignores_referrals: Final = ignores_referrals
        self._now: Final = now
        self._reading: Final = Health("reading", name, notice or unheard)
        self._checking: Final = Health("checking passwords", name, notice or unheard)
        self._proof: Final = Proof(
            people,
            bind_dn=bind_dn,
            bind_password=bind_password.encode("utf-8", "surrogateescape"),
            may_be_empty=may_be_empty,
            seconds=proof_seconds,
            wait=self._limits.request,
        )
        diallers = [
            Dialler(parsed(url), start_tls=start_tls, ca_file=ca_file, checks_certificate=checks_certificate)
            for url in urls
        ]
        self._peers: Final = Peers(diallers, store=name, notice=notice or unheard, retry_seconds=retry_seconds)
        self._reader: Final = Line(self._peers, self._limits, self._proof.greet)
        self._lister: Final = Line(self._peers, self._limits, self._proof.introduce)
        self._binder: Final = Line(self._peers, self._limits, _without_a_word)
        self._recent: dict[str, Found] = {}
        self._since = 0.0
        self._is_begun = False
        self._is_warm = False

    def begin(self) -> None:
        self._since, self._is_begun = monotonic(), True

    def end(self) -> None:
        self._is_begun = False

    # --- questions --------------------------------------------------------------------------------------------------

    def lookup(self, name: str) -> User | None:
        if not self._is_begun:
            self._since = monotonic()
        found = self._find(name)
        return None if found is None else found.user

    def verify(self, user: User, password: bytes, *, address: str | None = None) -> bool | None:
        del address
        now = monotonic()
        if now > self._until() and not self._is_begun:  # no look-up was part of this request
            self._since = now
        found = self._recent.get(fold(user.name))
        if found is None or now > found.until:
            found = self._find(user.name)
        if found is None:
            return False
        if not self._people.compares:
            return self._bound(found, password)
        _must_be_comparable(found)
        return None

    def search(self, pattern: str = "") -> Iterator[User]:
        del pattern  # servers take spaces and accents otherwise than we do, and cannot tell how many there are
        if not self._people.can_be_listed:
            raise NotSupported("not supported here: its filter takes names apart, whole ones cannot be listed")
        yield from in_order(map(self._listed, self._everybody()))

    def _everybody(self) -> Iterator[Entry]:
        return entries(
            self._people,
            self._peers,
            self._lister,
            first=self._reader.peer,
            seconds=self._limits.whole,
            fault=self._fault,
        )

    def _listed(self, entry: Entry) -> User:
        return self._people.reading.listed(entry, self._people.first_name(entry), store=self.name)

    # --- one user ---------------------------------------------------------------------------------------------------

    def _until(self) -> float:
        return self._since + self._limits.whole

    def _find(self, name: str) -> Found | None:
        """The entry of a user; None when there is none, and users could be seen a moment ago.

        Both are asked for in one round trip, where the proof is too old.
        """
        request = self._people.search(name, seconds=self._limits.request)
        began, is_old = monotonic(), self._proof.is_old()
        operations = [] if request is None else [request]
        if is_old:
            operations.append(self._proof.probe())
        answers = self._reader.ask(operations, self._until()) if operations else []
        found = None if request is None else self._one(answers[0], name)
        if is_old:
            try:
                self._proof.note(answers[-1], began)
            except Trouble as trouble:
                if found is None:  # a "yes" needs no proof
                    raise self._reader.disowned(trouble) from None
        return found

    def _one(self, answer: Answer, name: str) -> Found | None:
        """Of the entries that the directory takes for the name, the one that has it."""
        self._must_be_whole(answer, name)
        key = fold(name)
        spellings = [(entry, self._people.named(entry, name, key)) for entry in answer.entries]
        ours = [(entry, spelling) for entry, spelling in spellings if spelling is not None]
        if len(ours) > 1:
            dns = "; ".join(entry.dn for entry, _ in ours)
            raise Unavailable(f"{len(ours)} entries have the name {name!a}: which is meant? {dns}", public=PUBLIC)
        if not ours:
            return None
        found = self._found(*ours[0])
        if len(self._recent) >= RECENT_USERS:
            self._recent.clear()
        self._recent[key] = found
        return found

    def _found(self, entry: Entry, spelling: str) -> Found:
        reading = self._people.reading
        return Found(
            reading.user(entry, spelling, store=self.name),
            dn=entry.dn,
            refusal=states.refusal_of_entry(entry.values, seconds=self._now()),
            passwords=reading.passwords(entry),
            until=self._until(),
        )

    def _must_be_whole(self, answer: Answer, name: str) -> None:
        """Raises Unavailable for an answer that does not tell who is there."""
        if answer.code == messages.SIZE_LIMIT:
            raise Unavailable(f"more entries than can be told apart answer to the name {name!a}", public=PUBLIC)
        trouble = self._fault(answer, self._reader.peer)
        if trouble:
            if answer.code != messages.SUCCESS:
                self._reader.close()  # the account's bind may have come to its end there
            raise self._reading.failed(trouble)
        self._reading.works()

    def _fault(self, answer: Answer, peer: Peer | None) -> str:
        """Why an answer does not tell who is there; "" where it does."""
        base = self._people.base
        if answer.code == messages.NO_SUCH_OBJECT:
            return f"{peer}: base {base} is not there, or may not be read: {answer}"
        if answer.code != messages.SUCCESS:
            return f"{peer}: the search answers {answer}"
        if answer.references and not self._ignores_referrals:
            return (
                f"{peer}: a part of {base} is on another server (a referral): narrow base,"
                " or ignore_referrals = true if no users are there"
            )
        return ""

    # --- passwords --------------------------------------------------------------------------------------------------

    def _bound(self, found: Found, password: bytes) -> bool:
        """Whether the directory takes the password for the entry; for a "no", where the entry still is."""
        if not password:  # a bind without one is a guest's, and succeeds
            return False
        if not self._takes(found.dn, password):
            again = self._find(found.user.name)  # a moved entry takes no password under its old name
            if again is None or again.dn == found.dn or not self._takes(again.dn, password):
                return False
            found = again
        if found.refusal:
            raise Refused(found.refusal)
        return True

    def _takes(self, dn: str, password: bytes) -> bool:
        if not dn:
            raise Unavailable("the directory gave an entry without a name: nobody can bind as it", public=PUBLIC)
        (answer,) = self._binder.ask([messages.bind(dn, password)], self._until(), first=self._reader.peer)
        if answer.code not in (messages.SUCCESS, messages.INVALID_CREDENTIALS):
            raise self._checking.failed(f"{self._binder.peer}: the bind of a user answers {answer}")
        self._checking.works()
        if answer.code == messages.SUCCESS:
            return True
        if self._binder.peer is not self._reader.peer:  # there nobody has seen the user: it may be filled anew
            raise Unavailable(f"{self._binder.peer} refuses a user seen at {self._reader.peer} only", public=PUBLIC)
        refusal = states.refusal_of_bind(answer.text)
        if refusal is not None:
            raise refusal
        return False

    # --- upkeep -----------------------------------------------------------------------------------------------------

    def place(self) -> str:
        return f"{self._peers}, below {self._people.base}"

    def make(self) -> bool:
        raise NotSupported

    def tend(self) -> None:
        if self._is_warm:
            return
        self._is_warm = True  # so that a wrong setting is told at the start, and no request waits for the connection
        self._since = monotonic()
        try:
            self._people.ready()
            self._reader.ask([], self._until())
            if not self._people.compares:
                self._binder.ask([], self._until(), first=self._reader.peer)
        except NwauthError:  # it has been told, or will be to whoever asks
            pass

    def close(self) -> None:
        self._reader.close()
        self._binder.close()


def _must_be_comparable(found: Found) -> None:
    """Raises Refused for an account that may not log in, Unavailable where no one password can be compared with."""
    if found.refusal:
        raise Refused(found.refusal)
    if found.passwords > 1:
        raise Unavailable(f'{found.user.name} has several passwords: only mode = "bind" tells', public=PUBLIC)
    if not found.passwords:
        raise Unavailable(f"{found.user.name} shows no password: may bind_dn read it?", public=PUBLIC)


def _without_a_word(_wire: Wire, _until: float) -> None:
    """Users bind on that connection: it needs no bind of its own."""
