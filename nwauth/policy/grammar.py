"""The grammar of ``when``, and of lists of dates (spec/policy.md section 2).

``Mon-Fri 08:30-12:00, 13:00-17:00; Sat 09:00-12:00 except @holidays in Europe/Dublin from 2027-01-01 until 2027-06-30``
"""

from __future__ import annotations

from nwauth.names import fold
from nwauth.policy.when import DAY_MINUTES, DAY_NAMES, DAYS, EVERY_DAY, Dates, When
from nwauth.policy.words import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import tzinfo

    from nwauth.policy.when import Span

GROUPS = {"weekdays": frozenset(range(5)), "weekends": frozenset((5, 6)), "daily": EVERY_DAY}
KEYWORDS = ("except", "in", "from", "until")
WANTED = "days (Mon-Fri), times (08:30-17:00), or both with a blank between"
WANTED_DATE = "a date such as 2027-01-31"
BLANKS = " \t\r\n"
MAX_CHARACTERS = 4096
_DAYS = {
    spelled: day for day, name in enumerate(DAY_NAMES) for spelled in (name.lower(), name[:3].lower(), name[:2].lower())
}


class BadWhen(ValueError):
    """Words that name no hours: `column` (from 0) is where, `found_wanted` what was found and what is wanted."""

    def __init__(self, column: int, found_wanted: str) -> None:
        super().__init__(f"column {column + 1}: {found_wanted}")
        self.column = column
        self.found_wanted = found_wanted


def read_when(text: str, *, zone: tzinfo, zones: Callable[[str], tzinfo], lists: Mapping[str, Dates]) -> When:
    """The hours that `text` says.

    `zone` holds where the text names none; `zones` gives the zone of a name, or raises ValueError; `lists` are the
    lists of dates, by folded name without the ``@``.

    Raises:
        BadWhen: it is no `when`; with the column, what was found, what is wanted and the mend.
    """
    from datetime import date

    if len(text) > MAX_CHARACTERS:
        raise BadWhen(
            MAX_CHARACTERS, f"found more than {MAX_CHARACTERS} characters, wanted fewer: make two rules of it"
        )
    reader = _Reader(text)
    week: list[set[Span]] = [set() for _ in range(7)]
    _read_spanset(reader, week)
    while reader.take(";"):
        _read_spanset(reader, week)
    sets_end = reader.at
    days_off = _read_lists(reader, lists) if reader.take_word("except") else Dates()
    if reader.take_word("in"):
        column, name = reader.name("a zone such as Europe/Dublin")
        try:
            zone = zones(name)
        except ValueError as error:
            raise BadWhen(column, str(error)) from None
    first = _read_date(reader) if reader.take_word("from") else None
    last = None
    if reader.take_word("until"):
        column = reader.at
        last = _read_date(reader)
        if first is not None and last < first:
            ends = [date.fromordinal(ordinal).isoformat() for ordinal in (first, last)]
            raise BadWhen(column, f"found {ends[1]} as the last day, wanted {ends[0]} (the first) or a later one")
    reader.must_end(after_sets=reader.at == sets_end)
    return When(
        text=text,
        zone=zone,
        week=tuple(tuple(sorted(spans)) for spans in week),
        days_off=days_off,
        first=first,
        last=last,
    )


def read_dates(texts: Iterable[str]) -> Dates:
    """The days that a list names: ``2026-04-03``, or ``2026-12-25..2027-01-05`` with both ends.

    Raises:
        ValueError: one names none; the text says which, and what is wanted.
    """
    spans = []
    for text in texts:
        first, dots, last = (piece.strip() for piece in text.partition(".."))
        try:
            span = ordinal_of(first), ordinal_of(last if dots else first)
        except ValueError:
            raise ValueError(f"found {shown(text)}, wanted {WANTED_DATE}, or 2026-12-25..2027-01-05") from None
        if span[1] < span[0]:
            raise ValueError(f"found {shown(text)}, wanted the earlier date first")
        spans.append(span)
    return Dates(spans)


def ordinal_of(text: str) -> int:
    """The day that ``2027-01-31`` names.

    Raises:
        ValueError: it names none.
    """
    from datetime import date

    if len(text) != 10 or not text.isascii() or text[4] != "-" or text[7] != "-":
        raise ValueError(text)
    digits = text[:4] + text[5:7] + text[8:]
    if not digits.isdigit():
        raise ValueError(text)
    return date(int(text[:4]), int(text[5:7]), int(text[8:])).toordinal()


