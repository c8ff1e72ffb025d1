"""What the password column of somebody else's table holds: read as a field, and written back as it was."""

from base64 import b64encode
from hashlib import new, sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwauth.errors import Refused
from nwauth.passwords import SCHEMES_KEPT, SCHEMES_MADE, Passwords
from nwauth.stores.sql.format import CRYPTS, DIGESTS, FORMATS, PasswordColumn
from tests.passwords import vectors
from tests.passwords.common import CHEAP, DES

PASSWORDS = Passwords(CHEAP)

# MD5('secret'), SHA1('secret'), SHA2('secret', 256), SHA2('secret', 512): by MySQL's manual, hex in lower case
MYSQL = {
    "md5": "5ebe2294ecd0e0f08eab7690d2a6ee69",
    "sha": "e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4",
    "sha256": "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
    "sha512": "bd2b1aaf7ef4f09be9f52ce2d8d599674d81aa9d6a4421696dc4d93dd0619d68"
    "2ce56b4d64a9ef097761ced99e0f67265b5f76085e5b0ee7ca4696b2ad6fe2b2",
}
# doveadm's fields of "secret" without their tags, in base64 and in hex
DOVEADM = [
    (scheme, stored.partition("}")[2])
    for scheme, password, stored in vectors.DOVEADM
    if scheme in DIGESTS and password == vectors.SECRET and not stored.startswith("{PLAIN-MD5")
]
CRYPT = [
    (scheme, stored)
    for scheme, password, stored in [*vectors.ALL, *vectors.LIBPASS]
    if scheme in CRYPTS and password == vectors.SECRET
]
LIVE = [*MYSQL.items(), *((scheme, value.upper()) for scheme, value in MYSQL.items()), *DOVEADM, *CRYPT]


@pytest.mark.parametrize(("format_", "value"), LIVE)
def test_what_other_programs_wrote_lets_their_users_in_and_is_written_back_as_it_was(format_: str, value: str) -> None:
    column = PasswordColumn(format_)
    field = column.field(value)
    assert PASSWORDS.verify(field, b"secret").ok
    assert not PASSWORDS.verify(field, b"Secret").ok
    assert PASSWORDS.identify(field).name == format_
    assert column.value(field) == value


@pytest.mark.parametrize(("format_", "value"), LIVE)
def test_a_damaged_value_lets_nobody_in(format_: str, value: str) -> None:
    column = PasswordColumn(format_)
    for damaged in (value[:-1], value[1:], value + "AA", value[:-5] + ("b" if value[-5] != "b" else "c") + value[-4:]):
        assert not PASSWORDS.verify(column.field(damaged), b"secret").ok
        column.value(column.field(damaged))


@pytest.mark.parametrize(("format_", "value"), LIVE)
def test_a_changed_password_is_written_in_the_manner_of_the_old(format_: str, value: str) -> None:
    column = PasswordColumn(format_)
    changed = column.value(PASSWORDS.hash_like(b"changed", column.field(value), default="clear"))
    assert (len(changed), "$" in changed, "{" in changed) == (len(value), "$" in value, "{" in value) or "$" in value
    assert changed[: changed.find("$", 1) + 1] == value[: value.find("$", 1) + 1]
    assert value not in MYSQL.values() or changed == changed.lower()
    assert PASSWORDS.verify(column.field(changed), b"changed").ok


@pytest.mark.parametrize("format_", [name for name in FORMATS if name != "auto"])
def test_a_new_password_is_written_without_a_tag(format_: str) -> None:
    column = PasswordColumn(format_)
    for write in (column.value, column.new_value):
        value = write(PASSWORDS.hash(b"secret", format_))
        assert "{" not in value
        assert PASSWORDS.verify(column.field(value), b"secret").ok
        assert PASSWORDS.identify(column.field(value)).name == format_


def test_every_scheme_that_is_made_is_a_format_and_every_format_a_scheme_that_is_made() -> None:
    assert set(FORMATS) == {"auto", *SCHEMES_MADE, *SCHEMES_KEPT}


@pytest.mark.parametrize(("format_", "value"), MYSQL.items())
def test_an_unsalted_digest_is_written_as_mysql_makes_it(format_: str, value: str) -> None:
    assert PasswordColumn(format_).value(PASSWORDS.hash(b"secret", format_)) == value


def test_the_strings_of_mysql_are_those_of_hashlib() -> None:
    for scheme, value in MYSQL.items():
        assert value == new({"sha": "sha1"}.get(scheme, scheme), b"secret").hexdigest()


