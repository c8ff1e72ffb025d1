"""App passwords as an info field holds them: what is understood, what lets nobody in, what comes back as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwauth.errors import Refused
from nwauth.model import APP_PASSWORDS, Info
from nwauth.policy import apps
from nwauth.policy.apps import AppPassword, check_field, check_limits, of, read, shown, written
from nwauth.stores.passwd.extras import field_of, info_text

DIGEST = "{ssha256}zzA4xDUf8ypiP1VS6ngGbwHZprGLw1A3Ll4COlEDVS0BAgME"
PHONE = f"phone;{DIGEST};made=2026-11-22;until=2027-01-31;class=pop,mobile;hosts=10.0.0.0/8,2001:db8::/32"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def one(text: str) -> AppPassword:
    (found,) = read(text)
    return found


def refused(app: AppPassword, *, address: str | None = "10.0.0.1", now: datetime = NOON) -> str | None:
    found = app.refusal(lambda: now, address, UTC)
    return None if found is None else found.reason


def test_an_entry_is_a_name_a_digest_and_what_limits_it() -> None:
    found = one(PHONE)
    assert (found.label, found.field, found.made, found.until) == ("phone", DIGEST, "2026-11-22", "2027-01-31")
    assert (found.classes, found.hosts, found.fault) == ("pop,mobile", "10.0.0.0/8,2001:db8::/32", "")
    assert written([found]) == PHONE


def test_one_that_is_made_reads_back_as_it_was_made() -> None:
    made = AppPassword("phone", DIGEST, made="2026-11-22", hosts="10.1.*", until="2027-01-31T18:00")
    assert one(written([made])) == made
    assert of(Info().updated({APP_PASSWORDS: written([made, one(PHONE)])})) == [made, one(PHONE)]


def test_neither_digest_nor_entry_stands_in_a_repr() -> None:
    assert DIGEST[9:] not in repr(one(PHONE))
    assert DIGEST[9:] not in repr(Info(f'quota="5" {APP_PASSWORDS}="{PHONE}"'))


@pytest.mark.parametrize(
    "text",
    [
        "phone",
        f"phone;{DIGEST};class=,",
        f";{DIGEST}",
        f"{DIGEST}",
        "phone;*secret",
        "phone;$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA",
        f"-phone;{DIGEST}",
        f"a phone;{DIGEST}",
        f"{'x' * 33};{DIGEST}",
        f"phone;{DIGEST};days=Mon-Fri",
        f"phone;{DIGEST};until=2027-01-31;until=2099-01-31",
        f"phone;{DIGEST};until=",
        f"phone;{DIGEST};;",
    ],
)
def test_an_entry_that_is_not_understood_lets_nobody_in_and_stays_as_it_is(text: str) -> None:
    found = one(text)
    assert found.fault
    reason = refused(found) or ""
    assert reason.startswith(f"app password {found.label}: ")
    assert DIGEST not in reason
    assert written([found]) == text
    with pytest.raises(Refused, match="entry 1"):
        check_field("App_Passwords", text)


def test_an_end_or_hosts_that_cannot_be_read_let_nobody_in() -> None:
    assert "until is soon, wanted a date" in (refused(one(f"phone;{DIGEST};until=soon")) or "")
    assert "hosts cannot be read: found 10.0.0.1/8" in (refused(one(f"phone;{DIGEST};hosts=10.0.0.1/8")) or "")


def test_no_more_than_ten_are_compared() -> None:
    found = read("|".join(f"app{number};{DIGEST}" for number in range(12)))
    assert [bool(app.fault) for app in found] == [False] * 10 + [True] * 2


def test_hosts_say_from_where() -> None:
    found = one(PHONE)
    assert refused(found) is None
    assert refused(found, address="2001:db8::9") is None
    assert refused(found, address="192.0.2.1") == (
        "app password phone: 192.0.2.1 is not within 10.0.0.0/8 2001:db8::/32"
    )
    assert "the unknown address" in (refused(found, address=None) or "")


def test_an_end_belongs_to_its_day_in_the_zone_of_the_rules() -> None:
    found, zone = one(PHONE), ZoneInfo("Pacific/Auckland")
    (end,) = {moment.astimezone(UTC) for moment in found.limits(zone)}
    assert end == datetime(2027, 1, 31, 11, tzinfo=UTC)
    assert found.over(lambda: datetime(2027, 1, 31, 10, 59, tzinfo=UTC), zone) is None
    assert found.over(lambda: end, zone) == "until 2027-01-31 is over"
    assert one(f"phone;{DIGEST}").limits(zone) == ()


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        ({"until": "soon"}, "until"),
        ({"classes": "a b"}, "class"),
        ({"classes": "a,,b"}, "class"),
        ({"classes": "a|b"}, "class"),
        ({"classes": 'a"b'}, "class"),
        ({"classes": "a;hosts=any"}, "class"),
        ({"hosts": "10.0.0.1/8"}, "host bits"),
        ({"hosts": "host.example"}, "hosts"),
    ],
)
def test_a_limit_that_could_not_be_read_back_is_refused(limits: dict[str, str], word: str) -> None:
    with pytest.raises(Refused, match=word):
        check_limits(AppPassword("phone", DIGEST, **limits))


@pytest.mark.parametrize("label", ["", "-x", "a;b", "a|b", 'a"b', "a b", "ä", "\N{KELVIN SIGN}", "a\n", "x" * 33])
def test_a_name_that_could_not_be_read_back_is_refused(label: str) -> None:
    with pytest.raises(Refused, match="cannot be called"):
        check_limits(AppPassword(label, DIGEST))


def test_a_change_is_told_by_names_and_fingerprints_and_without_the_digests() -> None:
    told = shown(f"{PHONE}|{DIGEST};what")
    assert told.startswith("phone (")
    assert ", ? (" in told
    assert DIGEST[9:] not in told
    assert shown(PHONE) != shown(PHONE.replace("2027", "2028"))
    assert apps.told_fields(Info(f'quota="5" App_Passwords="{PHONE}"')) == {"quota": "5", "App_Passwords": shown(PHONE)}


def test_what_a_damaged_field_makes_look_like_the_name_of_another_is_not_told() -> None:
    info = Info(f'quota="5" app_passwords=phone;{DIGEST}=" note="x"')
    assert any(DIGEST[9:] in field for field in info.fields())
    assert apps.told_fields(info) == {"quota": "5"}


labels = st.text("abcXYZ019._-", min_size=1, max_size=32).filter(lambda text: text[0] != "-")
made_ones = st.builds(
    AppPassword,
    labels,
    st.just(DIGEST),
    made=st.sampled_from(["", "2026-11-22"]),
    until=st.sampled_from(["", "2027-01-31", "2027-01-31T18:00+13:00"]),
    classes=st.sampled_from(["", "pop", "pop,mobile", "schüler"]),
    hosts=st.sampled_from(["", "any", "10.0.0.0/8,2001:db8::/32", "192.168.7.10-192.168.7.40", "10.1.*,unknown"]),
)


@given(st.lists(made_ones, max_size=10))
def test_any_that_can_be_made_read_back_in_flat_files_and_in_passwd_files(found: list[AppPassword]) -> None:
    for app in found:
        check_limits(app)
    text = written(found)
    check_field(APP_PASSWORDS, text)
    info = Info('quota="5"').updated({APP_PASSWORDS: text})
    assert of(info) == found
    assert info_text(field_of(info.text, "")) == info.text
    assert info.public() == Info('quota="5"')


@given(st.text())
def test_any_text_reads_without_a_fault_of_ours_and_is_written_back(text: str) -> None:
    found = read(text)
    assert [app.text for app in found] == [entry for entry in text.split("|") if entry.strip()]
    for app in found:
        app.refusal(lambda: NOON, "10.0.0.1", UTC)
        app.limits(UTC)
    shown(text)
