"""App passwords at a login: by the service itself, and by real children over every kind of store."""

from __future__ import annotations

import json
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwauth.audit import parse_line
from nwauth.errors import Refused
from nwauth.model import APP_PASSWORDS, Info, User
from nwauth.names import NameRules
from nwauth.passwords import Passwords, Settings
from nwauth.passwords.apps import digest, made_up
from nwauth.policy.apps import MOST, AppPassword, check_field, of, written
from nwauth.policy.reading import read_policy
from nwauth.service import FixedRules, Gate, Service, StoreRules
from nwauth.service.apps import matching, named, with_one_more, without
from nwauth.stores.memory import MemoryStore
from tests.commands.common import COMMAND, SETTINGS, Run, run
from tests.databases import shared_mariadb, shared_postgres, unique
from tests.directories.people import directory_of
from tests.directories.people import person as entry
from tests.directories.slapd import MAIL, PASSWORD
from tests.serving import Child, make_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from nwauth.policy.account import AccountRefusal

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
CHEAP = Settings(argon2id_memory_kib=8, argon2id_iterations=1)
PHONE, TABLET = made_up(), made_up()
ADDRESS = b" 10.0.0.1"


def held(*found: AppPassword) -> str:
    return f'{APP_PASSWORDS}="{written(found)}"'


def app(label: str = "phone", password: str = PHONE, **limits: str) -> AppPassword:
    return AppPassword(label, digest(password), **limits)


def person(info: str, stored: str = "*secret", **more: str) -> User:
    return User(name="Bob", stored_password=stored, info=Info(info), store="memory", **more)


class Spent(Passwords):
    """Notes for which passwords the time of a wrong one was taken, and which were compared with a field."""

    def __init__(self) -> None:
        super().__init__(CHEAP, burn_scheme="ssha")
        self.burned: list[bytes] = []
        self.compared: list[bytes] = []

    def burn(self, password: bytes) -> None:
        self.burned.append(password)

    def verify(self, stored: str, password: bytes, **more: Any) -> Any:
        self.compared.append(password)
        return super().verify(stored, password, **more)


class Door:
    """A service with one user, the passwords that it spends, and what it reports."""

    def __init__(self, *users: User, store: MemoryStore | None = None, rules: str = "", **more: Any) -> None:
        self.store = store or MemoryStore(users)
        self.passwords = Spent()
        policy = read_policy(f'[policy]\ndefault = "allow"\n{rules}'.encode(), file="policy.toml") if rules else None
        self.service = Service(
            self.store,
            self.passwords,
            rules={"memory": StoreRules(scheme="ssha", star_is_clear=True, **more)},
            names=NameRules(),
            now=lambda: NOON,
            gate=Gate(FixedRules(policy)) if policy is not None else Gate(),
        )
        self.told: dict[str, object] = {}

    def opens(self, password: str, *, address: str | None = "10.0.0.1", service: str = "") -> bool:
        self.told.clear()
        self.passwords.burned.clear()
        self.passwords.compared.clear()
        typed = password.encode()
        return self.service.check("bob", typed, self.told.__setitem__, address=address, service=service) is not None


# --- which passwords open --------------------------------------------------------------------------------------------


def test_the_users_own_password_and_each_app_password_open() -> None:
    door = Door(person(held(app(), app("tablet", TABLET))))
    assert door.opens("secret")
    assert "app" not in door.told
    for label, password in (("phone", PHONE), ("tablet", TABLET)):
        assert door.opens(password)
        assert door.told == {"store": "memory", "scheme": "app-password", "app": label}
    assert not door.opens(made_up())
    assert (door.told["reason"], "app" in door.told) == ("wrong password", False)


def test_an_app_password_is_compared_before_a_slow_hash_is_computed() -> None:
    door = Door(person(held(app())))
    assert door.opens(PHONE)
    assert door.passwords.compared == []
    assert not door.opens("wrong")
    assert not door.opens(TABLET)
    assert door.passwords.compared == [TABLET.encode()]


