"""The forms of files that users are written in; all of it goes to a file without a name first, so that it is whole."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from nwauth.errors import Refused
from nwauth.model import User
from nwauth.names import ENCODING, ERRORS
from nwauth.provisioning.exchange.detecting import SEPARATORS
from nwauth.provisioning.exchange.giving import LINES
from nwauth.provisioning.exchange.taking import BLANKS
from nwauth.provisioning.spool import no_room
from nwauth.provisioning.whole import MAX_WHOLE_USERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import IO, Final

    from nwauth.provisioning.exchange.giving import Giving
    from nwauth.stores.base import Held

    Record = dict[str, str]

HEADS = {"json": "[\n"}
ENDS = {"json": "\n]\n"}
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for one: OWASP, "CSV Injection"
COPY_BYTES = 1 << 20


class Writing:
    """Writes users in a form; `users` counts them, `formulas` those with a cell that a spreadsheet calculates."""

    def __init__(self, form: str, giving: Giving, *, store: str) -> None:
        self.users = self.formulas = 0
        self.first_formula = ""
        self._form: Final = form
        self._giving: Final = giving
        self._store: Final = store
        self._columns: Final[dict[str, str]] = {"name": "name"}
        self._file: Final[IO[bytes]] = TemporaryFile()  # noqa: SIM115, closed by `close`

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def take(self, blocks: Iterable[list[Held]], matches: Callable[[str], bool]) -> None:
        """Put users aside, as far as the form has a place for them.

        Raises:
            Refused: the form cannot hold so many.
            Unavailable: the store cannot tell now, or there is no room.
        """
        try:
            self._write(HEADS.get(self._form, ""))
            for block in blocks:
                users = [User.of(held, store=self._store) for held in block if matches(held[0])]
                self._write("".join(self._texts(users)))
            self._write(self._end())
        except OSError as error:
            raise no_room(error) from None

    @property
    def given(self) -> int:
        """About how many of the users `give` has written."""
        fd = self._file.fileno()
        return self.users * os.lseek(fd, 0, os.SEEK_CUR) // (os.fstat(fd).st_size or 1)

    def give(self, out: IO[bytes]) -> None:
        """Write all of it.  Raises OSError."""
        self._file.seek(0)
        if self._form not in SEPARATORS:
            shutil.copyfileobj(self._file, out, COPY_BYTES)
            return
        text = io.StringIO()
        table = csv.writer(text, delimiter=SEPARATORS[self._form], lineterminator="\n")
        table.writerow(self._columns.values())
        for line in self._file:
            said = {key.lower(): value for key, value in json.loads(line.decode()).items()}
            table.writerow([said.get(column, "") for column in self._columns])
            if text.tell() > COPY_BYTES:
                out.write(text.getvalue().encode(ENCODING, ERRORS))
                text.seek(0)
                text.truncate()
        out.write(text.getvalue().encode(ENCODING, ERRORS))

    def _write(self, text: str) -> None:
        self._file.write(text.encode(ENCODING, ERRORS))

    def _texts(self, users: list[User]) -> Iterator[str]:
        for user in users:
            text = self._text(user)
            if text is not None:
                self.users += 1
                yield text

    def _text(self, user: User) -> str | None:
        if self._form in LINES:
            line = self._giving.line(user)
            return None if line is None else f"{line}\n"
        record = self._giving.record(user)
        match self._form:
            case "toml":
                return self._table(user, record)
            case "json":
                self._must_be_few()
                before = ",\n" if self.users else ""
                return before + json.dumps(record, ensure_ascii=not _is_text(record))
            case "ndjson":
                return json.dumps(record, ensure_ascii=not _is_text(record)) + "\n"
        for key in record:
            column = self._columns.setdefault(key.lower(), key)
            if column != key:
                self._giving.lost.part(f"the spelling of {key}, a column that is called {column} there", user.name)
        if user.name.strip(BLANKS) not in (user.name, ""):
            self._giving.lost.part("the blanks around a name, which import takes away", user.name)
        if any(value.startswith(FORMULA) for value in record.values()):
            self.formulas += 1
            self.first_formula = self.first_formula or user.name
        return json.dumps(record) + "\n"

    def _table(self, user: User, record: Record) -> str | None:
        self._must_be_few()
        if not _is_text(record):
            self._giving.lost.faults.append((user.name, "it holds a byte that is no UTF-8, and TOML holds none"))
            return None
        lines = [f"{_toml(key)} = {_toml(value)}" for key, value in record.items()]
        return "\n".join(["[[user]]", *lines, "", ""])

    def _must_be_few(self) -> None:
        if self.users >= MAX_WHOLE_USERS:
            raise Refused(
                f"there are more than {MAX_WHOLE_USERS:,} users, more than nwauth takes in {self._form.upper()}: write"
                " NDJSON or CSV, of any size"
            )

    def _end(self) -> str:
        return ENDS.get(self._form, "")


def _is_text(record: Record) -> bool:
    """Whether all of it is Unicode, and can be written as it is."""
    try:
        "".join((*record, *record.values())).encode()
    except UnicodeEncodeError:
        return False
    return True


def _toml(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # which JSON has as it is, and TOML has not
