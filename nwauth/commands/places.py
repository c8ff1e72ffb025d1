"""Stores that a command line names: one of nwauth.toml, a folder with a user base, or a database's URL."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from nwauth.changes.folder import changes_folder
from nwauth.commands.ids import take_ids
from nwauth.commands.init_shared import holds_base
from nwauth.commands.session import PATIENT_SECONDS, takes_no_changes
from nwauth.commands.shown import shown_path, visible
from nwauth.config import FlatfileConfig, read
from nwauth.config.kinds.sql import SqlConfig, folder_of, url_of_word
from nwauth.errors import ConfigError, Unavailable
from nwauth.names import ENCODING, ERRORS
from nwauth.stores.around import Around
from nwauth.stores.base import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Final, TypeVar

    from nwauth.build import Wrap
    from nwauth.commands.session import Session
    from nwauth.config import Config, StoreConfig
    from nwauth.model import User
    from nwauth.stores.base import Change

    T = TypeVar("T")


class Place:
    """A store that the command line names: its settings, the store itself, and what it is called."""

    def __init__(self, config: Config, settings: StoreConfig, *, named: bool, wrap: Wrap | None = None) -> None:
        from nwauth.build import store

        self.settings: Final = settings.patient(PATIENT_SECONDS)
        self.store: Final = Located(store(config, self.settings, wrap=wrap))
        self.name: Final = settings.name if named else self.store.place()


class Located(Around):
    """A store whose errors say where it is: those of flat files name a file, and there may be two folders."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self._place: Final = inner.place()

    def place(self) -> str:
        return shown_path(self._place) if os.path.isabs(self._place) else visible(self._place)

    def lookup(self, name: str) -> User | None:
        return self._asked(lambda: self.inner.lookup(name))

    def search(self, pattern: str = "") -> Iterator[User]:
        try:
            yield from self.inner.search(pattern)
        except Unavailable as error:
            raise self._told(error) from error

    held = Store.held

    def change_all(self, changes: Iterable[Change]) -> None:
        self._asked(lambda: self.inner.change_all(changes))

    def put(self, user: User) -> bool:
        return self._asked(lambda: self.inner.put(user))

    def put_all(self, users: Sequence[User]) -> list[User]:
        return self._asked(lambda: self.inner.put_all(users))

    def replace(self, old: User, new: User, *, wait_seconds: float | None = None) -> bool:
        return self._asked(lambda: self.inner.replace(old, new, wait_seconds=wait_seconds))

    def settle(self) -> None:
        self._asked(self.inner.settle)

    def make(self) -> bool:
        return self._asked(self.inner.make)

    def _asked(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except Unavailable as error:
            raise self._told(error) from error

    def _told(self, error: Unavailable) -> Unavailable:
        text = str(error)
        return error if self._place.partition(",")[0] in text else Unavailable(f"{self.place()}: {text}")


def two_places(session: Session, source: str, target: str) -> tuple[Place, Place]:
    """What ``--from`` and ``--to`` name; from here on root is the owner of the first folder that is another's.

    Raises:
        click.UsageError: one of them is no store, or both are the same.
        Refused: the target takes no changes.
    """
    take_ids(session.folder)
    config = read(session.folder)
    found = [_settings(config, word, option) for word, option in ((source, "--from"), (target, "--to"))]
    (source_config, first), (target_config, second) = found
    for _, settings in found:
        take_ids(settings.path)
    if _are_same(first, second):
        raise click.UsageError(f"--from {visible(source)} and --to {visible(target)} are the same store")
    if second.read_only:
        raise takes_no_changes(f"store {second.name}", second)
    if isinstance(second, SqlConfig):
        second = second.changed(read_url=None)  # a replica may be behind
    session.changes_folder = second.path if target_config is None else changes_folder(target_config)
    here = Place(source_config or config, first, named=source_config is config)
    wrap = session.recorder.around
    return here, Place(target_config or config, second, named=target_config is config, wrap=wrap)


def _settings(config: Config, word: str, option: str) -> tuple[Config | None, StoreConfig]:
    """The settings of a store, and the configuration that has them: this one, that of a folder, or none."""
    for settings in config.stores:
        if settings.name == word:
            return config, settings
    if "://" in word:
        return None, _of_url(config, word, option)
    path = os.path.abspath(os.fsdecode(word.encode(ENCODING, ERRORS)))
    if os.path.isdir(path) or os.sep in word:
        return _of_folder(path, option)
    names = ", ".join(visible(settings.name) for settings in config.stores)
    raise click.UsageError(
        f"{option}: found {visible(word)!r}, wanted a store of nwauth.toml ({names}), a folder with a user base, or a"
        " database's URL"
    )


def _of_url(config: Config, word: str, option: str) -> SqlConfig:
    """A database with tables of nwauth's; ``${NAME}`` takes an environment variable, as in nwauth.toml."""
    try:
        url = url_of_word(word, file=option, folder=os.path.abspath(config.folder))
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    return SqlConfig(path=folder_of(url, config.folder), url=url)


def _of_folder(path: str, option: str) -> tuple[Config | None, StoreConfig]:
    """The flat files of a folder, or, where there are none, the one store that its nwauth.toml names.

    Flat files that this does not name are those of a base from before.
    """
    config = read(path)
    for settings in config.stores:
        if isinstance(settings, FlatfileConfig) and os.path.realpath(settings.path) == os.path.realpath(path):
            return config, settings
    if holds_base(path):
        return None, FlatfileConfig(path=path)
    if len(config.stores) > 1:
        names = ", ".join(visible(settings.name) for settings in config.stores)
        raise click.UsageError(
            f"{option}: found {shown_path(path)}, which has several stores ({names}): name one, with --path"
            f" {shown_path(path)}"
        )
    return config, config.stores[0]


def _are_same(one: StoreConfig, other: StoreConfig) -> bool:
    if isinstance(one, FlatfileConfig) and isinstance(other, FlatfileConfig):
        files = [os.path.realpath(os.path.join(settings.path, "nwauth.txt")) for settings in (one, other)]
        return files[0] == files[1]
    if isinstance(one, SqlConfig) and isinstance(other, SqlConfig):
        return (_real_url(one.url), one.table) == (_real_url(other.url), other.table)
    return False


def _real_url(url: str) -> str:
    head, slashes, path = url.partition(":///")
    return head + slashes + os.path.realpath(path) if head == "sqlite" else url
