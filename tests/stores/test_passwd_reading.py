"""Who is found in a passwd file, who is absent, and when nobody can tell (spec/stores.md section 3)."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import Refused, Unavailable
from nwauth.stores.passwd import PasswdStore, pairs
from nwauth.stores.passwd import served as served_files
from nwauth.stores.passwd.table import MANY_QUESTIONS
from tests.stores.folders import Clock, ages_ago, until
from tests.stores.passwd_files import DAY, TODAY, ask, many, names, opened, settled

if TYPE_CHECKING:
    from pathlib import Path

    from nwauth.model import User


def found(user: User | None) -> User:
    assert user is not None
    return user


# --- case: the manual's rule -----------------------------------------------------------------------------------------

CASES = b"bob:!a:1:::/b:\nBOB:!b:2:::/B:\nAnn:!c:3:::/a:\nZoe:!d:4:::/z:\nZOE:!e:5:::/Z:\nZoe:!f:6:::/y:\n"


@pytest.mark.parametrize("size", ["small", "large", "indexed"])
@pytest.mark.parametrize(
    ("asked", "name", "uid"),
    [
        ("bob", "bob", "1"),
        ("BOB", "BOB", "2"),
        ("Bob", None, None),  # two others, and neither is meant
        ("ann", "Ann", "3"),
        ("ANN", "Ann", "3"),
        ("zoe", None, None),
        ("Zoe", "Zoe", "4"),  # the first of its spelling, as for getpwnam
        ("ZOE", "ZOE", "5"),
        ("nobody", None, None),
    ],
)
def test_the_exact_spelling_counts_and_then_the_only_other_one(
    tmp_path: Path, size: str, asked: str, name: str | None, uid: str | None
) -> None:
    store = opened(settled(tmp_path / "users", CASES + (b"" if size == "small" else many(1200))), state=tmp_path)
    if size == "indexed":
        make_index(store)
    user = ask(store, asked)
    assert (user and user.name, user and user.uid) == (name, uid)
    store.close()


@pytest.mark.parametrize(("asked", "name"), [("bob", "bob"), ("BOB", "BOB"), ("Bob", None), ("ann", None)])
def test_with_unix_case_only_the_exact_spelling_counts(tmp_path: Path, asked: str, name: str | None) -> None:
    store = opened(settled(tmp_path / "users", CASES), unix_case=True)
    user = store.lookup(asked)
    assert (user and user.name) == name
    assert store.put(found(store.lookup("Ann")).changed(name="ANN"))
    assert found(ask(store, "ANN")).name == "ANN"


def test_lines_of_one_other_spelling_are_one_user_the_first(tmp_path: Path) -> None:
    store = opened(settled(tmp_path / "users", b"BOB:!:1::::\nBOB:!:2::::\n"))
    assert found(store.lookup("bob")).uid == "1"
    assert [user.uid for user in store.search()] == ["1"]


def test_every_spelling_is_listed_once(tmp_path: Path) -> None:
    store = opened(settled(tmp_path / "users", CASES))
    assert [(user.name, user.uid) for user in store.search()] == [
        ("Ann", "3"),
        ("bob", "1"),
        ("BOB", "2"),
        ("Zoe", "4"),
        ("ZOE", "5"),
    ]


def make_index(store: PasswdStore) -> None:
    store.lookup("nobody")

    def has_index() -> bool:
        store.tend()
        store.lookup("nobody")
        file = store._pairs.of("").users._file
        return file is not None and not file.wants_index

    assert until(has_index)


def test_who_asks_for_many_and_never_tends_gets_an_index_in_memory(tmp_path: Path) -> None:
    """A command does: with the whole file read for each user, those of a large one would take hours."""
    lines = b"".join(b"user%04d:!:%d::::\n" % (number, number) for number in range(5000))
    store = opened(settled(tmp_path / "users", lines))
    assert found(store.lookup("user0007")).uid == "7"
    table = store._pairs.of("").users
    assert table.refresh().wants_index
    for number in range(MANY_QUESTIONS):
        assert found(store.lookup(f"user{number:04}")).uid == str(number)
    assert not table.refresh().wants_index
    assert store.lookup("nobody") is None
    assert found(store.lookup("user4999")).uid == "4999"
    settled(tmp_path / "users", b"user0007:!:8::::\n" + lines)
    assert found(store.lookup("user0007")).uid == "8"
    assert list(tmp_path.glob("*.idx")) == []


# --- lines -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "drop_path", "uid"),
    [
        (b"bob:h", "config", "0"),
        (b"bob:h:7", "config", "7"),
        (b"bob:h:7:8:Bob, room 4:/home/bob", "/home/bob/Mail", "7"),
        (b"bob:h:-1:8::/home/bob:/bin/sh", "/home/bob/Mail", "0"),
        (b"bob:h:vmail:8::/home/bob:/bin/sh:", "/home/bob/Mail", "0"),
        (b"bob:h:7:8::/home/bob:/bin/sh\r", "/home/bob/Mail", "7"),
        (b"bob:h:7:8::/home/{name}:", "/home/{name}/Mail", "7"),
    ],
)
def test_fewer_fields_are_accepted_from_the_right(tmp_path: Path, line: bytes, drop_path: str, uid: str) -> None:
    store = opened(settled(tmp_path / "users", line + b"\n"), drop_path="{home}/Mail")
    user = found(store.lookup("bob"))
    assert (user.drop_path, user.uid, user.stored_password) == (drop_path, uid, "h")


@pytest.mark.parametrize(
    "line",
    [
        *(b"bob", b"#bob:x:", b":bob:x:", b"+bob::::::", b"b\0b:x:1:", b" ", b"\r", b"bob\0:x:1:::"),
        *(b" bob:x:1:::", b"bob :x:1:::", b"bob\t:x:1:::", b"bob\r:x:1:::", b"b\rob:x:1:::", b" :x:1:::"),
    ],
)
def test_a_line_that_is_nobodys_is_skipped(tmp_path: Path, line: bytes) -> None:
    store = opened(settled(tmp_path / "users", line + b"\nann:!:1::::\n" + line))
    for name in ("bob", "#bob", "", "+bob", "b\0b", " ", "\r", "bob\0", line.partition(b":")[0].decode()):
        assert store.lookup(name) is None
    assert names(store) == ["ann"]


def test_a_name_with_a_blank_in_it_is_listed_and_found(tmp_path: Path) -> None:
    store = opened(settled(tmp_path / "users", b"bob b:!:1\nann:!:1\n"))
    assert names(store) == ["ann", "bob b"]
    assert found(store.lookup("bob b")).name == "bob b"


def test_a_line_may_be_longer_than_any_buffer(tmp_path: Path) -> None:
    long = b"bob:!:7::" + b"g" * 300_000 + b":/home/bob:"
    store = opened(settled(tmp_path / "users", long + b"\nann:!:1::::\n"), drop_path="{home}")
    assert found(store.lookup("bob")).drop_path == "/home/bob"
    assert found(store.lookup("ann")).uid == "1"


@pytest.mark.parametrize(
    ("extras", "info", "ip_mask"),
    [
        ("quota=200", 'quota="200"', ""),
        ("userdb_quota_rule=*:storage=1G proxy", 'userdb_quota_rule="*:storage=1G" proxy', ""),
        ("allow_nets=192.0.2.0/24,10.0.0.1", 'allow_nets="192.0.2.0/24,10.0.0.1"', "192.0.2.0/24,10.0.0.1"),
        ('fwd="a@b" note="x y=z"', 'fwd="a@b" note="x y=z"', ""),
        ('q=1 a=20"0 x=" uid=0 drop=/etc', 'q="1" a=20"0 x=" uid=0 drop=/etc', ""),
        ('a=20"0 x=" allow_nets=10.0.0.1', 'a=20"0 x=" allow_nets=10.0.0.1', "10.0.0.1"),
        ("allow_nets=", "allow_nets=", ","),
        ("q=1\tallow_nets=10.0.0.1", "q=1\tallow_nets=10.0.0.1", "10.0.0.1"),
        ('note="a" q=7 b="c', 'note="a" q="7" b="c', ""),
        (":/var/mail/bob", ":/var/mail/bob", ""),
    ],
)
def test_extras_are_info_fields_and_allow_nets_the_ip_mask(
    tmp_path: Path, extras: str, info: str, ip_mask: str
) -> None:
    store = opened(settled(tmp_path / "users", f"bob:h:1:2::/home/bob:/bin/sh:{extras}\n".encode()))
    user = found(store.lookup("bob"))
    assert (user.info.text, user.ip_mask) == (info, ip_mask)


@pytest.mark.parametrize(
    ("extras", "refused"),
    [
        ("nologin", True),
        ("a=1 nologin=y", True),
        ("nologins=1", False),
        ("a=1\tnologin", True),
        ('a=2"0 nologin=y', True),
    ],
)
def test_nologin_keeps_an_account_out_that_still_gets_mail(tmp_path: Path, extras: str, *, refused: bool) -> None:
    store = opened(settled(tmp_path / "users", f"bob:h:1:2::/home/bob:/bin/sh:{extras}\n".encode()))
    bob = found(store.lookup("bob"))
    if not refused:
        assert store.verify(bob, b"secret") is None
        return
    with pytest.raises(Refused, match="nologin"):
        store.verify(bob, b"secret")


def test_a_name_that_holds_a_path_makes_no_drop_path(tmp_path: Path) -> None:
    store = opened(settled(tmp_path / "users", b"../root:!:1::::\nbob:!:1::::\n"), drop_path="/mail/{name}")
    assert found(store.lookup("bob")).drop_path == "/mail/bob"
    with pytest.raises(Unavailable, match="holds a path"):
        store.lookup("../root")


# --- domains ---------------------------------------------------------------------------------------------------------


def per_domain(tmp_path: Path, **more: bytes) -> PasswdStore:
    for domain, content in {"dom1": b"ann:!:1::::\n", "dom2": b"bob:!:2:::/b:\n", **more}.items():
        settled(tmp_path / "mail" / f"{domain}.test.com.passwd", content)
    return opened(tmp_path / "mail" / "{domain}.passwd", state=tmp_path)


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("bob@dom2.test.com", "bob@dom2.test.com"),
        ("BOB@Dom2.TEST.com", "bob@dom2.test.com"),
        ("bob@dom1.test.com", None),
        ("bob", None),
        ("@dom2.test.com", None),
        ("bob@", None),
        ("bob@other.com", None),
        ("bob@../mail/dom2.test.com", None),
        ("bob@.dom2", None),
        ("bob@dom2.test.com/../dom2.test.com", None),
        ("bob@a\0b", None),
        ("bob@a\nb", None),
        ("bob@" + "x" * 250, None),
        ("bob@dom1.test.com@dom2.test.com", None),
    ],
)
def test_a_name_is_looked_for_in_the_file_of_its_domain(tmp_path: Path, asked: str, name: str | None) -> None:
    user = per_domain(tmp_path).lookup(asked)
    assert (user and user.name) == name


def test_a_domain_never_leaves_its_folder(tmp_path: Path) -> None:
    settled(tmp_path / "secret", b"root:!:0::::\n")
    settled(tmp_path / "mail" / "dom1", b"ann:!:1::::\n")
    store = opened(tmp_path / "mail" / "{domain}")
    for domain in ("../secret", "..", ".", "", f"{tmp_path}/secret", "dom1/../../secret", "./dom1"):
        assert store.lookup(f"root@{domain}") is None
        assert store.lookup(f"ann@{domain}") is None
    assert store.lookup("ann@dom1") is not None


def test_a_folder_may_be_the_domains(tmp_path: Path) -> None:
    settled(tmp_path / "v-dom1" / "passwd", b"ann:!:1::::\n")
    settled(tmp_path / "v-dom2" / "passwd", b"bob:!:2::::\n")
    (tmp_path / "v-dom3").mkdir()
    store = opened(tmp_path / "v-{domain}" / "passwd")
    assert found(store.lookup("bob@dom2")).name == "bob@dom2"
    assert store.lookup("bob@dom3") is None
    assert names(store) == ["ann@dom1", "bob@dom2"]


def test_a_listing_is_ordered_over_all_domains(tmp_path: Path) -> None:
    store = per_domain(tmp_path, dom2=b"zoe:!:2::::\nBob:!:1::::\nbob-x:!:1::::\n", dom3=b"", dom0=b"bob:!:7::::\n")
    wanted = ["ann@dom1.test.com", "bob-x@dom2.test.com", "bob@dom0.test.com", "Bob@dom2.test.com", "zoe@dom2.test.com"]
    assert names(store) == wanted


def test_a_fixed_file_may_be_of_one_domain(tmp_path: Path) -> None:
    store = opened(settled(tmp_path / "users", b"bob:!:1::::\n"), domains=["Dom2.test.com"])
    assert found(store.lookup("BOB@dom2.TEST.com")).name == "bob@Dom2.test.com"
    assert store.lookup("bob") is None
    assert store.lookup("bob@dom1.test.com") is None
    assert names(store) == ["bob@Dom2.test.com"]


def test_few_files_stay_open_however_many_domains_are_asked_for(tmp_path: Path) -> None:
    count = pairs.MOST_OPEN * 3
    for number in range(count):
        settled(tmp_path / "mail" / f"dom{number}", f"bob:!:{number}::::\n".encode())
        settled(tmp_path / "shadow" / f"dom{number}", b"bob:h:1\n")
    store = opened(tmp_path / "mail" / "{domain}", shadow=tmp_path / "shadow" / "{domain}", state=tmp_path)
    fds = len(os.listdir("/proc/self/fd"))
    for turn in range(2):
        for number in range(count):
            assert found(store.lookup(f"bob@dom{number}")).uid == str(number)
            assert store.lookup(f"bob@none{number}{turn}") is None
    store.tend()
    assert len(names(store)) == count
    assert len(os.listdir("/proc/self/fd")) - fds <= 5 * pairs.MOST_OPEN
    store.close()
    assert len(os.listdir("/proc/self/fd")) == fds


# --- absent needs proof ----------------------------------------------------------------------------------------------


def test_a_domain_without_a_file_is_absent_while_another_has_one(tmp_path: Path) -> None:
    store = per_domain(tmp_path)
    assert store.lookup("bob@dom3.test.com") is None
    shutil.rmtree(tmp_path / "mail")
    for name in ("bob@dom3.test.com", "bob@dom2.test.com"):
        with pytest.raises(Unavailable):
            store.lookup(name)
    (tmp_path / "mail").mkdir()
    with pytest.raises(Unavailable, match="no passwd file at all"):
        store.lookup("bob@dom3.test.com")
    settled(tmp_path / "mail" / "dom9.test.com.passwd", b"")
    assert store.lookup("bob@dom3.test.com") is None


def test_a_listed_domain_must_have_its_file(tmp_path: Path) -> None:
    settled(tmp_path / "dom1", b"ann:!:1::::\n")
    store = opened(tmp_path / "{domain}", listed=["Dom2"])
    assert store.lookup("bob@dom3") is None
    with pytest.raises(Unavailable, match="dom2"):
        store.lookup("bob@dom2")
    with pytest.raises(Unavailable, match="dom2"):
        names(store)
    settled(tmp_path / "dom2", b"bob:!:1::::\n")
    assert store.lookup("bob@dom2") is not None


def test_a_store_of_some_domains_holds_no_other(tmp_path: Path) -> None:
    settled(tmp_path / "dom1", b"ann:!:1::::\n")
    settled(tmp_path / "dom2", b"ann:!:2::::\n")
    store = opened(tmp_path / "{domain}", domains=["dom1"])
    assert store.lookup("ann@dom2") is None
    assert store.lookup("ann@dom7") is None
    assert names(store) == ["ann@dom1"]


@pytest.mark.parametrize("path", ["{domain}.passwd", "{domain}/passwd"])
def test_a_domain_behind_a_link_to_nowhere_cannot_tell(tmp_path: Path, path: str) -> None:
    """Though it was never served here: a disk that was not mounted yet must not bounce mail."""
    mail = tmp_path / "mail"
    settled(mail / path.format(domain="dom1"), b"ann:!:1::::\n")
    (mail / "notes").symlink_to(settled(tmp_path / "notes.txt", b"no domain"))
    away = path.format(domain="dom2").partition("/")[0]
    (mail / away).symlink_to(tmp_path / "disk" / away)
    store = opened(mail / path, state=tmp_path)
    assert store.lookup("ann@dom1") is not None
    assert store.lookup("ann@dom9") is None
    with pytest.raises(Unavailable, match="is behind a link to nowhere"):
        store.lookup("bob@dom2")
    with pytest.raises(Unavailable, match="moved or unmounted"):
        names(store)
    settled(tmp_path / "disk" / path.format(domain="dom2"), b"bob:!:1::::\n")
    assert store.lookup("bob@dom2") is not None
    assert names(store) == ["ann@dom1", "bob@dom2"]


@pytest.mark.parametrize("restarted", [False, True])
def test_a_domain_that_was_served_and_has_lost_its_file_cannot_tell(tmp_path: Path, *, restarted: bool) -> None:
    store = per_domain(tmp_path)
    assert store.lookup("bob@dom2.test.com") is not None
    store.tend()
    if restarted:
        store.close()
        store = opened(tmp_path / "mail" / "{domain}.passwd", state=tmp_path)
    (tmp_path / "mail" / "dom2.test.com.passwd").unlink()
    with pytest.raises(Unavailable, match="was served here and is gone") as raised:
        store.lookup("bob@dom2.test.com")
    assert str(tmp_path) not in raised.value.public
    (served,) = tmp_path.glob("nwauth.passwd.*.served")
    assert oct(served.stat().st_mode & 0o777) == "0o600"
    served.write_text("".join(row for row in served.read_text().splitlines(keepends=True) if "dom2" not in row))
    assert store.lookup("bob@dom2.test.com") is None, "the administrator has given the domain up"


@pytest.mark.parametrize("lost", ["gone", "empty"])
def test_while_the_list_of_served_files_cannot_be_read_a_lost_file_cannot_tell(tmp_path: Path, lost: str) -> None:
    store = per_domain(tmp_path)
    assert store.lookup("bob@dom2.test.com") is not None
    store.close()
    (served,) = tmp_path.glob("nwauth.passwd.*.served")
    content = served.read_bytes()
    served.unlink()
    served.mkdir()
    path = tmp_path / "mail" / "dom2.test.com.passwd"
    if lost == "gone":
        path.unlink()
    else:
        settled(path, b"")
    store = opened(tmp_path / "mail" / "{domain}.passwd", state=tmp_path)
    with pytest.raises(Unavailable, match="served"):
        store.lookup("bob@dom2.test.com")
    assert store.lookup("ann@dom1.test.com") is not None
    store.tend()
    served.rmdir()
    served.write_bytes(content)
    store.close()
    assert sorted(served.read_text().splitlines()) == [f"{tmp_path}/mail/dom{at}.test.com.passwd" for at in (1, 2)]


def served_list(folder: Path) -> Path:
    (path,) = folder.glob("nwauth.passwd.*.served")
    return path


@pytest.mark.parametrize("cut", [1, 10])
def test_a_list_of_served_files_whose_last_line_is_torn_forgets_nobody(tmp_path: Path, cut: int) -> None:
    """A crash or a full disk in the middle of a write: neither that domain nor the next is lost."""
    per_domain(tmp_path)
    paths = {at: tmp_path / "mail" / f"dom{at}.test.com.passwd" for at in (1, 2)}
    for asked in ("ann@dom1.test.com", "bob@dom2.test.com"):
        store = opened(tmp_path / "mail" / "{domain}.passwd", state=tmp_path)
        assert store.lookup(asked) is not None
        store.close()
        if "dom1" in asked:
            raw = served_list(tmp_path).read_bytes()
            served_list(tmp_path).write_bytes(raw[:-cut])
    assert f"{paths[2]}\n" in served_list(tmp_path).read_text().splitlines(keepends=True)
    paths[2].unlink()
    with pytest.raises(Unavailable, match="was served here"):
        opened(tmp_path / "mail" / "{domain}.passwd", state=tmp_path).lookup("bob@dom2.test.com")


def test_a_domain_whose_line_in_the_list_of_served_files_is_torn_is_not_absent(tmp_path: Path) -> None:
    store = per_domain(tmp_path)
    assert store.lookup("bob@dom2.test.com") is not None
    store.close()
    served = served_list(tmp_path)
    served.write_bytes(served.read_bytes()[:-9])
    (tmp_path / "mail" / "dom2.test.com.passwd").unlink()
    store = opened(tmp_path / "mail" / "{domain}.passwd", state=tmp_path)
    with pytest.raises(Unavailable, match="was served here"):
        store.lookup("bob@dom2.test.com")
    assert store.lookup("bob@other.test.com") is None


def test_a_list_of_served_files_that_cannot_be_kept_is_told_once_and_made_when_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    per_domain(tmp_path)
    told: list[dict[str, object]] = []
    store = PasswdStore(str(tmp_path / "mail" / "{domain}.passwd"), state=str(tmp_path / "away"), notice=told.append)
    monkeypatch.setattr(served_files, "PAUSE_SECONDS", 0.0)
    for _ in range(3):
        assert store.lookup("bob@dom2.test.com") is not None
        store.tend()
    (said,) = told
    assert (said["store"], said["doing"], said["state"]) == ("passwd", "keeping the list of served files", "down")
    assert str(said["reason"]).startswith(f"cannot create {tmp_path}/away/nwauth.passwd.")
    assert "its mail bounces" in str(said["reason"])
    (tmp_path / "away").mkdir()
    store.tend()
    assert told[1]["state"] == "up"
    assert served_list(tmp_path / "away").read_text() == f"{tmp_path}/mail/dom2.test.com.passwd\n"
    assert len(os.listdir(tmp_path / "away")) == 1


def test_a_list_of_served_files_that_cannot_be_written_is_never_left_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    told: list[dict[str, object]] = []
    settled(tmp_path / "mail" / "users", b"bob:!:1::::\n")
    store = PasswdStore(str(tmp_path / "mail" / "users"), state=str(tmp_path), notice=told.append)
    assert store.lookup("bob") is not None
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        store.tend()
    assert "No space left on device" in str(told[0]["reason"])
    assert os.listdir(tmp_path) == ["mail"]
    store.close()
    assert served_list(tmp_path).read_text() == f"{tmp_path}/mail/users\n"


def test_the_list_of_served_files_lies_in_the_folder_of_the_settings_though_that_is_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(tmp_path / "users", b"bob:!:1::::\n")
    monkeypatch.chdir(tmp_path)
    store = PasswdStore("users", state="")  # as for ``nwauth -path .``
    assert store.lookup("bob") is not None
    store.close()
    assert len(list(tmp_path.glob("nwauth.passwd.*.served"))) == 1


def test_the_list_of_served_files_is_kept_in_a_folder_whose_group_is_not_ours_to_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path, -1, os.getegid() + 4711)

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", refuse)
    store = opened(settled(tmp_path / "users", b"bob:!:1::::\n"), state=tmp_path)
    assert store.lookup("bob") is not None
    store.close()
    (served,) = tmp_path.glob("nwauth.passwd.*.served")
    assert oct(served.stat().st_mode & 0o777) == "0o600"


def test_a_file_beside_the_folders_of_domains_is_no_domain(tmp_path: Path) -> None:
    settled(tmp_path / "mail" / "dom1" / "passwd", b"ann:!:1::::\n")
    settled(tmp_path / "mail" / "notes", b"our domains\n")
    store = opened(tmp_path / "mail" / "{domain}" / "passwd", state=tmp_path)
    assert store.lookup("ann@dom1") is not None
    assert store.lookup("ann@dom2") is None
    assert names(store) == ["ann@dom1"]


def test_a_missing_file_of_all_users_cannot_tell(tmp_path: Path) -> None:
    store = opened(tmp_path / "users", state=tmp_path)
    for _ in range(2):
        with pytest.raises(Unavailable, match="moved or unmounted"):
            store.lookup("bob")
        with pytest.raises(Unavailable):
            names(store)
    settled(tmp_path / "users", b"bob:!:1::::\n")
    assert store.lookup("bob") is not None
    (tmp_path / "users").unlink()
    with pytest.raises(Unavailable):
        store.lookup("bob")


def test_what_was_served_is_noted_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settled(tmp_path / "users", b"bob:!:1::::\n")
    monkeypatch.chdir(tmp_path)
    store = opened("users", state=tmp_path)
    assert store.lookup("bob") is not None
    store.close()
    (served,) = tmp_path.glob("nwauth.passwd.*.served")
    assert served.read_text() == f"{tmp_path}/users\n"


@pytest.mark.parametrize("restarted", [False, True])
def test_a_file_that_was_emptied_cannot_tell(tmp_path: Path, *, restarted: bool) -> None:
    path = settled(tmp_path / "users", b"bob:!:1::::\n")
    store = opened(path, state=tmp_path)
    assert store.lookup("bob") is not None
    store.tend()
    if restarted:
        store.close()
        store = opened(path, state=tmp_path)
    settled(path, b"")
    with pytest.raises(Unavailable, match="is empty and was not"):
        ask(store, "bob")
    with pytest.raises(Unavailable, match="is empty and was not"):
        names(store)
    settled(path, b"bob:!:1::::\n")
    assert ask(store, "bob") is not None


def test_a_file_that_was_always_empty_holds_nobody(tmp_path: Path) -> None:
    store = opened(settled(tmp_path / "users", b""), state=tmp_path)
    assert store.lookup("bob") is None
    store.tend()
    assert store.lookup("bob") is None


def test_a_file_whose_last_user_we_have_deleted_holds_nobody(tmp_path: Path) -> None:
    path = settled(tmp_path / "users", b"bob:!:1::::\n")
    store = opened(path, state=tmp_path)
    assert store.delete("bob")
    store.tend()
    assert path.read_bytes() == b""
    for one in (store, opened(path, state=tmp_path)):
        assert one.lookup("bob") is None
        assert names(one) == []
        one.close()


@pytest.mark.parametrize("instead", ["a FIFO", "a folder", "a link to itself", "a link to nowhere"])
def test_what_is_no_file_cannot_tell_and_nobody_waits_for_it(tmp_path: Path, instead: str) -> None:
    path = settled(tmp_path / "users", b"bob:!:1::::\n")
    store = opened(path, state=tmp_path)
    assert store.lookup("bob") is not None
    path.unlink()
    if instead == "a FIFO":
        os.mkfifo(path)
    elif instead == "a folder":
        path.mkdir()
    else:
        path.symlink_to(path if instead.endswith("itself") else "nowhere")
    for _ in range(2):
        with pytest.raises(Unavailable):
            ask(store, "bob")
        with pytest.raises(Unavailable):
            ask(store, "nobody")
        store.tend()


# --- changes by others -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tended", [False, True])
@pytest.mark.parametrize("size", [0, 1200])
def test_a_change_is_seen_at_the_next_request_edited_or_renamed_over(
    tmp_path: Path, size: int, *, tended: bool
) -> None:
    path = settled(tmp_path / "users", b"bob:!:1::::\n" + many(size))
    store = opened(path, state=tmp_path, settle_seconds=0)
    for number in range(2, 6):
        assert found(ask(store, "bob")).uid == str(number - 1)
        assert store.lookup("nobody") is None
        if tended:
            store.tend()
        content = f"bob:!:{number}::::\n".encode() + many(size)
        if number % 2:
            path.write_bytes(content)
        else:
            (tmp_path / "new").write_bytes(content)
            (tmp_path / "new").rename(path)
    store.close()


def test_while_another_program_writes_whole_lines_serve_and_nobody_is_absent(tmp_path: Path) -> None:
    path, clock = tmp_path / "users", Clock()
    path.write_bytes(b"bob:!:1::::\nANN:!:2::::\nzoe:!")
    ages_ago(path, 0)
    store = opened(path, clock=clock)
    assert found(store.lookup("bob")).uid == "1"
    for name in ("nobody", "zoe", "ann"):  # ann: her exact spelling may yet come
        with pytest.raises(Unavailable, match=r"^users is being written by another program, try again in 30 s$"):
            store.lookup(name)
    with pytest.raises(Unavailable):
        names(store)
    clock.seconds += 5
    for name in ("nobody", "zoe"):
        with pytest.raises(Unavailable):
            store.lookup(name)  # a last line without an end may be written for half a minute
    clock.seconds += 30
    assert store.lookup("nobody") is None
    assert found(store.lookup("zoe")).stored_password == "!"
    assert found(store.lookup("ann")).name == "ANN"


def test_what_has_no_settling_time_is_settled(tmp_path: Path) -> None:
    (tmp_path / "users").write_bytes(b"bob:!:1::::\n")
    assert opened(tmp_path / "users", settle_seconds=0).lookup("nobody") is None


def test_half_a_line_has_to_settle_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "users").write_bytes(b"bob:!:1::::\neve:!:1::/ho")
    store = opened(tmp_path / "users", settle_seconds=0)
    assert found(store.lookup("bob")).uid == "1"
    for name in ("eve", "nobody"):
        with pytest.raises(Unavailable, match="is being written"):
            store.lookup(name)


def test_a_listing_of_a_file_that_changes_meanwhile_says_so(tmp_path: Path) -> None:
    path = settled(tmp_path / "users", b"bob:!:1::::\nann:!:1::::\n")
    listing = opened(path).search()
    assert next(listing).name == "ann"
    settled(path, b"bob:!:1::::\n", seconds=100)
    with pytest.raises(Unavailable, match="changed during the search"):
        list(listing)


# --- shadow ----------------------------------------------------------------------------------------------------------


def shadowed(tmp_path: Path, shadow: bytes, users: bytes = b"bob:x:1:2::/home/bob:\nann:h:1::::\n") -> PasswdStore:
    settled(tmp_path / "shadow", shadow)
    return opened(settled(tmp_path / "users", users), shadow=tmp_path / "shadow", state=tmp_path)


def test_an_x_stands_for_the_field_in_the_shadow_file(tmp_path: Path) -> None:
    store = shadowed(tmp_path, b"BOB:wrong:1\nbob:right:1\nbob:later:1\nann:other:1\n")
    assert found(store.lookup("bob")).stored_password == "right"
    assert found(store.lookup("ann")).stored_password == "h"
    assert {user.name: user.stored_password for user in store.search()} == {"bob": "right", "ann": "h"}


def test_who_is_not_in_the_shadow_file_has_no_login(tmp_path: Path) -> None:
    store = shadowed(tmp_path, b"")
    bob = found(store.lookup("bob"))
    assert bob.stored_password == "x"
    assert store.verify(bob, b"") is None


@pytest.mark.parametrize(
    ("ages", "reason"),
    [
        ("19000:0:99999:7:::", None),
        ("::::::", None),
        ("", None),
        (f"19000:0:99999:7::{TODAY}:", "expired"),
        (f"19000:0:99999:7::{TODAY + 2}:", None),
        ("19000:0:99999:7::1:", "expired"),
        ("19000:0:99999:7::-1:", None),
        ("0:0:99999:7:::", "must be changed"),
        (f"{TODAY - 31}:0:30:7:::", "password has expired"),
        (f"{TODAY - 29}:0:30:7:::", None),
        (f"{TODAY + 9}:0:30:7:::", None),
    ],
)
def test_ages_keep_an_account_out_that_still_gets_mail(tmp_path: Path, ages: str, reason: str | None) -> None:
    clock = Clock()
    clock.seconds = TODAY * DAY + 3600.0
    settled(tmp_path / "shadow", f"bob:hash:{ages}\n".encode())
    store = opened(settled(tmp_path / "users", b"bob:x:1::::\n"), shadow=tmp_path / "shadow", clock=clock)
    bob = found(store.lookup("bob"))
    assert bob.stored_password == "hash"
    if reason is None:
        assert store.verify(bob, b"secret") is None
        return
    with pytest.raises(Refused, match=reason):
        store.verify(bob, b"secret")


def test_an_age_that_is_no_number_cannot_tell(tmp_path: Path) -> None:
    store = shadowed(tmp_path, b"bob:hash:soon:::::\n")
    bob = found(store.lookup("bob"))
    with pytest.raises(Unavailable, match="wanted a number of days"):
        store.verify(bob, b"secret")


@pytest.mark.parametrize("lost", ["gone", "a folder", "being written", "emptied"])
def test_while_the_shadow_file_cannot_tell_mail_is_delivered_and_nobody_logs_in(tmp_path: Path, lost: str) -> None:
    store = shadowed(tmp_path, b"bob:hash:1\n")
    store.lookup("bob")
    store.tend()
    shadow = tmp_path / "shadow"
    shadow.unlink()
    if lost == "a folder":
        shadow.mkdir()
    elif lost == "being written":
        shadow.write_bytes(b"ann:hash:1\n")
    elif lost == "emptied":
        settled(shadow, b"")
    bob = found(ask(store, "bob"))
    assert (bob.name, bob.stored_password) == ("bob", "x")
    assert found(ask(store, "ann")).stored_password == "h"
    assert ask(store, "nobody") is None
    with pytest.raises(Unavailable):
        store.verify(bob, b"secret")
    with pytest.raises(Unavailable):
        store.confirm(bob)
    with pytest.raises(Unavailable):
        names(store)
    with pytest.raises(Unavailable):
        store.replace(bob, bob.changed(stored_password="new"))
    if shadow.is_dir():
        shadow.rmdir()
    settled(shadow, b"bob:hash:1\n")
    assert found(ask(store, "bob")).stored_password == "hash"


def test_a_large_shadow_file_without_an_index_is_listed_by_one_in_memory(tmp_path: Path) -> None:
    count = 1500
    users = b"".join(b"user%07d:x:1::::\n" % number for number in range(count))
    shadow = b"".join(b"user%07d:hash%d:19000:0:99999:7:::%s\n" % (n, n, b" " * 40) for n in range(count))
    store = shadowed(tmp_path, shadow, users)
    fds = len(os.listdir("/proc/self/fd"))
    listed = list(store.search())
    assert [user.stored_password for user in listed] == [f"hash{number}" for number in range(count)]
    assert len(os.listdir("/proc/self/fd")) == fds
