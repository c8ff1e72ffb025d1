"""The files of a store, few of them open: those of one domain, or of the domains asked for last."""

from __future__ import annotations

from nwauth.stores.passwd.pair import Pair
from nwauth.stores.passwd.table import Missing, Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from nwauth.stores.passwd.pair import Form, Held
    from nwauth.stores.passwd.places import Places
    from nwauth.stores.passwd.table import Setting

MOST_OPEN = 64  # domains; two files each, and their indexes where they are large


class Pairs:
    """Opens and closes them."""

    def __init__(self, places: Places, setting: Setting, form: Form) -> None:
        self._places: Final = places
        self._setting: Final = setting
        self._form: Final = form
        self._open: dict[str, Pair] = {}  # the one asked for last comes last

    def of(self, domain: str) -> Pair:
        """The files of a domain, whether they are there or not."""
        pair = self._open.get(domain)
        if not self._places.by_domain:
            return pair or self._opened(domain)
        if pair is None:
            if len(self._open) >= MOST_OPEN:
                self._open.pop(next(iter(self._open))).close()
            return self._opened(domain)
        self._open[domain] = self._open.pop(domain)
        return pair

    def find(self, name: str, *, strict: bool = True, to_change: bool = False) -> tuple[Pair | None, Held | None]:
        """The files that a name belongs in, None where it belongs in none, and the user; None: definitely absent.

        With `to_change`, whatever a watch tells: no event is told of a mount over the folder.

        Raises:
            Unavailable: it cannot be told.
        """
        located = self._places.locate(name)
        if located is None:
            return None, None
        bare, domain = located
        pair = self.of(domain)
        if to_change:
            pair.look_again()
        try:
            return pair, pair.find(bare, strict=strict)
        except Missing:
            self._drop(domain)
            self._places.prove_absent(domain, self._setting.served.has)
            return None, None

    def apart(self, domain: str) -> Pair:
        """The files of a domain, to be closed by who asked: a listing must not have them changed under its hands."""
        places, shadow = self._places, self._places.shadow_of(domain)
        return Pair(
            domain,
            Table(places.path_of(domain), self._setting, base=places.base()),
            None if shadow is None else Table(shadow, self._setting, base=places.base(of_shadow=True)),
            self._form,
        )

    def tend(self) -> None:
        """Between two requests: watches and indexes."""
        for pair in self._open.values():
            pair.users.tend()
            if pair.shadow is not None:
                pair.shadow.tend()

    def close(self) -> None:
        """Close all."""
        while self._open:
            self._open.popitem()[1].close()

    def _opened(self, domain: str) -> Pair:
        pair = self._open[domain] = self.apart(domain)
        return pair

    def _drop(self, domain: str) -> None:
        """What has no file need not be kept open: names of spam must not push the others out."""
        pair = self._open.pop(domain, None)
        if pair is not None:
            pair.close()