def test_who_has_none_pays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_user: User, _password: bytes) -> None:
        raise AssertionError("looked for app passwords")

    monkeypatch.setattr("nwauth.service.apps.matching", never)
    assert not Door(person('quota="5"')).opens(PHONE)
    assert not Door(person(held(app()))).opens("a password of another form")


def test_a_users_own_password_may_look_like_one() -> None:
    assert Door(person(held(app()), stored=f"*{TABLET}")).opens(TABLET)


@pytest.mark.parametrize("stored", ["!", "", "x", "*LK*", "!{ssha}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf", "{foo}bar"])
def test_a_locked_user_is_kept_out_by_app_passwords_too(stored: str) -> None:
    door = Door(person(held(app()), stored=stored))
    assert not door.opens(PHONE)
    assert "lets nobody in" in str(door.told["reason"])
    assert door.passwords.burned == [PHONE.encode()]


@pytest.mark.parametrize(
    ("info", "more", "rule"),
    [
        ('mailstatus="suspended" ', {}, "mailstatus"),
        ('valid_until="2026-01-31" ', {}, "valid_until"),
        ("", {"ip_mask": "192.0.2.7"}, "ip_mask"),
    ],
)
def test_what_keeps_the_user_out_keeps_its_app_passwords_out(info: str, more: dict[str, str], rule: str) -> None:
    door = Door(person(info + held(app()), **more))
    assert not door.opens(PHONE)
    assert door.told["rule"] == rule


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"until": "2026-06-14"}, "app password phone: until 2026-06-14 is over"),
        ({"until": "2026-06-15T12:00"}, "app password phone: until 2026-06-15T12:00 is over"),
        ({"hosts": "192.0.2.7"}, "app password phone: 10.0.0.1 is not within 192.0.2.7"),
    ],
)
def test_its_own_limits_keep_one_out_and_no_other(limits: dict[str, str], reason: str) -> None:
    door = Door(person(held(app(**limits), app("tablet", TABLET))))
    assert not door.opens(PHONE)
    assert (door.told["rule"], door.told["reason"], door.told["app"]) == (APP_PASSWORDS, reason, "phone")
    assert door.passwords.compared == [PHONE.encode()]
    assert door.opens(TABLET)
    assert door.opens("secret")


class OneVerifies(MemoryStore):
    """A store that compares Ann's password by itself, as of several one may do, and no other's."""

    def verify(self, user: User, password: bytes, *, address: str | None = None) -> bool | None:
        del password, address
        return False if user.name == "ann" else None


