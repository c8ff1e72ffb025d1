"""What a command works with: the folder, its configuration, the service, the log."""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import click

from nwauth.audit import ERROR, INFO
from nwauth.changes.folder import changes_folder
from nwauth.commands.ids import take_ids
from nwauth.commands.output import Results, wants_color
from nwauth.commands.progress import progress, unknown
from nwauth.commands.shown import shown_path, visible
from nwauth.commands.terminal import say
from nwauth.commands.witness import Rehearsal, Witness
from nwauth.config import FlatfileConfig
from nwauth.config.part import BY_THE_STORE
from nwauth.errors import NoBase, NotSupported, NwauthError, Refused
from nwauth.names import ENCODING, ERRORS
from nwauth.passwords import Identity, scheme_name
from nwauth.service import BadName, NoSuchUser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import Final

    from nwauth.audit import Log
    from nwauth.changes.recorder import Recorder
    from nwauth.commands.progress import Count
    from nwauth.config import Config, StoreConfig
    from nwauth.model import User
    from nwauth.passwords import Passwords
    from nwauth.service import Service
    from nwauth.stores.base import Store

WHY_READ_ONLY = {  # of kinds that are so unless nwauth.toml says otherwise, or always
    "ldap": "a directory is changed with its own tools",
    "passwd": "a passwd file does with writable = true in nwauth.toml",
    "system": "useradd, usermod, passwd and userdel make them",
}
PATIENT_SECONDS = 60.0  # nobody waits behind a command: a statement may take its time


class Choices:
    """The options common to all commands, as the command line gives them."""

    def __init__(self) -> None:
        self.path: str | None = None
        self.store: str | None = None
        self.form: str | None = None
        self.quiet = False
        self.yes = False
        self.color = "auto"
        self.debug = False
        self.is_at_work = False  # whether the command has begun

    @property
    def folder(self) -> str:
        """The folder to work on, as the system's calls want it."""
        if self.path is None:
            return os.path.normpath(os.environ.get("NWAUTH_PATH") or ".")
        return os.path.normpath(os.fsdecode(self.path.encode(ENCODING, ERRORS)))


class Work:
    """A change in progress: the service to make it with, what the store was told, what the log will say."""

    def __init__(self, service: Service, witness: Witness, facts: dict[str, object], *, dry_run: bool) -> None:
        self.service: Final = service
        self.witness: Final = witness
        self.facts: Final = facts
        self.dry_run: Final = dry_run


