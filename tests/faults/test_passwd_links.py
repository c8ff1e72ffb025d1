"""Who owns a folder of passwd files can lay links in it, and swap them at any instant: root must not be led by them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import Refused, Unavailable
from nwauth.model import Info, User
from tests.faults.folders import Child, in_child
from tests.faults.test_folder_and_disk import ROOT
from tests.stores.folders import IN_CI, fast_folder, ssha
from tests.stores.passwd_files import many, names, opened, settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nwauth.stores.passwd import PasswdStore

OWNER = 12345
SECRET = f"root:{ssha('secret')}:0:0:root:/root:/bin/sh\nbob:{ssha('secret')}:0:0:::\n".encode()

pytestmark = pytest.mark.skipif(not ROOT, reason="only root is led where others cannot go")


@pytest.fixture
def site() -> Iterator[Path]:
    """Folders of domains, of another account, beside one of root."""
    with fast_folder() as path:
        os.chmod(path, 0o755)
        where = Path(path)
        for name, content in (("dom1", b"ann:!:1::::\n"), ("dom2", b"bob:!:1::::\n")):
            settled(where / "mail" / name / "passwd", content)
            settled(where / "mail" / name / "shadow", b"ann:!:1:\n")
        settled(where / "target" / "passwd", SECRET)
        settled(where / "target" / "shadow", b"ann:of root:1:\n")
        for name in ("passwd", "shadow"):
            (where / "target" / name).chmod(0o600)
        give(where / "mail", OWNER)
        yield where


def give(path: Path, owner: int) -> None:
    for below in (path, *path.rglob("*")):
        os.chown(below, owner, owner, follow_symlinks=False)


def facts(folder: Path) -> dict[str, tuple[object, ...]]:
    """What a folder is like: nothing in it may be changed, and nothing made."""
    return {
        path.name: (path.stat().st_ino, path.stat().st_uid, path.stat().st_mode, path.read_bytes())
        for path in folder.iterdir()
    }


def lead(link: Path, target: Path) -> None:
    """A link of the account's in the place of what is there."""
    link.rename(link.with_name("was." + link.name))
    link.symlink_to(target)
    os.chown(link, OWNER, OWNER, follow_symlinks=False)


def new(name: str) -> User:
    return User(name=name, stored_password="new", info=Info())


def change_all(store: PasswdStore) -> None:
    """What a child of root may be asked for; each may be refused."""
    steps: tuple[Callable[[], object], ...] = (
        lambda: store.lookup("bob@dom2"),
        lambda: store.put(new("zoe@dom2")),
        lambda: store.replace(bob, bob.changed(stored_password="new")) if (bob := store.lookup("bob@dom2")) else None,
        store.tend,
        lambda: store.delete("bob@dom2"),
        store.make,
        lambda: names(store),
        store.close,
    )
    for work in steps:
        try:
            work()
        except (Unavailable, Refused):
            continue


def test_a_child_of_root_is_not_led_through_a_linked_folder_of_a_domain(site: Path) -> None:
    lead(site / "mail" / "dom2", site / "target")
    before = facts(site / "target")
    conf = site / "conf"
    conf.mkdir()
    (conf / "nwauth.toml").write_text(
        f'[[stores]]\nkind = "passwd"\npath = "{site}/mail/{{domain}}/passwd"\nwritable = true\n'
    )
    with Child(conf) as child:
        assert child.ask("lookup ann@dom1").startswith("+OK")
        for request in ("lookup root@dom2", "check root@dom2 secret", "set root@dom2 owned", "set new@dom2 x"):
            said = child.ask(request)
            assert said == "-DEAD cannot read passwd: a link on the way leads to another's folder", request
        assert child.ask("del root@dom2").startswith("-DEAD")
        assert child.ask("set ann@dom1 secret").startswith("+OK")
    assert facts(site / "target") == before