def test_one_that_is_refused_takes_the_time_of_a_wrong_one_whatever_another_store_took(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(_seconds: float) -> None:
        raise AssertionError("took the time of another store")

    monkeypatch.setattr("nwauth.service.login.sleep", never)
    ann = User(name="ann", stored_password="", info=Info(), store="memory")
    door = Door(store=OneVerifies([ann, person(held(app(until="2026-06-14")))]))
    for password in (PHONE, TABLET):
        assert door.service.check("ann", b"wrong") is None
        assert not door.opens(password)
        assert door.passwords.compared == [password.encode()]


def test_limits_that_hold_let_in() -> None:
    door = Door(person(held(app(until="2026-06-15", hosts="10.0.0.0/8,192.0.2.7"))))
    assert door.opens(PHONE)
    assert not door.opens(PHONE, address=None)


RULES = """
[[rule]]
name = "pop alone"
deny = true
class = "pop"
service = ["imap", "smtp"]
[[rule]]
name = "no students"
deny = true
class = "student"
"""


def test_rules_take_the_class_of_the_app_password_and_else_the_users() -> None:
    door = Door(person(held(app(classes="pop"), app("tablet", TABLET)) + ' mailaccess="student"'), rules=RULES)
    assert door.opens(PHONE, service="pop3")
    assert not door.opens(PHONE, service="imap")
    assert door.told.get("rule") == "pop alone"
    assert door.passwords.compared == [PHONE.encode()]
    for password in (TABLET, "secret"):
        assert not door.opens(password, service="pop3")
        assert door.told.get("rule") == "no students"


# --- what a login brings about ---------------------------------------------------------------------------------------


def test_a_login_by_one_stores_nothing_anew_and_moves_nobody() -> None:
    user = person(held(app()))
    door = Door(user, upgrade_to="argon2id")
    assert door.opens(PHONE)
    assert door.store.lookup("bob") == user
    assert door.opens("secret")
    changed = door.store.lookup("bob")
    assert changed is not None
    assert (changed.stored_password[:10], changed.info) == ("$argon2id$", user.info)
    door = Door(user, migrate_to="memory")
    assert door.opens(PHONE)
    assert "migration" not in door.told


class Replica(MemoryStore):
    """Lags behind its primary."""

    def __init__(self, user: User, *, primary: User) -> None:
        super().__init__([user])
        self._primary = primary

    def confirm(self, user: User) -> User | None:
        del user
        return self._primary


def test_a_replica_that_lags_behind_refuses_nobody() -> None:
    new = person(held(app(classes="pop")))
    door = Door(store=Replica(person(""), primary=new))
    assert door.opens(PHONE)
    door = Door(store=Replica(person(held(app(until="2020-01-01"))), primary=new))
    assert door.opens(PHONE)


def test_explain_tells_of_one_and_until_when() -> None:
    door = Door(person(held(app(until="2026-06-20", classes="pop", hosts="10.0.0.0/8"))), rules=RULES)
    steps: dict[str, Any] = {}
    assert door.service.explain("bob", steps.__setitem__, address="10.0.0.1", service="pop3", app="PHONE") is None
    assert (steps["app"], steps["decision"].allowed) == (None, True)
    refusal = door.service.explain("bob", steps.__setitem__, address="11.0.0.1", app="phone")
    assert refusal is not None
    told: AccountRefusal = steps["app"]
    assert (refusal.rule, told.reason) == (APP_PASSWORDS, refusal.reason)
    with pytest.raises(Refused, match="no app password 'other'"):
        door.service.explain("bob", steps.__setitem__, app="other")


# --- making and taking away ------------------------------------------------------------------------------------------


def test_one_more_and_one_less_leave_the_others_as_they_are() -> None:
    odd = "what;is;this"
    info = Info(f'a="1" {APP_PASSWORDS}="{odd}" x')
    more = with_one_more(info, app())
    assert of(more)[0].text == odd
    assert matching(person(more.text), PHONE.encode()) == named(person(more.text), "Phone") == of(more)[1]
    assert without(more, ["PHONE"]) == info
    assert without(info, ["what"]) == Info('a="1" x')
    with pytest.raises(Refused, match="already"):
        with_one_more(more, app("PHONE", TABLET))
    with pytest.raises(Refused, match="no app password 'tablet': found 'what', 'phone'"):
        without(more, ["phone", "tablet"])


def test_ten_are_the_most() -> None:
    info = Info()
    for number in range(MOST):
        info = with_one_more(info, app(f"app{number}"))
    with pytest.raises(Refused, match="10 are the most"):
        with_one_more(info, app("one-more"))


def test_no_field_that_is_set_makes_a_password() -> None:
    service = Door(person(held(app()))).service
    for value in (written([app("mine", TABLET)]), "x"):
        with pytest.raises(Refused, match="made by nwauth user app alone"):
            service.set("bob", None, {"App_Passwords": value})
        with pytest.raises(Refused, match="made by nwauth user app alone"):
            service.set("new", b"secret", {APP_PASSWORDS: value})
        with pytest.raises(Refused, match="made by nwauth user app alone"):
            service.judge("new", b"secret", {APP_PASSWORDS: value})
    there = service.lookup("bob")
    assert there is not None
    kept = there.info.get(APP_PASSWORDS) or ""
    assert service.set("bob", None, {APP_PASSWORDS: kept, "quota": "5"}).info.get(APP_PASSWORDS) == kept
    assert service.set("bob", None, {APP_PASSWORDS: ""}).info == Info('quota="5"')
    with pytest.raises(Refused, match="entry 1"):
        service.add(person(f'{APP_PASSWORDS}="x"').changed(name="new"))


@given(st.data())
def test_any_history_of_giving_and_taking_lets_in_who_has_one_and_nobody_else(data: st.DataObject) -> None:
    secrets = [made_up() for _ in range(6)]
    alive: dict[str, str] = {}
    info = Info('quota="5"')
    for secret in secrets:
        label = data.draw(st.sampled_from(["a", "B", "c-1"]))
        if label in alive:
            info = without(info, [label.swapcase()])
            del alive[label]
        if data.draw(st.booleans()):
            info = with_one_more(info, app(label, secret))
            alive[label] = secret
    for secret in secrets:
        found = matching(person(info.text), secret.encode())
        assert (None if found is None else found.label) == next((k for k, v in alive.items() if v == secret), None)
    assert info.public() == Info('quota="5"')


# --- real children, every store --------------------------------------------------------------------------------------

HEAD = SETTINGS.partition("[passwords]")[2]
PASSWORDS = f"[passwords]{HEAD}"
FOREIGN = """
[[stores]]
kind = "sql"
url = "sqlite:///users.db"
table = "people"
password_format = "auto"
  [stores.columns]
  name = "login"
  password = "pw"
  quota = "quota"
  info = { app_passwords = "apps" }

"""
PASSWD = '[[stores]]\nkind = "passwd"\npath = "users"\nwritable = true\nsettle_seconds = 0.0\n\n'


def flat(_folder: Path) -> str:
    return SETTINGS


def shared(_folder: Path) -> str:
    return SETTINGS.replace("shared = false", "shared = true")


def passwd(folder: Path) -> str:
    (folder / "users").write_text("adam:!:1:1:Adam:/home/adam:/bin/false\n")
    return PASSWD + PASSWORDS


def foreign(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "users.db")) as database:
        database.execute("CREATE TABLE people (login TEXT PRIMARY KEY, pw TEXT, quota TEXT, apps TEXT)")
    return FOREIGN + PASSWORDS