class _Reader:
    """Reads words from left to right; `at` is the column of what comes next, blanks skipped."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0
        self._skip()

    def _skip(self) -> None:
        while self.at < len(self._text) and self._text[self.at] in BLANKS:
            self.at += 1

    def take(self, character: str) -> bool:
        """Whether this character comes next; then it is taken."""
        if self._text[self.at : self.at + 1] != character:
            return False
        self.at += 1
        self._skip()
        return True

    def word(self) -> str:
        """The letters, digits and colons that come next, in lower case; they stay."""
        end = self.at
        while end < len(self._text) and (self._text[end].isalnum() or self._text[end] == ":"):
            end += 1
        return self._text[self.at : end].lower()

    def drop(self, word: str) -> None:
        """Take the word that came next."""
        self.at += len(word)
        self._skip()

    def take_word(self, word: str) -> bool:
        """Whether this word comes next; then it is taken."""
        if self.word() != word:
            return False
        self.drop(word)
        return True

    def name(self, wanted: str) -> tuple[int, str]:
        """The column of a name, and the name: up to a blank, a comma or a semicolon.  Raises BadWhen."""
        start = end = self.at
        while end < len(self._text) and self._text[end] not in BLANKS + ",;":
            end += 1
        if start == end:
            raise self.wrong(wanted)
        self.at = end
        self._skip()
        return start, self._text[start:end]

    def wrong(self, wanted: str) -> BadWhen:
        """The error that something else than `wanted` comes next."""
        end = self.at
        while end < len(self._text) and (self._text[end].isalnum() or self._text[end] in ":@_."):
            end += 1
        text = self._text[self.at : max(end, self.at + 1)]
        return BadWhen(self.at, f"found {shown(text) if text else 'the end'}, wanted {wanted}")

    def must_end(self, *, after_sets: bool) -> None:
        """Raises BadWhen where there is more; `after_sets`: only days and times were read so far."""
        if self.at == len(self._text):
            return
        word = self.word()
        if word in KEYWORDS:
            raise self.wrong("except, in, from, until in this order, each once")
        if not after_sets:
            raise self.wrong(
                "the end: lists, zone and dates stand once, behind the last set; else make two rules of it"
            )
        if word in _DAYS or word in GROUPS or word[:1].isdigit():
            raise self.wrong('";" between two sets of days and times, or "," between two times')
        if self._text[self.at] in "–—":  # noqa: RUF001, what word processors make of a hyphen
            raise self.wrong('"-", the plain hyphen')
        raise self.wrong('"," before more times, ";" before other days, except, in, from, until, or the end')


def _read_spanset(reader: _Reader, week: list[set[Span]]) -> None:
    word = reader.word()
    days = EVERY_DAY
    named = word in _DAYS or word in GROUPS
    if named:
        days = _read_days(reader)
    elif not word[:1].isdigit():
        raise reader.wrong(WANTED)
    spans = _read_spans(reader) if not named or reader.word()[:1].isdigit() else {(0, DAY_MINUTES)}
    for day in days:
        week[day] |= spans


def _read_days(reader: _Reader) -> frozenset[int]:
    group = reader.word()
    if group in GROUPS:
        reader.drop(group)
        if reader.take(","):
            raise reader.wrong(f'times behind {group} after a blank, or ";" before other days')
        return GROUPS[group]
    days: set[int] = set()
    while True:
        first = last = _read_day(reader)
        if reader.take("-"):
            last = _read_day(reader)
        days.update((first + step) % 7 for step in range((last - first) % 7 + 1))
        if not reader.take(","):
            return frozenset(days)


def _read_day(reader: _Reader) -> int:
    word = reader.word()
    if word not in _DAYS:
        raise reader.wrong(f"a day ({', '.join(DAYS)}); times follow the days after a blank")
    reader.drop(word)
    return _DAYS[word]


def _read_spans(reader: _Reader) -> set[Span]:
    spans = {_read_span(reader)}
    while reader.take(","):
        word = reader.word()
        if word in _DAYS or word in GROUPS:
            raise reader.wrong('times behind a comma: write ";" before the next days')
        spans.add(_read_span(reader))
    return spans


def _read_span(reader: _Reader) -> Span:
    column = reader.at
    start = _read_time(reader, latest=DAY_MINUTES - 1)
    if not reader.take("-"):
        raise reader.wrong('"-" and the end of the span, as in 08:30-17:00')
    end = _read_time(reader, latest=DAY_MINUTES)
    if start == end:
        raise BadWhen(column, "found a span that ends where it starts, wanted 00:00-24:00 for a whole day")
    return start, end if start < end else end + DAY_MINUTES


def _read_time(reader: _Reader, *, latest: int) -> int:
    word = reader.word()
    digits = word[:2] + word[3:] if len(word) == 5 and word[2] == ":" else word
    minutes = -1
    if len(digits) == 4 and digits.isascii() and digits.isdigit() and digits[2:] < "60":
        minutes = int(digits[:2]) * 60 + int(digits[2:])
    if not 0 <= minutes <= latest:
        wanted = "a time from 00:00 to 23:59" if latest < DAY_MINUTES else "a time from 00:00 to 24:00"
        raise reader.wrong(wanted + ", two digits each")
    reader.drop(word)
    return minutes


def _read_lists(reader: _Reader, lists: Mapping[str, Dates]) -> Dates:
    named: list[Dates] = []
    while True:
        column, name = reader.name("a list of dates such as @holidays")
        if not name.startswith("@"):
            raise BadWhen(column, f"found {shown(name)}, wanted a list of dates such as @holidays")
        dates = lists.get(fold(name[1:]))
        if dates is None:
            known = ", ".join(f"@{name}" for name in sorted(lists)) or "none: there is no [lists] with dates"
            raise BadWhen(column, f"found {shown(name)}, wanted a list of dates (there is {known})")
        named.append(dates)
        if not reader.take(","):
            return dates if len(named) == 1 else Dates(span for one in named for span in one.spans)


def _read_date(reader: _Reader) -> int:
    column, name = reader.name(WANTED_DATE)
    try:
        return ordinal_of(name)
    except ValueError:
        raise BadWhen(column, f"found {shown(name)}, wanted {WANTED_DATE}") from None