@pytest.mark.parametrize(
    "value", [b64encode(sha256(b"secret").digest()).decode(), sha256(b"secret").hexdigest().upper()]
)
def test_base64_and_capitals_are_kept_where_the_column_has_them(value: str) -> None:
    column = PasswordColumn("sha256")
    assert column.value(column.field(value)) == value
    changed = column.value(PASSWORDS.hash_like(b"changed", column.field(value), default="clear"))
    assert len(changed) == len(value)
    assert changed.endswith("=") or changed == changed.upper()


class TestTagged:
    """A tag that stood in the column stays, since its program reads tags; in lower case it is ours."""

    @pytest.mark.parametrize(("scheme", "password", "stored"), vectors.DOVEADM)
    @pytest.mark.parametrize("format_", list(DIGESTS))
    def test_in_a_column_of_digests_every_tag_is_read_and_written_as_it_stands(
        self, format_: str, scheme: str, password: bytes, stored: str
    ) -> None:
        column = PasswordColumn(format_)
        assert column.field(stored) == stored
        assert column.value(stored) == stored, (scheme, password)

    def test_a_crypt_form_in_a_column_of_digests_too_so_that_an_upgrade_has_its_place(self) -> None:
        column = PasswordColumn("md5")
        upgraded = PASSWORDS.hash(b"secret", "bcrypt")
        assert column.field(column.value(upgraded)) == upgraded

    def test_the_wrapper_of_a_crypt_form_stays(self) -> None:
        for tag in ("{CRYPT}", "{MD5}", "{MD5-CRYPT}"):
            field = tag + "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1"
            column = PasswordColumn("md5-crypt")
            assert column.value(column.field(field)) == column.field(field) == field
            assert column.new_value(field) == field.removeprefix(tag)

    def test_a_user_who_is_added_from_another_store_loses_the_tag_of_the_columns_own_scheme(self) -> None:
        md5_, ssha = PasswordColumn("md5"), PasswordColumn("ssha")
        for tag in ("{MD5}", "{PLAIN-MD5}", "{md5.HEX}"):
            assert md5_.new_value(tag + MYSQL["md5"].upper()) == MYSQL["md5"]
        assert md5_.new_value("{LDAP-MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==") == MYSQL["md5"]
        base64 = ssha.new_value("{SSHA.HEX}cc4b11ebc5910f8cbf4138a46d49dc8ea922f768cebbb3b8")
        assert PASSWORDS.verify("{SSHA}" + base64, b"secret").ok
        assert md5_.new_value("{SSHA}damaged") == "{SSHA}damaged"
        assert md5_.new_value("{MD5}$1$abcdefgh$x") == "{MD5}$1$abcdefgh$x"
        assert md5_.new_value("!") == "!"

    @pytest.mark.parametrize("field", ["{ssha}", "{ssha}{CLEAR}x", "{ssha}$1$abcdefgh$x", "{ssha.b64}x", "{md5}x"])
    def test_a_damaged_digest_keeps_even_our_tag_lest_it_become_a_login(self, field: str) -> None:
        for column in (PasswordColumn("ssha"), PasswordColumn("md5")):
            assert column.field(column.value(field)) == column.field(column.new_value(field)) == field


class TestClear:
    column = PasswordColumn("clear")

    @pytest.mark.parametrize(
        "value", ["secret", "*secret", "!", "x", "{SSHA}x", "$1$a$b", "{CLEAR}", "Gr\xfc\xdfe", " a b "]
    )
    def test_the_column_holds_the_password_itself(self, value: str) -> None:
        field = self.column.field(value)
        assert PASSWORDS.verify(field, value.encode()).ok
        assert not PASSWORDS.verify(field, value.encode() + b"x").ok
        assert self.column.value(field) == value

    @pytest.mark.parametrize("tag", ["{CLEAR}", "{plain}", "{Cleartext}"])
    def test_clear_text_under_any_of_its_tags_is_written_bare(self, tag: str) -> None:
        assert self.column.value(tag + "secret") == "secret"

    @pytest.mark.parametrize("field", ["!", "*", "*secret", "x", DES, "{SSHA}x", "$1$a$b", "{CLEAR", "CLEAR}x"])
    def test_nothing_else_may_become_somebodys_password(self, field: str) -> None:
        with pytest.raises(Refused, match=r"'clear'.*set the password anew") as caught:
            self.column.value(field)
        assert field in {"x", "!", "*"} or field not in str(caught.value)

    @given(value=st.text())
    def test_any_text_comes_back(self, value: str) -> None:
        assert self.column.value(self.column.field(value)) == value