def own(url: str) -> str:
    return f'[[stores]]\nkind = "sql"\nurl = "{url}"\ntable = "{unique("accounts")}"\n\n{PASSWORDS}'


STORES: dict[str, Callable[[Path], str]] = {
    "flat": flat,
    "shared": shared,
    "passwd": passwd,
    "sqlite": lambda _: own("sqlite:///users.db"),
    "postgres": lambda _: own(shared_postgres().url()),
    "mariadb": lambda _: own(shared_mariadb().url()),
    "foreign": foreign,
}
BOB = b'+OK bob config %s quota="5"\n'
NO = b"-ERR bob password wrong or not a valid user\n"


class House:
    """A folder with a store of that kind, in which there is Bob, whose password is ``secret``."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder = make_folder(folder, b"" if kind in ("flat", "shared") else None)
        self.path = str(folder)
        (folder / "nwauth.toml").write_text(STORES[kind](folder))
        if kind in ("sqlite", "postgres", "mariadb"):
            assert self.run("init").status == 0
        assert self.run("user", "add", "bob", "quota=5", "--password-stdin", stdin=b"secret\n").status == 0

    def run(self, *words: str, stdin: bytes = b"") -> Run:
        return run(self.path, *words, stdin=stdin)

    def give(self, label: str, *options: str) -> str:
        """A new app password of Bob."""
        done = self.run("user", "app", "add", "bob", label, *options)
        assert done.status == 0, done.err
        return str(json.loads(done.out)["password"])

    def log(self) -> list[dict[str, str]]:
        return [parse_line(line) for line in (self.folder / "nwauth.log").read_text().splitlines()]


@pytest.fixture(params=STORES)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> House:
    return House(tmp_path / "mail", request.param)


def test_children_of_every_store_take_them_and_tell_nobody(house: House) -> None:
    phone = house.give("phone", "--hosts", "10.0.0.0/8, 2001:db8::/32", "--until", "2099-01-31")
    tablet = house.give("tablet")
    with Child(house.folder, "-log") as child:
        yes = child.ask(b"lookup bob")
        assert yes.endswith(b' quota="5"\n')
        for typed in (b"secret", phone.encode(), tablet.upper().encode(), tablet.replace("-", "").encode()):
            assert child.ask(b"check bob " + typed + ADDRESS) == yes
        assert child.ask(b"check bob " + phone.encode() + b" 192.0.2.1") == NO
        assert child.ask(b"check bob " + made_up().encode() + ADDRESS) == NO
        listing = child.ask(b"search bob")
        assert listing.startswith(b'+DATA bob quota="5"\n+OK Search Complete 1 items')
        assert child.ask(b'set bob (NULL) quota="6"') == b"+OK bob added to database\n"
        assert child.ask(b"check bob " + phone.encode() + ADDRESS) == yes.replace(b'"5"', b'"6"')
        assert child.ask(b'set bob (NULL) app_passwords="x"').startswith(b"-ERR app_passwords is made by")
        assert house.run("user", "app", "del", "bob", "phone").status == 0
        assert child.ask(b"check bob " + phone.encode() + ADDRESS) == NO
        assert child.ask(b"check bob " + tablet.encode() + ADDRESS).startswith(b"+OK bob ")
        assert child.ask(b'set bob (NULL) app_passwords=""') == b"+OK bob added to database\n"
        assert child.ask(b"check bob " + tablet.encode() + ADDRESS) == NO
        assert child.ask(b"check bob secret" + ADDRESS).startswith(b"+OK bob ")
        child.hang_up()
        child.assert_ended_well()
    assert [line.get("app") for line in house.log() if line["command"] == "check"] == [
        *(None, "phone", "tablet", "tablet", "phone", None, "phone", None, "tablet", None, None),
    ]
    text = (house.folder / "nwauth.log").read_text()
    assert phone not in text
    assert tablet not in text
    assert "ssha256" not in text


def test_no_command_shows_what_is_stored(house: House) -> None:
    phone = house.give("phone")
    stored = json.loads(house.run("user", "show", "bob", "--show-hash").out)["info"][APP_PASSWORDS]
    digest_of_it = stored.split(";")[1].removeprefix("{ssha256}")
    for words in (
        ("user", "show", "bob"),
        ("user", "list", "--format", "csv"),
        ("user", "search", "bob", "--format", "json"),
        ("user", "app", "list", "bob"),
        ("user", "set", "bob", "quota=7", "--dry-run"),
        ("user", "set", "bob", "app_passwords=", "--dry-run"),
        ("user", "app", "del", "bob", "phone", "--dry-run"),
        ("user", "del", "bob", "--dry-run"),
        ("explain", "bob", "--app", "phone"),
        ("hash", "report", "--users"),
        ("doctor",),
    ):
        done = house.run(*words)
        assert done.status in (0, 1), (words, done.err)
        assert digest_of_it not in done.out + done.err, words
        assert phone not in done.out + done.err, words
    assert house.run("user", "app", "del", "bob", "phone").status == 0
    changes = (house.folder / "nwauth.changes").read_text()
    assert APP_PASSWORDS in changes
    assert digest_of_it not in changes


def test_a_copy_takes_them_along(house: House) -> None:
    phone = house.give("phone", "--until", "2099-01-31")
    names = json.loads(house.run("user", "show", "bob").out)["store"]
    done = house.run("copy", "--from", names, "--to", "sqlite:///copied.db", "--make")
    assert done.status == 0, done.err
    make_folder(house.folder / "copy", None, toml='[[stores]]\nkind = "sql"\nurl = "sqlite:///../copied.db"\n')
    with Child(house.folder / "copy") as child:
        assert child.ask(b"check bob " + phone.encode() + ADDRESS).startswith(b"+OK bob config ")


@pytest.mark.parametrize("kind", ["flat", "sqlite", "passwd"])
def test_of_many_that_are_given_at_once_none_is_lost(tmp_path: Path, kind: str) -> None:
    house = House(tmp_path / "mail", kind)
    with ThreadPoolExecutor(6) as at_once:
        passwords = list(at_once.map(house.give, (f"app{number}" for number in range(6))))
    with Child(house.folder) as child:
        for password in passwords:
            assert child.ask(b"check bob " + password.encode() + ADDRESS).startswith(b"+OK bob ")


# --- particular stores -----------------------------------------------------------------------------------------------


def test_a_merge_and_foreign_lines_leave_them_byte_for_byte(tmp_path: Path) -> None:
    house = House(tmp_path / "mail", "flat")
    phone = house.give("phone")
    line = [text for text in (house.folder / "nwauth.add").read_text().splitlines() if text.startswith("bob:")][-1]
    assert house.run("merge").status == 0
    assert line in (house.folder / "nwauth.txt").read_text().splitlines()
    with (house.folder / "nwauth.add").open("a") as file:  # by hand, or another program: capitals, another order
        file.write(line.replace('quota="5" app_passwords', "APP_PASSWORDS").replace("bob:", "Bob:") + ' fwd="x@y"\n')
    with Child(house.folder) as child:
        assert child.ask(b"check bob " + phone.encode() + ADDRESS) == b'+OK Bob config 0 fwd="x@y"\n'


def test_a_foreign_table_without_a_column_for_them_refuses_and_says_what_lacks(tmp_path: Path) -> None:
    house = House(tmp_path / "mail", "foreign")
    settings = (house.folder / "nwauth.toml").read_text()
    (house.folder / "nwauth.toml").write_text(settings.replace('  info = { app_passwords = "apps" }\n', ""))
    done = house.run("user", "app", "add", "bob", "phone")
    assert (done.status, done.out) == (1, "")
    assert "no column for app_passwords: map one under [stores.columns]" in done.err


def test_a_column_that_is_too_short_for_them_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    server, table = shared_postgres(), unique("people")
    server.sql(f"CREATE TABLE {table} (login text PRIMARY KEY, pw text, quota text, apps varchar(40))")
    toml = FOREIGN.replace("sqlite:///users.db", server.url()).replace('"people"', f'"{table}"') + PASSWORDS
    folder = make_folder(tmp_path / "mail", None, toml=toml)
    assert run(str(folder), "user", "add", "bob", "quota=5", "--password-stdin", stdin=b"secret\n").status == 0
    done = run(str(folder), "user", "app", "add", "bob", "phone")
    assert (done.status, done.out) == (1, "")
    assert "value too long for type character varying(40)" in done.err
    assert "ssha256" not in done.err
    with Child(folder) as child:
        assert child.ask(b"check bob secret" + ADDRESS) == b'+OK bob config 0 quota="5"\n'


def test_a_directory_that_is_compared_with_may_hold_them_and_keeps_its_word(tmp_path: Path) -> None:
    phone = made_up()
    server, base = directory_of()
    text = entry(
        base, "bob", userPassword="{SSHA}EAzXAXBVz5BjxQcv2+AC12kT02SICcXf", description=written([app("phone", phone)])
    )
    server.modify(text)
    store = (
        f'[[stores]]\nkind = "ldap"\nurls = ["{server.url}"]\nbase = "{base}"\nbind_dn = "{MAIL}"\n'
        'bind_password = { file = "ldap.secret" }\nmode = "MODE"\n'
        '[stores.attributes]\ninfo = { app_passwords = "description" }\n'
    )
    for mode, answer in (("compare", b"+OK bob config 0\n"), ("bind", NO)):
        folder = make_folder(tmp_path / mode, None, toml=store.replace("MODE", mode))
        (folder / "ldap.secret").write_text(PASSWORD)
        (folder / "ldap.secret").chmod(0o600)
        with Child(folder) as child:
            assert child.ask(b"lookup bob") == b"+OK bob config 0\n"
            assert child.ask(b"check bob " + phone.encode() + ADDRESS) == answer


def test_of_several_stores_each_keeps_those_of_its_users(tmp_path: Path) -> None:
    house = House(tmp_path / "mail", "flat")
    (house.folder / "users").write_text("eve:!:1:1:Eve:/home/eve:/bin/false\n")
    named = PASSWD.replace(
        'kind = "passwd"', 'kind = "passwd"\nname = "site"\nmatch = ["*@site"]\nstrip_suffix = "@site"'
    )
    settings = SETTINGS.partition("[passwords]")[0].replace('"."', '"."\nmatch = ["*"]')
    (house.folder / "nwauth.toml").write_text(named + settings + PASSWORDS)
    assert house.run("user", "passwd", "eve@site", "--password-stdin", stdin=b"other\n").status == 0
    given = house.run("user", "app", "add", "eve@site", "phone", "--quiet")
    assert given.status == 0, given.err
    eves, bobs = given.out.strip().encode(), house.give("phone").encode()
    assert "app_passwords=phone;" in (house.folder / "users").read_text()
    with Child(house.folder) as child:
        assert child.ask(b"check eve@site " + eves + ADDRESS) == b"+OK eve@site config 1\n"
        assert child.ask(b"check bob " + bobs + ADDRESS) == b'+OK bob config 0 quota="5"\n'
        assert child.ask(b"check bob " + eves + ADDRESS) == NO
        assert child.ask(b"search *") == (
            b'+DATA bob quota="5"\n+DATA eve@site\n+OK Search Complete 2 items found out of 2\n'
        )


def test_what_was_taken_away_comes_back_by_undo(tmp_path: Path) -> None:
    house = House(tmp_path / "mail", "flat")
    phone = house.give("phone").encode()
    for words in (("user", "app", "del", "bob", "phone"), ("user", "set", "bob", "app_passwords=")):
        assert house.run(*words).status == 0
        with Child(house.folder) as child:
            assert child.ask(b"check bob " + phone + ADDRESS) == NO
        done = house.run("undo")
        assert done.status == 0, done.err
        assert "ssha256" not in done.out + done.err
        with Child(house.folder) as child:
            assert child.ask(b"check bob " + phone + ADDRESS).startswith(b"+OK bob ")


def test_a_directory_takes_no_changes(tmp_path: Path) -> None:
    server, base = directory_of("bob")
    folder = make_folder(
        tmp_path / "mail",
        None,
        toml=f'[[stores]]\nkind = "ldap"\nurls = ["{server.url}"]\nbase = "{base}"\nmode = "compare"\n'
        f'bind_dn = "{MAIL}"\nbind_password = {{ file = "ldap.secret" }}\n',
    )
    (folder / "ldap.secret").write_text(PASSWORD)
    (folder / "ldap.secret").chmod(0o600)
    done = run(str(folder), "user", "app", "add", "bob", "phone")
    assert (done.status, done.out) == (1, "")
    assert "takes no changes (a directory is changed with its own tools)" in done.err


def test_a_module_behind_gets_none_for_it_compares_passwords_itself(tmp_path: Path) -> None:
    inner = House(tmp_path / "inner", "flat")
    phone = inner.give("phone")
    command = [*COMMAND, "-path", inner.path]
    outer = make_folder(tmp_path / "outer", None, toml=f'[[stores]]\nkind = "process"\ncommand = {command!r}\n')
    done = run(str(outer), "user", "app", "add", "bob", "tablet")
    assert (done.status, done.out) == (1, "")
    assert "compares passwords by itself: it takes no app passwords" in done.err
    with Child(outer) as child:
        assert child.ask(b"check bob " + phone.encode() + ADDRESS) == b'+OK bob config 0 quota="5"\n'


# --- the manual ------------------------------------------------------------------------------------------------------


def test_the_stored_form_that_the_manual_shows_is_that_of_the_password_that_it_types() -> None:
    """docs/app-passwords.md."""
    page = (Path(__file__).resolve().parent.parent / "docs" / "app-passwords.md").read_text()
    fields = re.findall(r'app_passwords="(phone.*?)"', page)
    assert len(fields) == 2
    for field in fields:
        check_field(APP_PASSWORDS, field)
        found = matching(person(f'{APP_PASSWORDS}="{field}"'), b"qx7wd-3kfp9-ah2mz-uv6re")
        assert found is not None
        assert found.label == "phone"
