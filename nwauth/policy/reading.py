"""From the text of ``policy.toml`` to a policy, or to all that is wrong with it (spec/policy.md sections 1 to 3).

A broken rule never passes and is never skipped: with one fault there is no policy.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from itertools import islice

from nwauth.errors import ConfigError
from nwauth.names import fold
from nwauth.options import Options, parsed_toml
from nwauth.policy import account
from nwauth.policy.faults import Fault, Places, Pointed
from nwauth.policy.grammar import BadWhen, read_dates, read_when
from nwauth.policy.hosts import UNKNOWN, BadHost, Hosts, read_address, read_hosts
from nwauth.policy.instants import BadInstant, read_instant
from nwauth.policy.patterns import WILDCARDS
from nwauth.policy.rules import CONDITIONS, DEFAULT, Lists, Policy, Rule, service_key
from nwauth.policy.trials import Trial
from nwauth.policy.when import Dates
from nwauth.policy.words import shown
from nwauth.policy.zones import BadZone, machine_zone, zone_named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo
    from typing import Final, TypeVar

    from nwauth.policy.hosts import Address
    from nwauth.policy.throttle.settings import ThrottleSettings
    from nwauth.policy.when import When

    T = TypeVar("T")

MAX_RULES = 10_000
MAX_FAULTS = 100  # that are told: whoever reads them mends the first ones first
MAX_TEXT_BYTES = 99
# What a decision may be reported under besides the name of a rule: a rule of that name would be taken for it.
TAKEN_NAMES = account.REFUSING_FIELDS | {DEFAULT, "throttle"}
OFF = 'to switch the policy off, write default = "allow" alone under [policy]'


class BadPolicy(ConfigError):
    """A policy file that cannot be used: every fault in it, and the first one as the text."""

    def __init__(self, faults: list[Fault]) -> None:
        more = len(faults) - 1
        tail = f" (and {more} more: nwauth policy check shows {'it' if more == 1 else 'them'})" if more else ""
        super().__init__(f"{faults[0].line()}{tail}")
        self.faults: Final = faults


def read_policy(content: bytes, *, file: str) -> Policy:
    """The policy in a file's `content`; `file` is its name, for errors.

    Raises:
        BadPolicy: it holds a fault, or nothing.
    """
    try:
        tables = parsed_toml(content, file)
    except ConfigError as error:
        raise BadPolicy([Fault.of(error, file=file, places=None)]) from None
    if not tables:
        raise BadPolicy([Fault(file=file, text=f"found nothing in it, wanted a policy: {OFF}")])
    reader = _Reader(Options(tables, file=file, literal=True))
    policy = reader.policy()
    if reader.errors:
        places = Places(content.decode().removeprefix("\ufeff"))
        faults = [Fault.of(error, file=file, places=places) for error in reader.errors]
        raise BadPolicy(sorted(faults, key=lambda fault: fault.number or 0))
    assert policy is not None  # noqa: S101
    return policy


class _Reader:
    """Reads all tables, and keeps the errors."""

    def __init__(self, root: Options) -> None:
        self._root: Final = root
        self.errors: Final[list[ConfigError]] = []
        self._zone: tzinfo = machine_zone()
        self._lists: Final = Lists()
        # What was read of these words already: many rules name one list, which may be long.
        self._hosts: Final[dict[tuple[str, ...], Hosts]] = {}
        self._whens: Final[dict[str, When]] = {}
        self._patterns: Final[dict[tuple[str, ...], tuple[str, ...]]] = {}

    def policy(self) -> Policy | None:
        """The policy; None where there are errors."""
        allow, reveal = self._try(self._head) or (False, False)
        self._try(self._read_lists)
        rules = self._try(self._rules) or []
        throttle = self._try(self._throttle)
        trials = self._try(partial(self._trials, {rule.name for rule in rules})) or []
        self.errors.extend(islice(self._root.unknown(), MAX_FAULTS))
        if self.errors:
            return None
        return Policy(
            rules, allow=allow, zone=self._zone, reveal=reveal, throttle=throttle, lists=self._lists, trials=trials
        )

    def _try(self, read: Callable[[], T]) -> T | None:
        """What `read` gives; None where it raises, and then the error is kept."""
        try:
            return read()
        except ConfigError as error:
            self.errors.append(error)
            return None

    # --- [policy] and [lists] -------------------------------------------------------------------------------------

    def _head(self) -> tuple[bool, bool]:
        table = self._root.table("policy")
        self._try(partial(self._read_zone, table))
        reveal = self._try(partial(table.boolean, "reveal", False))
        default = table.choice("default", None, ("allow", "deny"))
        if default is None:
            raise table.error("default", 'found nothing, wanted "allow" or "deny": what happens where no rule decides')
        return default == "allow", reveal is True

    def _read_zone(self, table: Options) -> None:
        name = table.text("zone", None)
        if name is not None:
            try:
                self._zone = zone_named(name)
            except BadZone as error:
                raise table.error("zone", str(error)) from None

    def _read_lists(self) -> None:
        table = self._root.table("lists")
        seen: set[str] = set()
        for name in table:
            if len(self.errors) >= MAX_FAULTS:
                table.excuse()
                return
            key = fold(name)
            if key in seen:
                self.errors.append(table.error(name, "found a list of this name a second time, wanted it once"))
            seen.add(key)
            for words in (self._lists.hosts, self._lists.users):  # of a bad one, the name: its fault is told once
                words.setdefault(key, ("*",))
            self._lists.dates.setdefault(key, Dates())
            self._try(partial(self._read_list, key, table, name))

    def _read_list(self, key: str, lists: Options, name: str) -> None:
        table = lists.table(name)
        given = {kind: self._try(partial(self._entries, table, kind)) for kind in ("dates", "hosts", "users")}
        if not list(table):
            raise table.error("hosts", "found nothing, wanted dates = [...], hosts = [...] or users = [...] in a list")
        for kind, entries in given.items():
            if kind not in table:
                del getattr(self._lists, kind)[key]
            elif entries is not None:
                self._try(partial(self._take_list, table, kind, key, entries))

    def _take_list(self, table: Options, kind: str, key: str, entries: tuple[str, ...]) -> None:
        if kind == "dates":
            try:
                self._lists.dates[key] = read_dates(entries)
            except ValueError as error:
                raise table.error(kind, str(error)) from None
            return
        for entry in entries:
            if entry.startswith("@"):
                raise table.error(kind, f"found {shown(entry)}, wanted no list within a list")
        if kind == "hosts":
            self._hosts_of(table, kind, entries)
            self._lists.hosts[key] = entries
        else:
            self._lists.users[key] = tuple(map(fold, entries))

    def _entries(self, table: Options, key: str) -> tuple[str, ...] | None:
        """The strings of an array, or one string, without blanks around; None where the key is absent."""
        given = table.texts(key, None, or_one=True)
        if given is None:
            return None
        entries = tuple(entry.strip() for entry in given)
        if not entries or "" in entries:
            found = "an empty entry" if entries else "an empty list"
            raise table.error(key, f"found {found}, wanted entries (what always holds is left out)")
        return entries

    def _expanded(
        self, table: Options, key: str, words: tuple[str, ...], lists: dict[str, tuple[str, ...]]
    ) -> list[str]:
        """The entries, those of a list in the place of its ``@name``."""
        found: list[str] = []
        for word in words:
            if not word.startswith("@"):
                found.append(word)
                continue
            entries = lists.get(fold(word[1:]))
            if entries is None:
                known = ", ".join(f"@{name}" for name in sorted(lists)) or "there is none for this"
                hint = f"; all users of a domain are *{word}" if key == "user" and "." in word else ""
                raise table.error(key, f"found {shown(word)}, wanted a list that there is ({known}){hint}")
            found.extend(entries)
        return found

    def _hosts_of(self, table: Options, key: str, words: tuple[str, ...]) -> Hosts:
        if words not in self._hosts:
            try:
                self._hosts[words] = read_hosts(self._expanded(table, key, words, self._lists.hosts))
            except BadHost as error:
                raise table.error(key, str(error)) from None
        return self._hosts[words]

    # --- [[rule]] -------------------------------------------------------------------------------------------------

    def _rules(self) -> list[Rule]:
        tables = self._root.tables("rule")
        if len(tables) > MAX_RULES:
            for table in tables:
                table.excuse()
            raise self._root.error("rule", f"found {len(tables)} rules, wanted {MAX_RULES} at most")
        names: set[str] = set()
        rules = []
        for table in tables:
            if len(self.errors) >= MAX_FAULTS:
                table.excuse()
                continue
            rules.append(self._rule(table, names))
        return rules

    def _rule(self, table: Options, names: set[str]) -> Rule:
        """The rule of a table; one with a fault in it will never be asked."""
        name = self._try(partial(self._name, table, names)) or ""
        allow = self._try(partial(self._action, table))
        words = {key: self._try(partial(self._entries, table, key)) for key in CONDITIONS[:-1]}
        when = self._try(partial(self._when, table))
        mode = self._try(partial(table.choice, "mode", "enforce", ("enforce", "shadow")))
        text = self._try(partial(self._text, table))

        def read(key: str, by: Callable[[Options, str, tuple[str, ...]], T]) -> T | None:
            given = words[key]
            return None if given is None else self._try(partial(by, table, key, given))

        return Rule(
            name=name,
            allow=allow is True,
            shadow=mode == "shadow",
            text=text or "",
            users=read("user", self._users),
            classes=read("class", _plain),
            domains=read("domain", _domains),
            stores=read("store", _plain),
            services=read("service", _services),
            hosts=read("from", self._hosts_of),
            when=when,
            words={**{key: given for key, given in words.items() if given}, **({"when": (when.text,)} if when else {})},
        )

    def _name(self, table: Options, names: set[str]) -> str:
        name = table.required("name", wanted="a name, which the log and explain will call the rule by")
        if not name.strip() or not name.isprintable() or fold(name) in TAKEN_NAMES:
            raise table.error("name", f"found {shown(name)}, wanted a name of its own in plain words")
        if fold(name) in names:
            raise table.error("name", f"found {shown(name)} a second time, wanted a name for each rule")
        names.add(fold(name))
        return name

    def _action(self, table: Options) -> bool:
        """Whether the rule allows."""
        given = {word: table.boolean(word, None) for word in ("allow", "deny")}
        if [value for value in given.values() if value is not None] != [True]:
            found = ", ".join(f"{word} = {str(value).lower()}" for word, value in given.items() if value is not None)
            raise table.error("allow", f"found {found or 'neither'}, wanted either allow = true or deny = true")
        return given["allow"] is True

    def _text(self, table: Options) -> str:
        text = table.text("text", "")
        if len(text.encode()) > MAX_TEXT_BYTES or not text.isprintable():
            raise table.error("text", f"found {shown(text)}, wanted one line of less than {MAX_TEXT_BYTES + 1} bytes")
        return text

    def _users(self, table: Options, key: str, words: tuple[str, ...]) -> tuple[str, ...]:
        if words not in self._patterns:
            self._patterns[words] = tuple(map(fold, self._expanded(table, key, words, self._lists.users)))
        return self._patterns[words]

    def _when(self, table: Options) -> When | None:
        text = table.text("when", None)
        if text is None:
            return None
        if text not in self._whens:
            try:
                self._whens[text] = read_when(text, zone=self._zone, zones=zone_named, lists=self._lists.dates)
            except BadWhen as error:
                raise Pointed(table.error("when", error.found_wanted), value=text, column=error.column) from None
        return self._whens[text]

    # --- [throttle] and [[test]] ----------------------------------------------------------------------------------

    def _throttle(self) -> ThrottleSettings | None:
        if "throttle" not in self._root:
            return None
        from nwauth.policy.throttle.settings import read_throttle

        table = self._root.table("throttle")
        try:
            return read_throttle(table, lambda key, entries: self._hosts_of(table, key, entries))
        except ConfigError:
            table.excuse()
            raise

    def _trials(self, names: set[str]) -> list[Trial]:
        tables = enumerate(self._root.tables("test")[:MAX_RULES])
        trials = [self._try(partial(self._trial, at, table, names)) for at, table in tables]
        return [trial for trial in trials if trial is not None]

    def _trial(self, at: int, table: Options, names: set[str]) -> Trial:
        expect = self._try(partial(self._expected, table))
        user = (self._try(partial(table.text, "user", "")) or "").strip()
        classes = self._try(partial(self._entries, table, "class"))
        address = self._try(partial(self._address, table))
        service = fold((self._try(partial(table.text, "service", "")) or "").strip())
        moment = self._try(partial(self._moment, table))
        rule = self._try(partial(table.text, "rule", "")) or ""
        if bool(user) == bool(classes):
            raise table.error("user", f"found {'both' if user else 'neither'}, wanted either user = ... or class = ...")
        if rule and rule not in names | TAKEN_NAMES and not self.errors:
            raise table.error("rule", f"found {shown(rule)}, wanted the name of a rule, or {DEFAULT}")
        return Trial(
            place=f"test[{at}]",
            allow=expect == "allow",
            user=user,
            classes=tuple(map(fold, classes or ())),
            address=address,
            service=service_key(service),
            at=moment or "",
            rule=rule,
        )

    def _expected(self, table: Options) -> str:
        expect = table.choice("expect", None, ("allow", "deny"))
        if expect is None:
            raise table.error("expect", 'found nothing, wanted "allow" or "deny"')
        return expect

    def _address(self, table: Options) -> Address | None:
        """The address of a test; None: unknown."""
        words = table.text("from", UNKNOWN).strip()
        address = read_address(words)
        if address is None and fold(words) != UNKNOWN:
            raise table.error("from", f'found {shown(words)}, wanted an address, or "{UNKNOWN}"')
        return address

    def _moment(self, table: Options) -> str:
        """The time of a test, as it is written; "" for now."""
        moment = table.text("at", "")
        if moment:
            try:
                # By a clock that never changes: no file becomes bad because a change of the clock is near.
                read_instant(moment, zone=UTC, now=datetime.now(UTC))
            except BadInstant as error:
                raise table.error("at", str(error)) from None
        return moment


def _plain(table: Options, key: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """Names, folded; a wildcard in one would never match.  Raises ConfigError."""
    for word in words:
        if WILDCARDS.intersection(word) or word.startswith("@"):
            raise table.error(key, f"found {shown(word)}, wanted a whole name: no wildcards nor lists here")
    return tuple(map(fold, words))


def _services(table: Options, key: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """Services, each by one of its names.  Raises ConfigError."""
    folded = _plain(table, key, words)
    return tuple(word if word == UNKNOWN else service_key(word) for word in folded)


def _domains(table: Options, key: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """Domains or wildcards over them, folded.  Raises ConfigError."""
    for word in words:
        if "@" in word:
            raise table.error(key, f"found {shown(word)}, wanted a domain without @, such as {word.rpartition('@')[2]}")
    return tuple(map(fold, words))
