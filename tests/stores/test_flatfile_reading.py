"""spec/stores.md section 1, "Reading": what a line is, and which one counts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from nwauth.errors import Unavailable
from nwauth.passwords import complete
from tests.stores.folders import ages_ago, ask, base, foreign_view, line, many, names, opened, password_of, ssha, user

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nwauth.stores.flatfile import FlatfileStore

SAMPLE = (
    b'marijn@mydomain.com:{ssha}tVANQo...:created="1060034937" mailaccess="free_user"\n'
    b'qwerty@bt:{ssha}BuFLjIFUUSy1IltX3AuN420qV2ZFU7EL:Groups="news"\n'
    b"zxcv@host:*zxcv:\n"
)
PADDING = many(1500)  # makes a file large enough for the scan and the index
A64 = "A" * 43
WHOLE_FIELDS = {
    "ssha": ssha("x"),
    "ssha upper tag": ssha("x").replace("ssha", "SSHA"),
    "des": "abJnggxhB/yWI",
    "md5-crypt": "$1$salt$" + "A" * 22,
    "sha256-crypt": "$5$salt$" + "A" * 43,
    "sha512-crypt": "$6$salt$" + "A" * 86,
    "sha512-crypt with rounds": "$6$rounds=1000$salt$" + "A" * 86,
    "bcrypt": "$2b$04$" + "A" * 53,
    "yescrypt": "$y$j9T$saltsaltsalt$" + "A" * 43,
    "argon2id": f"$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ${A64}",
}


@pytest.mark.parametrize("size", ["small", "large"])
class TestWhatCounts:
    """Each rule holds for a small file, read whole, and for a large one, scanned."""

    def folder(self, tmp_path: Path, size: str, txt: bytes, add: bytes | None = None) -> Path:
        return base(tmp_path / "users", (PADDING if size == "large" else b"") + txt, add)

    def test_the_sample_lines_from_public_sources_are_read(self, tmp_path: Path, size: str) -> None:
        store = opened(self.folder(tmp_path, size, SAMPLE))
        marijn, zxcv = ask(store, "Marijn@MyDomain.com"), ask(store, "zxcv@host")
        assert marijn is not None
        assert zxcv is not None
        assert marijn.info.fields() == {"created": "1060034937", "mailaccess": "free_user"}
        assert marijn.stored_password == "{ssha}tVANQo..."
        assert zxcv.stored_password == "*zxcv"
        store.close()

    def test_the_info_may_hold_colons(self, tmp_path: Path, size: str) -> None:
        store = opened(self.folder(tmp_path, size, b'bob:*x:a="1:2":b:\n'))
        found = ask(store, "bob")
        assert found is not None
        assert found.info.text == 'a="1:2":b:'
        store.close()

    def test_the_last_line_for_a_name_wins_whatever_its_spelling(self, tmp_path: Path, size: str) -> None:
        store = opened(
            self.folder(tmp_path, size, line("bob", "1") + line("eve") + line("BOB", "2") + line("Bob", "3"))
        )
        found = ask(store, "bob")
        assert found is not None
        assert (found.name, found.stored_password) == ("Bob", ssha("3"))
        assert names(store).count("Bob") == 1
        assert {"bob", "BOB"}.isdisjoint(names(store))
        store.close()

    def test_the_journal_wins_over_the_file(self, tmp_path: Path, size: str) -> None:
        folder = self.folder(tmp_path, size, line("bob", "newer by date"), line("bob", "a") + line("bob", "b"))
        ages_ago(folder / "nwauth.add", 7200)
        store = opened(folder)
        assert password_of(store, "bob") == ssha("b")
        assert names(store).count("bob") == 1
        store.close()

    def test_comments_blank_lines_and_lines_that_do_not_fit_are_skipped(self, tmp_path: Path, size: str) -> None:
        odd = b"# bob:*commented:\n\n \t\n#bob:*x:\nbob\nbob:only one colon\n:*no name:\n::\n:\n\r\n"
        store = opened(self.folder(tmp_path, size, odd + line("eve") + odd, odd))
        assert ask(store, "bob") is None
        assert ask(store, "") is None
        assert ask(store, "# bob") is None
        assert ask(store, "#bob") is None
        assert password_of(store, "eve") == ssha("secret")
        store.close()

    def test_files_may_be_unsorted_and_have_crlf_ends(self, tmp_path: Path, size: str) -> None:
        rows = (line("zoe") + line("bob", info='q="1"') + line("alice")).replace(b"\n", b"\r\n")
        store = opened(self.folder(tmp_path, size, rows, line("carl").replace(b"\n", b"\r\n")))
        found = ask(store, "bob")
        assert found is not None
        assert found.info.text == 'q="1"'
        assert [name for name in names(store) if not name.startswith("user0")] == ["alice", "bob", "carl", "zoe"]
        store.close()

    def test_a_settled_file_may_lack_its_last_end(self, tmp_path: Path, size: str) -> None:
        store = opened(self.folder(tmp_path, size, line("bob") + line("zoe", info='q="1"')[:-1]))
        found = ask(store, "zoe")
        assert found is not None
        assert found.info.text == 'q="1"'
        assert names(store)[-1] == "zoe"
        store.close()

    def test_a_line_with_nul_does_not_fit(self, tmp_path: Path, size: str) -> None:
        lost = b"\0" * 300 + line("bob") + b"bob:*a\0b:\n"
        store = opened(self.folder(tmp_path, size, line("bob", "old") + lost, lost))
        assert password_of(store, "bob") == ssha("old")
        assert names(store).count("bob") == 1
        store.close()

    def test_a_deletion_counts_in_the_journal_only(self, tmp_path: Path, size: str) -> None:
        store = opened(self.folder(tmp_path, size, line("bob") + b"#del bob\n" + line("eve"), b"#del EVE\r\n"))
        assert ask(store, "bob") is not None
        assert ask(store, "eve") is None
        assert "eve" not in names(store)
        store.close()

    def test_a_line_after_a_deletion_brings_the_user_back(self, tmp_path: Path, size: str) -> None:
        store = opened(self.folder(tmp_path, size, line("bob"), b"#del bob\n" + line("BOB", "new")))
        assert password_of(store, "bob") == ssha("new")
        store.close()

    def test_names_beyond_ascii_are_found_in_every_form(self, tmp_path: Path, size: str) -> None:
        rows = (
            "\u212aate:*kelvin:\nJ\u00dcRGEN:*nfc:\nrene\u0301:*nfd:\n".encode() + b"b\xe9b:*latin:\n\xff\xfe:*raw:\n"
        )
        store = opened(self.folder(tmp_path, size, rows))
        for asked, field in [
            ("kate", "*kelvin"),
            ("\u212aATE", "*kelvin"),
            ("ju\u0308rgen", "*nfc"),
            ("REN\u00c9", "*nfd"),
            ("b\udce9B", "*latin"),
            ("\udcff\udcfe", "*raw"),
        ]:
            assert password_of(store, asked) == field, asked
        assert ask(store, "jurgen") is None
        store.close()

    def test_of_an_ascii_and_another_spelling_of_one_name_the_last_counts(self, tmp_path: Path, size: str) -> None:
        kelvin = "\u212aate:*kelvin:\n".encode()
        store = opened(self.folder(tmp_path, size, line("kate") + kelvin))
        assert password_of(store, "kate") == "*kelvin"
        other = opened(self.folder(tmp_path, size, kelvin + line("KATE", "ascii")))
        assert password_of(other, "\u212aate") == ssha("ascii")
        store.close()
        other.close()

    def test_what_is_asked_for_is_a_name_and_never_a_piece_of_a_line(self, tmp_path: Path, size: str) -> None:
        store = opened(self.folder(tmp_path, size, line("bob", info="x:y") + line("bobby")))
        for asked in (
            "bob:" + ssha("secret").lower(),
            "bob:" + ssha("secret"),
            "bob:",
            "ob",
            "bo",
            "bob\nbobby",
            "\nbob",
            "b?b",
        ):
            assert ask(store, asked) is None, asked
        store.close()


@pytest.mark.parametrize("field", WHOLE_FIELDS.values(), ids=WHOLE_FIELDS.keys())
def test_an_unterminated_last_line_of_the_journal_counts_only_if_it_is_whole(tmp_path: Path, field: str) -> None:
    whole = f"bob:{field}:".encode()
    assert complete(field)
    for cut in range(len(whole) + 1):
        folder = base(tmp_path / str(cut), line("bob", "old"), line("eve") + whole[:cut])
        store = opened(folder)
        assert password_of(store, "bob") == (field if cut == len(whole) else ssha("old")), whole[:cut]
        assert password_of(store, "eve") == ssha("secret")
        assert names(store) == ["bob", "eve"]
        store.close()


@pytest.mark.parametrize("torn", [b'q="1', b'q="1" f="', b"nul\0"])
def test_a_last_line_with_open_quotes_or_nul_is_torn(tmp_path: Path, torn: bytes) -> None:
    add = b"bob:" + ssha("new").encode() + b":" + torn
    store = opened(base(tmp_path / "users", line("bob", "old"), add))
    assert password_of(store, "bob") == ssha("old")
    store.close()


def test_a_whole_last_line_that_goes_on_is_read_anew(tmp_path: Path) -> None:
    start = line("bob", "new", 'q="1"')[:-1]
    folder = base(tmp_path / "users", line("bob", "old"), start)
    store = opened(folder)
    first = ask(store, "bob")
    assert first is not None
    assert first.info.text == 'q="1"'
    with (folder / "nwauth.add").open("ab") as file:
        file.write(b' fwd="x"\n')
    second = ask(store, "bob")
    assert second is not None
    assert second.info.text == 'q="1" fwd="x"'
    store.close()


def test_a_whole_last_line_that_turns_out_to_be_another_users_is_taken_back(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob", "old"), b"bob:" + ssha("torn").encode() + b":")
    store = opened(folder)
    assert password_of(store, "bob") == ssha("torn")
    with (folder / "nwauth.add").open("r+b") as file:
        file.truncate(0)
        file.write(line("a-much-longer-name-of-somebody-else@example.com", "x" * 20))
    assert password_of(store, "bob") == ssha("old")
    store.close()


def test_a_torn_deletion_deletes_nobody(tmp_path: Path) -> None:
    store = opened(base(tmp_path / "users", line("bob") + line("bobby"), b"#del bob"))
    assert ask(store, "bobby") is not None
    assert ask(store, "bob") is not None  # it may be the beginning of "#del bobby"
    store.close()


def test_a_folder_that_holds_neither_file_cannot_tell_and_gets_no_files(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", None)
    store = opened(folder)
    for question in (
        lambda: store.lookup("bob"),
        lambda: list(store.search()),
        lambda: store.delete("bob"),
        store.merge,
    ):
        with pytest.raises(Unavailable, match="no user database, run nwauth init"):
            question()
        store.tend()
    assert os.listdir(folder) == []
    store.close()


def test_a_folder_that_does_not_exist_cannot_tell(tmp_path: Path) -> None:
    store = opened(tmp_path / "no" / "where")
    with pytest.raises(Unavailable):
        store.lookup("bob")
    store.close()


@pytest.mark.parametrize("mode", ["no look", "looked", "tended"])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_user_file_that_was_served_and_is_gone_is_no_proof_of_absence(
    tmp_path: Path, mode: str, *, read_only: bool
) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve"))
    store = opened(folder, read_only=read_only)
    assert ask(store, "bob") is not None
    if mode == "looked":
        assert ask(store, "nobody") is None
    if mode == "tended":
        store.tend()
    (folder / "nwauth.txt").unlink()
    for asked in ("bob", "eve", "nobody"):
        with pytest.raises(Unavailable):
            ask(store, asked)
    base(folder, line("bob", "back"))
    assert password_of(store, "bob") == ssha("back")
    store.close()


def test_that_a_user_file_was_served_is_known_to_the_next_process_and_to_one_shot_set(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("bob"), line("eve"))
    first = opened(folder)
    assert ask(first, "bob") is not None
    first.tend()
    first.close()
    (folder / "nwauth.txt").unlink()
    (folder / "nwauth.add").unlink()
    second = opened(folder)
    with pytest.raises(Unavailable, match="gone"):
        second.lookup("bob")
    with pytest.raises(Unavailable, match="gone"):
        second.make()
    assert not (folder / "nwauth.txt").exists()
    second.close()


def test_a_link_to_a_user_file_that_is_not_mounted_is_no_proof_of_absence(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", None, line("eve"))
    (folder / "nwauth.txt").symlink_to(tmp_path / "mount" / "nwauth.txt")
    store = opened(folder)
    with pytest.raises(Unavailable):
        store.lookup("bob")
    store.close()


QUESTIONS: tuple[Callable[[FlatfileStore], object], ...] = (
    lambda store: store.lookup("eve"),
    lambda store: store.lookup("bob"),  # the journal may have deleted him
    lambda store: list(store.search()),
    lambda store: store.put(user("zoe")),
    lambda store: store.merge(),
)


def test_a_journal_that_is_a_link_to_nowhere_may_have_anybody_in_it(tmp_path: Path) -> None:
    folder, disk = base(tmp_path / "users", line("bob")), tmp_path / "disk"
    disk.mkdir()
    (disk / "nwauth.add").write_bytes(line("eve"))
    (folder / "nwauth.add").symlink_to(disk / "nwauth.add")
    serving, store = opened(folder), opened(folder)
    assert ask(serving, "eve") is not None
    serving.tend()
    disk.rename(tmp_path / "unmounted")
    disk.mkdir()  # the mount point
    before = (folder / "nwauth.txt").read_bytes()
    for one in (serving, store):
        for question in QUESTIONS:
            one.tend()
            with pytest.raises(Unavailable, match=r"nwauth\.add is a link to a file that is not there"):
                question(one)
    assert (folder / "nwauth.txt").read_bytes() == before
    assert list(disk.iterdir()) == []
    disk.rmdir()
    (tmp_path / "unmounted").rename(disk)
    assert ask(serving, "eve") is not None
    assert store.put(user("zoe"))
    assert ask(serving, "zoe") is not None
    for one in (serving, store):
        one.close()


def test_a_user_file_that_is_a_folder_or_not_in_a_folder_is_unavailable(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", None, line("eve"))
    (folder / "nwauth.txt").mkdir()
    store = opened(folder)
    with pytest.raises(Unavailable):
        store.lookup("bob")
    store.close()
    in_file = opened(folder / "nwauth.add")
    with pytest.raises(Unavailable):
        in_file.lookup("bob")
    in_file.close()


def test_make_makes_a_base_only_where_there_is_none(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", None)
    store = opened(folder)
    assert store.make()
    assert ask(store, "bob") is None  # at once: the file is ours
    assert not store.make()
    assert (folder / "nwauth.txt").stat().st_mode & 0o777 == 0o600
    other = opened(base(tmp_path / "other", None, line("bob")))
    assert not other.make()
    assert not (tmp_path / "other" / "nwauth.txt").exists()
    assert foreign_view(tmp_path / "other").keys() == {b"bob"}
    store.close()
    other.close()


def test_a_large_damaged_block_does_not_stop_the_service(tmp_path: Path) -> None:
    folder = base(tmp_path / "users", line("alice"))
    with (folder / "nwauth.txt").open("ab") as file:
        file.truncate(24 << 20)  # a hole, as a crash leaves one
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + line("bob"))
    ages_ago(folder / "nwauth.txt")
    store = opened(folder)
    assert ask(store, "alice") is not None
    assert ask(store, "bob") is not None
    assert ask(store, "nobody") is None
    assert names(store) == ["alice", "bob"]
    store.close()
