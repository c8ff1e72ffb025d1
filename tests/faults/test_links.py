"""Who owns a folder can lay links in it, and name files in its configuration: root must not be led by either."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import Unavailable
from nwauth.stores.textfile import files
from tests.faults.folders import in_child
from tests.serving import COMMAND, Child, converse, one_shot
from tests.stores.folders import ask, base, fast_folder, line, many, opened, user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = os.geteuid() == 0
OWNER = 12345
SECRET = line("ghost", "of root") + b"root:$6$saltsalt$secret:\n" * 20

needs_root = pytest.mark.skipif(not ROOT, reason="only root is led where others cannot go")


@pytest.fixture
def mail() -> Iterator[Path]:
    """A folder of another account, which reaches it, beside a folder of root."""
    with fast_folder() as path:
        os.chmod(path, 0o755)
        folder = base(Path(path) / "mail", line("bob") + many(1500), line("eve") + b"odd\n")
        for where in (folder, folder / "nwauth.txt", folder / "nwauth.add"):
            os.chown(where, OWNER, OWNER)
        yield folder


def secret_of_root(mail: Path) -> Path:
    path = mail.parent / "secret"
    path.write_bytes(SECRET)
    path.chmod(0o600)
    return path


def facts(path: Path) -> tuple[object, ...]:
    status = path.stat()
    return (status.st_ino, status.st_uid, status.st_gid, status.st_mode, status.st_mtime_ns, path.read_bytes())


LINKS: dict[str, Callable[[Path, Path], object]] = {
    "symbolic": lambda target, path: path.symlink_to(target),
    "hard": os.link,
}


def lay(kind: str, target: Path, path: Path) -> tuple[object, ...]:
    """Put a link of the folder's owner in the place of `path`; what its target is like, which must stay."""
    path.unlink(missing_ok=True)
    LINKS[kind](target, path)
    if kind == "symbolic":
        os.chown(path, OWNER, OWNER, follow_symlinks=False)
    return facts(target)


def change_all(folder: Path) -> None:
    """What a child of root does in time: changes, an index, a merge, a deletion for all; each may be refused."""
    store = opened(folder)
    steps: tuple[Callable[[], object], ...] = (
        lambda: ask(store, "bob"),
        store._chores._indexing.make,
        store.tend,
        lambda: store.put(user("new")),
        store.merge,
        store._chores.merge,
        lambda: store.delete("eve"),
        lambda: store.delete("bob"),
        store._chores.remove_deleted,
        store.tend,
    )
    for work in steps:
        try:
            work()
        except (Unavailable, OSError):
            continue
        except Exception as error:
            raise AssertionError(f"{work}: {error!r}") from error


@needs_root
@pytest.mark.parametrize("kind", LINKS)
@pytest.mark.parametrize("name", ["nwauth.lock", "nwauth.rejected", "nwauth.idx", "nwauth.add", "nwauth.txt"])
def test_a_child_of_root_is_not_led_through_a_link_of_the_folders_owner(mail: Path, kind: str, name: str) -> None:
    secret = secret_of_root(mail)
    before = lay(kind, secret, mail / name)
    with Child(mail, "-size", "1") as child:
        for _ in range(2):
            said = [
                child.ask(request)
                for request in (b"lookup bob", b"lookup ghost", b"check ghost of_root", b"set zoe pw", b"search *")
            ]
            assert not [reply for reply in said if b"ghost config" in reply or b"+DATA ghost" in reply]
            if name in ("nwauth.add", "nwauth.txt"):
                assert {reply[:6] for reply in said} == {b"-DEAD "}
            else:
                assert said[0].startswith(b"+OK")
                assert said[1].startswith(b"-ERR")
        assert child.ask(b"del eve")
        child.hang_up()
        assert child.rest() == b""
        assert child.status() == 0
    assert in_child(lambda: change_all(mail)) == 0
    assert facts(secret) == before


@needs_root
@pytest.mark.parametrize("kind", LINKS)
@pytest.mark.parametrize("name", ["nwauth.lock", "nwauth.rejected", "nwauth.idx", "nwauth.add", "nwauth.txt"])
def test_a_one_shot_form_of_root_is_not_led_through_a_link_of_the_folders_owner(
    mail: Path, kind: str, name: str
) -> None:
    secret = secret_of_root(mail)
    before = lay(kind, secret, mail / name)
    for words in (["-set", "zoe", "pw"], ["-search", "*"]):
        done = converse(mail, b"", "-size", "1", *words)
        assert b"ghost config" not in done.stdout
        assert b"+DATA ghost" not in done.stdout
        assert b"saltsalt" not in done.stdout + done.stderr
    subprocess.run([COMMAND, "-path", str(mail), "merge"], capture_output=True, check=False, timeout=30)
    assert facts(secret) == before