class TestAuto:
    column = PasswordColumn("auto")

    @given(value=st.text())
    def test_any_value_stands_as_it_is(self, value: str) -> None:
        assert self.column.field(value) == value
        assert self.column.value(value) == value

    @pytest.mark.parametrize("value", ["secret", "*secret", "!secret", "hunter2", MYSQL["md5"], "x"])
    def test_untagged_text_is_never_a_password(self, value: str) -> None:
        assert not PASSWORDS.verify(self.column.field(value), value.encode()).ok
        assert not PASSWORDS.verify(self.column.field(value), value[1:].encode() or b" ").ok


class TestNoLogin:
    @pytest.mark.parametrize("format_", FORMATS)
    @pytest.mark.parametrize("value", [None, ""])
    def test_null_and_nothing_let_nobody_in(self, format_: str, value: str | None) -> None:
        column = PasswordColumn(format_)
        assert column.field(value) == ""
        assert column.value("") == ""

    @pytest.mark.parametrize("format_", [name for name in FORMATS if name != "clear"])
    @pytest.mark.parametrize("value", ["*", "!", "!!", "*LK*", "*secret", "!" + MYSQL["md5"], "!" + DES])
    def test_a_star_or_an_exclamation_mark_locks(self, format_: str, value: str) -> None:
        column = PasswordColumn(format_)
        assert column.field(value) == column.value(value) == value
        assert not PASSWORDS.identify(value).login

    @pytest.mark.parametrize("format_", [*DIGESTS, *CRYPTS])
    @pytest.mark.parametrize("value", ["x", "secret", "hunter2!", "deadbeef", "{", "Zm9v", "\u0660" * 32, "a\udc80"])
    def test_a_value_of_no_such_form_is_locked(self, format_: str, value: str) -> None:
        column = PasswordColumn(format_)
        field = column.field(value)
        assert field == "!" + value
        assert not PASSWORDS.identify(field).login
        column.value(field)

    @pytest.mark.parametrize(("scheme", "stored"), CRYPT)
    @pytest.mark.parametrize("format_", list(CRYPTS))
    def test_in_a_column_of_one_crypt_form_the_others_are_locked(self, format_: str, scheme: str, stored: str) -> None:
        if scheme == format_:
            return
        column = PasswordColumn(format_)
        assert column.field(stored) == "!" + stored
        with pytest.raises(Refused, match="password_format"):
            column.value(stored)

    def test_a_digest_or_clear_text_is_locked_there_too(self) -> None:
        for value in ("{SSHA}x", "{PLAIN}$1$x", "{CLEAR}x", MYSQL["md5"]):
            assert PasswordColumn("md5-crypt").field(value) == "!" + value


@pytest.mark.parametrize("format_", list(DIGESTS))
@pytest.mark.parametrize("field", ["x", "secret", DES, MYSQL["md5"]])
def test_what_would_not_be_read_again_is_not_written(format_: str, field: str) -> None:
    with pytest.raises(Refused, match=f"'{format_}'"):
        PasswordColumn(format_).value(field)


def test_a_format_that_there_is_not_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="password_format: found 'sha3', wanted one of auto, clear, md5"):
        PasswordColumn("sha3")


pieces = st.sampled_from([value for _, value in LIVE] + [row[2] for row in vectors.ALL]) | st.text(max_size=40)
values = st.tuples(st.sampled_from(["", "", "{MD5}", "{SSHA}", "{ssha.b64}", "{md5}", "!", "*", "$1$"]), pieces)


@given(format_=st.sampled_from(FORMATS), value=values.map("".join))
def test_whatever_a_column_holds_can_be_written_back_and_means_the_same(format_: str, value: str) -> None:
    column = PasswordColumn(format_)
    field = column.field(value)
    written = column.value(field)
    login = PASSWORDS.verify(field, b"secret").ok
    assert PASSWORDS.verify(column.field(written), b"secret").ok == login
    if login and not value.startswith(("{md5}", "{ssha.b64}")):
        assert written == value


@given(format_=st.sampled_from(FORMATS), row=st.sampled_from(vectors.ALL))
def test_a_field_that_is_written_is_the_same_login_when_it_is_read(format_: str, row: tuple[str, bytes, str]) -> None:
    column = PasswordColumn(format_)
    for write in (column.value, column.new_value):
        try:
            written = write(row[2])
        except Refused:
            assert format_ == "clear" or format_ in CRYPTS or row[0] == "des-crypt"
        else:
            assert PASSWORDS.verify(column.field(written), row[1]).ok
