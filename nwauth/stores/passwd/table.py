"""One file of the passwd or the shadow format: loaded, and known to be as loaded."""

from __future__ import annotations

import os
from time import monotonic

from nwauth.errors import Passing, Unavailable
from nwauth.stores.passwd.lines import fits
from nwauth.stores.passwd.writing import Notes
from nwauth.stores.textfile import files
from nwauth.stores.textfile.settling import Settling
from nwauth.stores.textfile.userfile import Changed, UserFile
from nwauth.stores.textfile.watch import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from nwauth.stores.passwd.served import Served
    from nwauth.stores.textfile.indexing import Indexing
    from nwauth.stores.textfile.userfile import Found

MAX_LOOKS = 8
MANY_QUESTIONS = 32  # without tending between them: it is a command, which goes through many users
SHARE_SECONDS = 0.002  # one look serves the requests that came together for so long


class Missing(Exception):  # no error yet: who asked knows what it means
    """There is no such file."""


class Setting:
    """What all tables of a store share: where indexes lie, what was served, when a file is settled.

    `watches`: inotify may stand in for a look at each request; a user has few of those, so not for many files.
    """

    def __init__(
        self,
        *,
        index_of: Callable[[str, str | None], Indexing],
        served: Served,
        settle_seconds: float,
        clock: Callable[[], float],
        watches: bool,
    ) -> None:
        self.index_of: Final = index_of
        self.served: Final = served
        self.settle_seconds: Final = settle_seconds
        self.clock: Final = clock
        self.watches: Final = watches


class Table:
    """The file at `path`; `refresh` comes before every question.  `base` is as for `files.open_below`."""

    def __init__(self, path: str, setting: Setting, *, base: str | None = None) -> None:
        self.path: Final = path
        self.base: Final = base
        self._setting: Final = setting
        self._notes: Final = Notes(path)
        self._settling: Final = Settling(
            self._notes.is_ours, settle_seconds=setting.settle_seconds, clock=setting.clock
        )
        self._indexing: Final = setting.index_of(path, base)
        self._watch: Final = Watch()
        self._file: UserFile | None = None
        self._doubtful = False  # what is loaded was unsettled then
        self._in_force = False  # what is loaded stands until the watch tells otherwise
        self._shares = False  # questions that come together share a look ...
        self._shared_until = 0.0  # ... until then, by the monotonic clock
        self._questions = 0  # since it was loaded or tended
        self.fresh = True  # loaded, and not tended since

    def refresh(self) -> UserFile:
        """The file as it stands now.

        Raises:
            Missing: there is none.
            Unavailable: it cannot be read, keeps changing, or has been emptied by another program.
        """
        if self._in_force and self._file is not None:
            if not self._watch.stirred():
                return self._shared(self._file)
            self._in_force = False  # until the look has told: it may fail, and what stirred is told once only
        for _ in range(MAX_LOOKS):
            seen = files.identify(self.path)
            if seen is None:
                self._put(None)
                raise Missing
            file = self._file
            if file is not None and file.identity == seen and not self._has_settled(file):
                break
            self._load()
        else:
            raise Passing(f"{self._named} keeps changing, try again")
        self._must_not_be_emptied(file)
        try:
            file.look_at_index()
        except OSError as error:
            raise files.trouble("read", self.path, error) from error
        self._in_force = self._watch.armed and not self._doubtful
        return file if self._doubtful else self._shared(file)

    def _shared(self, file: UserFile) -> UserFile:
        """What a look has told, for the questions that came with this one too."""
        if self._shares:
            self._shared_until = monotonic() + SHARE_SECONDS
        return file

    def find_all(self, key: bytes) -> list[Found]:
        """Every line of a folded name, in the order of the file.  Raises Missing, Unavailable."""
        for _ in range(MAX_LOOKS):
            file = self._file
            if file is None or not self._shares or monotonic() >= self._shared_until:
                file = self.refresh()
            self._count_question(file)
            try:
                return file.find_all(key)
            except Changed:
                self.look_again()
            except OSError as error:
                self._put(None)
                raise files.trouble("read", self.path, error) from error
        raise Passing(f"{self._named} keeps changing, try again")

    def _count_question(self, file: UserFile) -> None:
        """Who asks many times and never tends gets an index in memory, where there is none."""
        self._questions += 1
        if self._questions == MANY_QUESTIONS and file.wants_index:
            from nwauth.stores.textfile.making import index_in_memory

            fd = files.anonymous()
            try:
                index_in_memory(self.path, fd, fits=fits, base=self.base)
            except OSError:  # replaced this instant, say: each question reads the whole file then
                os.close(fd)
            else:
                file.adopt_fd(fd)

    def is_settled(self) -> bool:
        """Whether what is not found in what was loaded is definitely not there."""
        return not self._doubtful or self._file is None or not self._settling.doubts(self._file)

    def must_be_settled(self) -> None:
        """Raises Unavailable while what is not found may yet be there."""
        if self._file is not None and not self.is_settled():
            raise Passing(self._settling.being_written(self._named, self._file))

    def look_again(self) -> None:
        """The next question wants a look at the file, whatever the watch tells."""
        self._in_force, self._shared_until = False, 0.0

    def tend(self) -> None:
        """Between two requests: the watch, and the index of a large file."""
        self._shares, self._shared_until, self._questions = True, 0.0, 0
        if self._file is None:
            return
        if self._setting.watches and not self._watch.armed and not self._watch.refused:
            self._watch.arm()
            self._follow()
        if not (self.fresh or self._file.wants_index):
            return
        has = self._indexing.tend(self._file, doubtful=not self.is_settled())
        if has is None:
            self._follow()  # the index too: it must not be touched while it is mapped
            self.look_again()
        self.fresh = has is False

    def close(self) -> None:
        """Close the file."""
        self._watch.disarm()
        self._indexing.forget()
        self._put(None)

    @property
    def _named(self) -> str:
        return os.path.basename(self.path)

    def _has_settled(self, file: UserFile) -> bool:
        """Whether what was doubtful is so no more: a second change within one tick of the clock is unseen yet."""
        return self._doubtful and not self._settling.doubts(file)

    def _load(self) -> None:
        self._follow()  # an equal inode proves nothing: a file made anew may have it, and nobody watches that one
        try:
            self._put(UserFile.open(self.path, fits, base=self.base))
        except FileNotFoundError:
            return  # replaced this instant: the next look tells
        except OSError as error:
            self._put(None)
            raise files.trouble("read", self.path, error) from error

    def _put(self, file: UserFile | None) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._in_force, self._doubtful, self._shared_until = file, False, False, 0.0
        if file is None:
            return
        file.adopt(self._indexing.index)
        self._questions = 0
        self._doubtful = self._settling.doubts(file)
        self.fresh = True
        if file.identity.size:
            self._setting.served.note(self.path)

    def _must_not_be_emptied(self, file: UserFile) -> None:
        """A file that held users and holds nothing now was most likely lost: nobody is absent for that."""
        if file.identity.size or not self._setting.served.has(self.path) or self._notes.is_ours(file.identity):
            return
        raise Unavailable(
            f"{self.path} is empty and was not: put its users back, or take its line out of the list of served files"
            " (nwauth.passwd.*.served) if it has none any more",
            public="a passwd file has been emptied",
        )

    def _follow(self) -> None:
        """Watch the files that are in place now."""
        if self._watch.armed:
            paths = [self.path, self._indexing.index]
            folders = {os.path.dirname(path) for path in (*paths, *map(os.path.realpath, paths))}
            self._watch.follow(folders, paths)