@pytest.mark.parametrize("link", ["dom2", "dom2/deeper"])
@pytest.mark.parametrize("what", ["passwd", "shadow", "index"])
def test_root_is_led_nowhere_by_a_link_on_the_way_to_any_file(site: Path, link: str, what: str) -> None:
    below = "{domain}" if link == "dom2" else "{domain}/deeper"
    for domain in ("dom1", "dom2") if "/" in link else ():
        deeper = site / "mail" / domain / "deeper"
        deeper.mkdir()
        for name in ("passwd", "shadow"):
            (deeper.parent / name).rename(deeper / name)
        os.chown(deeper, OWNER, OWNER)
        os.chown(site / "mail", 0, 0)
    if what == "index":
        settled(site / "target" / "passwd", SECRET + many(1500))
    if what == "shadow":
        where = site / "apart"
        (site / "mail" / link).rename(where)
        (site / "mail" / link).mkdir()
        settled(site / "mail" / link / "passwd", b"bob:x:1::::\n")
        give(site / "mail" / "dom2", OWNER)
        where.rename(site / "hold")
        shadows = site / "shadows"
        (shadows / link).mkdir(parents=True)
        settled(shadows / link / "shadow", b"bob:!:1:\n")
        give(shadows, OWNER)
        lead(shadows / link, site / "target")
        store = opened(site / "mail" / below / "passwd", shadow=shadows / below / "shadow", state=site)
    else:
        lead(site / "mail" / link, site / "target")
        store = opened(site / "mail" / below / "passwd", state=site)
    before = facts(site / "target")
    if what != "shadow":
        for name in ("bob@dom2", "nobody@dom2"):
            with pytest.raises(Unavailable, match="a link on the way"):
                store.lookup(name)
    change_all(store)
    assert facts(site / "target") == before
    assert not list(site.glob("*.idx*"))


def test_a_missing_file_is_not_made_behind_a_link(site: Path) -> None:
    lead(site / "mail" / "dom2", site / "target")
    (site / "target" / "passwd").unlink()
    before = facts(site / "target")
    with pytest.raises(Unavailable, match="a link on the way"):
        opened(site / "mail" / "{domain}" / "passwd", domains=["dom1", "dom2"]).make()
    assert facts(site / "target") == before


def swapping(site: Path, *, at: int, for_calls: int) -> None:
    """From the call numbered `at`, for so many calls, the folder of the domain is a link to that of root."""
    count, domain, aside = [0], site / "mail" / "dom2", site / "mail" / ".aside"
    real = {name: getattr(os, name) for name in ("open", "stat", "lstat", "rename", "unlink", "readlink", "access")}

    def counted(name: str) -> None:
        def call(*args: object, **more: object) -> object:
            if count[0] == at:
                real["rename"](domain, aside)
                os.symlink(site / "target", domain)
                os.lchown(domain, OWNER, OWNER)
            if count[0] == at + for_calls:
                real["unlink"](domain)
                real["rename"](aside, domain)
            count[0] += 1
            return real[name](*args, **more)

        setattr(os, name, call)

    for name in real:
        counted(name)


@pytest.mark.parametrize("for_calls", [1, 2, 3, 5, 1000])
def test_a_folder_that_is_swapped_for_a_link_at_any_call_leads_root_nowhere(site: Path, for_calls: int) -> None:
    before = facts(site / "target")

    def attacked(at: int) -> None:
        store = opened(site / "mail" / "{domain}" / "passwd", shadow=site / "mail" / "{domain}" / "shadow", state=site)
        bob = store.lookup("bob@dom2")
        assert bob is not None
        store._pairs.of("dom2").look_again()
        swapping(site, at=at, for_calls=for_calls)
        steps: tuple[Callable[[], object], ...] = (
            lambda: store.replace(bob, bob.changed(stored_password="new")),
            lambda: store.put(new("zoe@dom2")),
        )
        for work in steps:
            try:
                work()
            except (Unavailable, Refused):
                continue
        os._exit(0)

    for at in range(0, 240, 1 if IN_CI else 7):
        domain, aside = site / "mail" / "dom2", site / "mail" / ".aside"
        assert in_child(lambda at=at: attacked(at)) == 0  # type: ignore[misc]
        assert facts(site / "target") == before, at
        if domain.is_symlink():
            domain.unlink()
            aside.rename(domain)
        settled(domain / "passwd", b"bob:!:1::::\n")
        settled(domain / "shadow", b"")


@pytest.mark.parametrize("whose", ["root's", "the owner's"])
def test_a_link_of_root_or_among_the_accounts_own_folders_serves(site: Path, whose: str) -> None:
    if whose == "root's":
        os.chown(site / "mail", 0, 0)
        settled(site / "target" / "passwd", b"bob:!:1::::\n")
    else:
        (site / "mail" / "dom2").rename(site / "elsewhere")
    (site / "mail" / "dom3").symlink_to(site / ("target" if whose == "root's" else "elsewhere"))
    store = opened(site / "mail" / "{domain}" / "passwd", state=site)
    bob = store.lookup("bob@dom3")
    assert bob is not None
    assert store.replace(bob, bob.changed(stored_password="new"))
    assert b"bob:new:" in (site / "mail" / "dom3" / "passwd").read_bytes()
    assert (site / "mail" / "dom3").is_symlink()
