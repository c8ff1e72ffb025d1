"""``nwauth doctor --fix`` where a stranger has laid something for it: it waits for nothing, and is led nowhere."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from nwauth.doctor.fixes import FIXES
from tests.commands.common import run
from tests.doctoring import Site, site_for_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("no_other_servers")
MEMBER = 12345
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root is led where others cannot go")


@pytest.fixture
def site() -> Iterator[Site]:
    with site_for_all() as site:
        yield site


def fix(site: Site) -> tuple[int, list[dict[str, Any]]]:
    done = run(str(site.folder), "doctor", "--fix", "--yes")
    return done.status, done.records()


@pytest.mark.parametrize("name", ["nwauth.tmp.0123456789ab", "nwauth.tmp.index", "nwauth.undo/00000001.open"])
def test_a_fifo_in_the_place_of_what_was_left_behind_holds_nobody(site: Site, name: str) -> None:
    fifo = site.folder / name
    fifo.parent.mkdir(mode=0o700, exist_ok=True)
    os.mkfifo(fifo)
    status, (row,) = fix(site)
    assert (status, row["id"], row["outcome"]) == (75, "cannot-look", "untouched")
    assert f"it is no regular file: {fifo}" in row["what"]


@pytest.mark.parametrize("kind", ["link", "hard link"])
def test_the_rights_of_a_file_elsewhere_are_not_taken(site: Site, kind: str) -> None:
    away = site.path / "of-another-program"
    site.txt.rename(away)
    away.chmod(0o644)
    (site.txt.symlink_to if kind == "link" else site.txt.hardlink_to)(away)
    status, (row,) = fix(site)
    assert (status, row["id"], row["outcome"]) == (1, "open-to-others", "untouched")
    assert row["told"].startswith("left alone: it is a link to " if kind == "link" else "left alone: it has another")
    assert away.stat().st_mode & 0o777 == 0o644


def test_what_came_in_the_place_of_a_file_since_it_was_looked_at_keeps_its_rights(site: Site) -> None:
    site.txt.chmod(0o644)
    place = site.place()
    found = [one for one in site.look() if one.id == "open-to-others"]
    work = FIXES["open-to-others"](place, found[0], found)
    away = site.path / "of-another-program"
    away.write_bytes(site.txt.read_bytes())
    away.chmod(0o644)
    for lay in (os.symlink, os.link):
        site.txt.unlink()
        lay(away, site.txt)
        with pytest.raises(OSError, match=r"link|another name"):
            work.do()
    assert away.stat().st_mode & 0o777 == 0o644


@needs_root
@pytest.mark.parametrize("name", ["nwauth.txt", "nwauth.add"])
def test_a_member_of_the_group_leads_root_to_no_file_of_roots(site: Site, name: str) -> None:
    """In root's own folder too, where its group can write: the mend would have put that member's lines there."""
    away = site.path / "roots-own"
    before = b"root:x:0:0:root:/root:/bin/sh\n"
    away.write_bytes(before)
    away.chmod(0o600)
    site.folder.chmod(0o770)
    os.chown(site.folder, 0, MEMBER)
    with site.txt.open("ab") as file:
        file.write(b"nonsense\n")
    lay_as_member(away, site.folder / name)
    status, rows = fix(site)
    assert (status, away.read_bytes()) == (75, before)
    assert f"it is a link that root has not laid, in a folder that others can write: {site.folder / name}" in str(rows)
    os.chown(site.folder / name, 0, 0, follow_symlinks=False)
    assert "it is a link" not in str(fix(site))


def lay_as_member(target: Path, path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    os.chown(path, MEMBER, MEMBER, follow_symlinks=False)