class Session:
    """One command at work in one folder, `folder`; the store may lie in another.

    `place` is the folder that is named where something there cannot be done now; None: the work is at no folder.
    `changes_folder` is where changes are written down; None: as the settings have it.
    """

    def __init__(self, choices: Choices) -> None:
        self.choices: Final = choices
        self.folder: Final = choices.folder
        self.place: str | None = None
        self.changes_folder: str | None = None
        self._down: Final[dict[str, object]] = {}  # the names of stores, by why they cannot be asked now
        self.has_generated = False  # whether a password was made up that stdout alone tells
        form = choices.form or ("table" if os.isatty(1) else "ndjson")
        self.results: Final = Results(form=form, color=wants_color(choices.color, 1))

    @cached_property
    def config(self) -> Config:
        """The folder's configuration, with ``--store`` of that store alone; it is taken as it is, without its route.

        From here on root is the folder's owner, or else the first owner of a store's folder that is another.
        """
        from nwauth import config

        take_ids(self.folder)
        found = config.read(self.folder)
        wanted = self.choices.store
        names = [store.name for store in found.stores]
        if wanted is not None and wanted not in names:
            raise click.UsageError(f"--store: found {wanted!r}, wanted {' or '.join(map(repr, names))}")
        if wanted is not None:
            found = found.changed(stores=(found.stores[names.index(wanted)],), routes={})
        for store in found.stores:
            take_ids(store.path)
        return found.changed(stores=tuple(store.patient(PATIENT_SECONDS) for store in found.stores))

    @property
    def store_config(self) -> StoreConfig:
        """The settings of the store that the command works on; of several, of the first that can be written."""
        stores = self.config.stores
        return next((store for store in stores if not store.read_only), stores[0])

    @cached_property
    def store(self) -> Store:
        """The store of `store_config`, without its route."""
        return self.store_of(self.store_config)

    def store_of(self, settings: StoreConfig) -> Store:
        """The store of these settings, one of the configuration's, without its route."""
        from nwauth.build import store

        if self.config.is_plain():
            return self.service.store
        return store(self.config, settings, notice=self._hear, wrap=self.recorder.around)

    def takers(self) -> list[StoreConfig]:
        """The settings of the stores that take new users."""
        routes = self.config.routes
        takers = [store for store in self.config.stores if not store.read_only]
        return [store for store in takers if store.name not in routes or routes[store.name].sets == "new"]

    @cached_property
    def _built(self) -> Service:
        from nwauth.build import build

        return build(self.config, notice=self._hear, wrap=self.recorder.around)

    def _hear(self, facts: dict[str, object]) -> None:
        """Of a store that cannot be asked, or can again."""
        if facts["state"] == "down":
            self._down[str(facts["reason"])] = facts["store"]

    def behind_store(self, text: str) -> str:
        """The text of an error, behind the name of the store that is down, and with what to do."""
        store = next((store for reason, store in self._down.items() if reason in text), None)
        if store is None or f"store {store}" in text:
            return text
        return f"store {store}: {text}; nwauth doctor looks for the cause"

    @cached_property
    def recorder(self) -> Recorder:
        """Writes down what the command changes, for the journal and for undo."""
        from nwauth.changes.recorder import Recorder

        context = click.get_current_context(silent=True)
        return Recorder(
            lambda: self.changes_folder or changes_folder(self.config),
            command="" if context is None else context.command_path.partition(" ")[2],
            now=lambda: datetime.now().astimezone(),
            scheme_of=self._scheme_of,
            note=say,
        )

    @cached_property
    def service(self) -> Service:
        """The service that the configuration describes."""
        if self.config.is_plain() and isinstance(self.store_config, FlatfileConfig):  # a database's words name it
            self.place = self.store_config.path
        return self._built

    @property
    def passwords(self) -> Passwords:
        """The passwords of the service, for work that is at no store."""
        return self._built.passwords

    @cached_property
    def log(self) -> Log:
        """The log of the configuration; no file is opened before its first line."""
        from nwauth.audit import open_log

        log = self.config.log
        return open_log(log.file, level=log.level, format=log.format)

    def close(self) -> None:
        """Give back what the command has opened."""
        if "recorder" in self.__dict__:
            self.recorder.close()
        if "_built" in self.__dict__:
            self._built.store.close()

    @property
    def has_changed(self) -> bool:
        """Whether users are changed by the command."""
        return "recorder" in self.__dict__ and self.recorder.has_changed

    @property
    def prints_changes(self) -> bool:
        """Whether what was changed goes to stdout: ``--quiet`` leaves words out, and no record that is asked for."""
        return not self.choices.quiet or self.choices.form not in (None, "table")

    def note(self, text: str) -> None:
        """Something worth knowing that is no result."""
        if not self.choices.quiet:
            say(text)

    def progress(
        self, doing: str, count: Count = unknown, total: Count = unknown, *, unit: str = "users"
    ) -> AbstractContextManager[Callable[[], None]]:
        """While a work lasts, tell how far it is: so many `unit` of a total; see `nwauth.commands.progress`."""
        return progress(doing, count, total, unit=unit, quiet=self.choices.quiet, color=self.choices.color)

    def identify(self, stored_password: str, *, store: str = "") -> Identity:
        """What a stored field is, in the store of that name, else in the one the command works on."""
        kept = self._config_of(store)
        if kept.keeps_from_us(stored_password):
            return Identity(name=BY_THE_STORE, weak=False, login=True, verifiable=True)
        return self.passwords.identify(stored_password, star_is_clear=kept.star_is_clear)

    def _scheme_of(self, user: User) -> str:
        """The name that `identify` gives the user's password, without looking for what verifies it."""
        kept = self._config_of(user.store)
        if kept.keeps_from_us(user.stored_password):
            return BY_THE_STORE
        return scheme_name(user.stored_password, star_is_clear=kept.star_is_clear)

    def _config_of(self, store: str) -> StoreConfig:
        return self._configs.get(store) or self.store_config

    @cached_property
    def _configs(self) -> dict[str, StoreConfig]:
        """The settings of each store, by its name."""
        return {one.name: one for one in self.config.stores}

    @contextmanager
    def logged(self, command: str, **facts: object) -> Iterator[dict[str, object]]:
        """Whatever comes of the work leaves one line in the log, as the server's requests do."""
        facts = {**facts, "store": self.service.store.name}
        try:
            with self._read_only_told():
                yield facts
        except NwauthError as error:
            if self.config.file is None and isinstance(error, NoBase):  # the wrong folder: a log would puzzle its owner
                raise
            level = ERROR if error.temporary else INFO
            self.log.event(
                level, command, {**facts, "reason": str(error), "result": "dead" if error.temporary else "no"}
            )
            raise
        self.log.event(INFO, command, {**facts, "result": "ok"})

    @contextmanager
    def changing(self, command: str, name: str, *, dry_run: bool) -> Iterator[Work]:
        """Make a change of the user `name`, or rehearse it, which leaves no line in the log."""
        inner = self.service.store
        witness = Witness(Rehearsal(inner) if dry_run else inner)
        service = self.service.changed(store=witness)
        log: AbstractContextManager[dict[str, object]]
        log = nullcontext({}) if dry_run else self.logged(command, user=name)
        with log as facts, self._read_only_told():
            self._must_take_changes()
            try:
                yield Work(service, witness, facts, dry_run=dry_run)
            except NoSuchUser:
                raise self.no_such_user(name) from None
            except BadName as error:
                wanted = visible(str(facts.get("new_name", name)))
                raise Refused(f"'{wanted}' cannot be the name of a user: {error}") from None
        service.tend()

    def must_take_changes(self) -> None:
        """Raises Refused where no store ever takes a change: that is known also while none can be asked for a user."""
        with self._read_only_told():
            self._must_take_changes()

    def _must_take_changes(self) -> None:
        if all(one.read_only for one in self.config.stores):
            raise NotSupported

    @contextmanager
    def _read_only_told(self) -> Iterator[None]:
        try:
            yield
        except NotSupported as error:
            if not self.config.is_plain():
                raise Refused(f"{error}: nwauth.toml says what each of its stores takes") from None
            raise takes_no_changes(self._shown_store(), self.store_config) from None

    def no_such_user(self, name: str) -> Refused:
        """The error for an absent user."""
        hint = ": a name is wanted, and nwauth user list shows whom a pattern fits" if set("*?") & set(name) else ""
        return Refused(f"{visible(name)}: no such user in {self._shown_store()}{hint}")

    def _shown_store(self) -> str:
        if not self.config.is_plain():
            return f"the stores of {shown_path(self.folder)}: {', '.join(one.name for one in self.config.stores)}"
        place = self.service.store.place()
        if place.startswith("the "):
            return f"store {self.store_config.name} ({place})"
        return f"store {self.store_config.name} of {shown_path(place) if os.path.isabs(place) else place}"


def takes_no_changes(store: str, settings: StoreConfig) -> Refused:
    """The error for a change in a store that is called so and is read only."""
    why = WHY_READ_ONLY.get(settings.kind, "read_only = true in nwauth.toml")
    return Refused(f"{store} takes no changes ({why})")
