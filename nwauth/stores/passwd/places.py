"""Where the files lie: from a user's name to a domain, and from a domain to its files."""

from __future__ import annotations

import os

from nwauth.errors import Unavailable
from nwauth.names import ENCODING, ERRORS, fold
from nwauth.stores.textfile import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Final

DOMAIN = "{domain}"
MAX_COMPONENT_BYTES = 230  # of 255: what lies beside a file has a longer name


class Places:
    """The files at `path`, which may hold ``{domain}``; without it, there is one file, of `domains[0]` or of all names.

    `domains` are the only ones that this store holds; none: any that has a file.  They and `listed` must have one.
    """

    def __init__(self, path: str, *, shadow: str | None, domains: Sequence[str], listed: Sequence[str]) -> None:
        self.path: Final = path
        self._shadow: Final = shadow
        self.has_shadow: Final = shadow is not None
        self.by_domain: Final = DOMAIN in path
        self._spelled: Final = {fold(domain): domain for domain in domains}
        self._listed: Final = frozenset((*self._spelled, *map(fold, listed)))
        head, _, tail = path.partition(DOMAIN)
        self.folder: Final = os.path.dirname(head)
        self._before: Final = os.path.basename(head)
        self._after, slash, rest = tail.partition("/")
        self._rest: Final = slash + rest
        self._shadow_folder: Final = os.path.dirname((shadow or "").partition(DOMAIN)[0])
        self._standing: tuple[files.Identity, str] | None = None  # the folder when a domain's file was seen in it

    def locate(self, name: str) -> tuple[str, str] | None:
        """The name in the file, and the folded domain ("" where names have none here); None: nobody's here."""
        if not self.by_domain and not self._spelled:
            return name, ""
        bare, at, domain = name.rpartition("@")
        if not at:
            return None
        domain = fold(domain)
        if self._spelled and domain not in self._spelled:
            return None
        if self.by_domain and not self.is_safe(domain):
            return None
        return bare, domain

    def full_name(self, bare: str, domain: str) -> str:
        """The name of a user whom the file of `domain` calls `bare`."""
        return f"{bare}@{self._spelled.get(domain, domain)}" if domain else bare

    def is_safe(self, domain: str) -> bool:
        """Whether a file's name can be made of `domain` that stays in its folder."""
        if not domain or domain[0] == "." or ".." in domain or "/" in domain:
            return False
        if any(character < " " or character == "\x7f" for character in domain):
            return False
        component = f"{self._before}{domain}{self._after}".encode(ENCODING, ERRORS)
        return len(component) <= MAX_COMPONENT_BYTES and fold(domain) == domain

    def path_of(self, domain: str) -> str:
        """The passwd file of a domain."""
        return self.path.replace(DOMAIN, domain)

    def shadow_of(self, domain: str) -> str | None:
        """The shadow file of a domain, where there are such."""
        return None if self._shadow is None else self._shadow.replace(DOMAIN, domain)

    def base(self, *, of_shadow: bool = False) -> str | None:
        """The fixed folder above the files of domains, as for `files.open_below`; None: no folder differs by domain."""
        return (self._shadow_folder if of_shadow else self.folder) or "/" if self.by_domain else None

    def domains(self) -> Iterator[str]:
        """Every domain that has a file, or must have one; "" where names have none here.

        Raises:
            Unavailable: the folder cannot be read.
        """
        if not self.by_domain:
            yield from self.must_have()
            return
        found = set(self._listed)
        found.update(domain for domain in self._there() if not self._spelled or domain in self._spelled)
        yield from sorted(found)

    def must_have(self) -> list[str]:
        """The domains that must have a file."""
        return sorted(self._listed) if self.by_domain else [next(iter(self._spelled), "")]

    def prove_absent(self, domain: str, was_served: Callable[[str], bool]) -> None:
        """See that a domain without a file has none on purpose.

        Raises:
            Unavailable: there is no proof: its file may be lost, or all of them.
        """
        path = self.path_of(domain)
        if not self.by_domain or domain in self._listed:
            raise Unavailable(f"no passwd file {path}, was it moved or unmounted?", public="a passwd file is not there")
        if was_served(path):
            raise Unavailable(
                f"the passwd file {path} was served here and is gone: put it back, or take its line out of the list of"
                " served files (nwauth.passwd.*.served) if the domain is no more",
                public="a passwd file is not there",
            )
        if _leads_nowhere(path):
            raise Unavailable(
                f"the passwd file {path} is behind a link to nowhere, is its disk mounted?",
                public="a passwd file is not there",
            )
        self.must_have_one()

    def must_have_one(self) -> None:
        """Raises Unavailable where there is no domain's file at all."""
        if not self._another_is_there():
            raise Unavailable(
                f"no passwd file at all at {self.path}, was the folder moved or unmounted?",
                public="no passwd file is there",
            )

    def _another_is_there(self) -> bool:
        """Whether the folder can be read, and a domain's file is in it; one that has not changed is not read again.

        Raises Unavailable.
        """
        folder = files.identify(self.folder or "/")
        if folder is None:
            return False
        if self._standing is not None and self._standing[0] == folder and files.identify(self._standing[1]) is not None:
            return True
        for path in map(self.path_of, self._there()):
            if files.identify(path) is not None:
                self._standing = folder, path
                return True
        return False

    def _there(self) -> Iterator[str]:
        """The domains whose file is there, or behind a link to nowhere.  Raises Unavailable."""
        try:
            with os.scandir(self.folder or "/") as entries:
                for entry in entries:
                    name = entry.name
                    if not (name.startswith(self._before) and name.endswith(self._after)):
                        continue
                    domain = name[len(self._before) : len(name) - len(self._after)]
                    if self._rest and not entry.is_dir() and not _leads_nowhere(entry.path):
                        continue  # a file beside the folders of domains is none
                    if not self.is_safe(domain):
                        continue
                    path = self.path_of(domain)
                    if files.identify(path) is not None or _leads_nowhere(path):
                        yield domain
        except OSError as error:
            raise files.trouble("list", self.folder or "/", error) from error


def _leads_nowhere(path: str) -> bool:
    """Whether what is to be at `path` lacks because a link on the way there, or there, leads nowhere."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return not os.path.exists(path)