@needs_root
def test_a_link_that_is_put_straight_while_root_opens_it_is_still_one(
    mail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check must be of what was opened, not of what has the name a moment later."""
    secret, path = secret_of_root(mail), mail / "nwauth.add"
    lay("symbolic", secret, path)
    real = os.open

    def opening(what: str, *given: int, **more: int) -> int:
        fd = real(what, *given, **more)
        if what == str(path):
            path.unlink()
            path.write_bytes(line("eve"))
        return fd

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", opening)
        with pytest.raises(OSError, match="does not belong"):
            files.open_own(str(path), os.O_RDONLY, links=True)
    os.chown(path, OWNER, OWNER)
    os.close(files.open_own(str(path), os.O_RDONLY, links=True))


@needs_root
def test_links_within_the_accounts_own_files_serve(mail: Path) -> None:
    for name in ("nwauth.txt", "nwauth.add"):
        (mail / name).rename(mail.parent / name)
        lay("symbolic", mail.parent / name, mail / name)
    with Child(mail) as child:
        assert child.ask(b"lookup bob").startswith(b"+OK")
        assert child.ask(b"lookup eve").startswith(b"+OK")
        assert child.ask(b"set zoe pw").startswith(b"+OK")
    assert (mail.parent / "nwauth.add").stat().st_uid == OWNER
    assert b"zoe:" in (mail.parent / "nwauth.add").read_bytes()


@needs_root
def test_what_root_makes_beside_a_file_of_odd_mode_is_never_setuid(mail: Path) -> None:
    (mail / "nwauth.txt").chmod(0o6755)
    (mail / "nwauth.lock").unlink(missing_ok=True)
    assert in_child(lambda: change_all(mail)) == 0
    made = {name: (mail / name).stat().st_mode & 0o7000 for name in os.listdir(mail) if name != "nwauth.txt"}
    assert "nwauth.lock" in made
    assert set(made.values()) == {0}


@pytest.mark.parametrize("name", ["nwauth.txt", "nwauth.add", "nwauth.lock", "nwauth.idx", "nwauth.rejected"])
def test_a_fifo_among_the_files_hangs_nobody(name: str) -> None:
    with fast_folder() as path:
        folder = base(Path(path) / "mail", line("bob") + many(1500), line("eve") + b"odd\n")
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)
        with Child(folder) as child:
            found, unknown = child.ask(b"lookup bob"), child.ask(b"lookup nobody")
            if name in ("nwauth.txt", "nwauth.add"):
                assert found[:6] == unknown[:6] == b"-DEAD "
            else:
                assert found.startswith(b"+OK")
                assert unknown.startswith(b"-ERR")
            assert child.ask(b"set zoe pw")[:6] in (b"+OK zo", b"-DEAD ")
        reply, status = one_shot(folder, "-lookup", "nobody")
        assert (reply[:6], status) == ((b"-DEAD ", 75) if found[:6] == b"-DEAD " else (b"-ERR n", 1))
        assert in_child(lambda: change_all(folder)) == 0


# --- a store in another folder than the configuration ----------------------------------------------------------------


@needs_root
@pytest.mark.parametrize("name", ["nwauth.lock", "nwauth.rejected"])
def test_root_works_in_the_folder_of_a_store_as_the_owner_of_that_folder(mail: Path, name: str) -> None:
    conf = mail.parent / "conf"
    conf.mkdir()
    (conf / "nwauth.toml").write_text(f'[[stores]]\nkind = "flatfile"\npath = "{mail}"\n')
    assert one_shot(conf, "-set", "zoe", "pw") == (b"+OK zoe added to database\n", 0)
    assert one_shot(conf, "-check", "zoe", "pw")[1] == 0
    assert {path.stat().st_uid for path in mail.iterdir()} == {OWNER}
    secret = secret_of_root(mail)
    before = lay("symbolic", secret, mail / name)
    for words in (["user", "set", "bob", "quota=5"], ["merge"], ["user", "list"]):
        done = subprocess.run([COMMAND, "-path", str(conf), *words], capture_output=True, check=False, timeout=30)
        assert done.returncode in (0, 75), done.stderr
    one_shot(conf, "-size", "1", "-set", "bob", "pw")
    assert facts(secret) == before
    assert {path.lstat().st_uid for path in mail.iterdir()} == {OWNER}


# --- nwauth.toml -----------------------------------------------------------------------------------------------------


@needs_root
def test_a_one_shot_form_of_root_reads_the_configuration_as_the_owner_of_the_folder(mail: Path) -> None:
    secret = secret_of_root(mail)
    lay("symbolic", secret, mail / "nwauth.toml")
    done = converse(mail, b"", "-lookup", "bob")
    assert (done.stdout[:6], done.returncode) == (b"-DEAD ", 75)
    said = (done.stdout + done.stderr).decode()
    assert "ermission denied" in said
    assert "ghost" not in said
    assert "line 1" not in said, "root has read what its owner cannot"


@needs_root
@pytest.mark.parametrize("words", [["-lookup", "bob"], ["-set", "bob", "pw"], ["-encrypt", "all"], ["-search", "*"]])
def test_a_one_shot_form_of_root_writes_no_log_that_the_owner_of_the_folder_could_not(
    mail: Path, words: list[str]
) -> None:
    place = mail.parent / "root only"
    place.mkdir(mode=0o700)
    for text in ('[log]\nlevel = "debug"\n', "nonsense\n[log]\n"):
        (mail / "nwauth.toml").write_text(f'{text}file = "{place}/planted.log"\n')
        converse(mail, b"", *words)
        converse(mail, b"", "-logpass", *words)
    assert os.listdir(place) == []
    shutil.rmtree(place)
