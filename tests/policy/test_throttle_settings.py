"""``[throttle]`` of policy.toml, read from text."""

from __future__ import annotations

import tomllib

import pytest

from nwauth.errors import ConfigError
from nwauth.options import Options
from nwauth.policy.hosts import BadHost, Hosts, read_address, read_hosts
from nwauth.policy.throttle.settings import ThrottleSettings, read_throttle


def read(text: str) -> ThrottleSettings:
    root = Options(tomllib.loads("[throttle]\n" + text), file="policy.toml")
    table = root.table("throttle")

    def hosts(key: str, entries: tuple[str, ...]) -> Hosts:
        try:
            return read_hosts(entries)
        except BadHost as error:
            raise table.error(key, str(error)) from None

    found = read_throttle(table, hosts)
    root.finish()
    return found


def test_an_empty_table_gives_the_defaults() -> None:
    assert read("") == ThrottleSettings()
    default = ThrottleSettings()
    assert (default.window_seconds, default.per_address, default.per_user) == (600, 20, 10)
    assert (default.ipv6_prefix, default.trust_days, default.exempt_loopback) == (64, 30, True)
    assert default.exempt == Hosts()


def test_each_key_is_read() -> None:
    text = """
    window_seconds = 60
    per_address = 7
    per_user = 0
    ipv6_prefix = 56
    trust_days = 0
    exempt = ["10.0.0.0/8", "2001:db8::7"]
    exempt_loopback = false
    """
    assert read(text) == ThrottleSettings(
        window_seconds=60,
        per_address=7,
        per_user=0,
        ipv6_prefix=56,
        trust_days=0,
        exempt=read_hosts(["10.0.0.0/8", "2001:db8::7"]),
        exempt_loopback=False,
    )


def test_an_empty_list_exempts_nobody() -> None:
    assert not read("exempt = []").exempt.hold(read_address("10.0.0.1"))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("window_seconds = 0", "throttle.window_seconds: found 0, wanted an integer from 1 to 604800"),
        ("window_seconds = 1.5", "throttle.window_seconds: found 1.5 (a float), wanted an integer from 1 to 604800"),
        ("per_address = -1", "throttle.per_address: found -1, wanted an integer from 0 to 100000"),
        ("per_user = 1001", "throttle.per_user: found 1001, wanted an integer from 0 to 1000"),
        ("ipv6_prefix = 129", "throttle.ipv6_prefix: found 129, wanted an integer from 16 to 128"),
        ('trust_days = "30"', 'throttle.trust_days: found "30" (a string), wanted an integer from 0 to 3650'),
        ("exempt_loopback = 1", "throttle.exempt_loopback: found 1 (an integer), wanted true or false"),
        ('exempt = "10.0.0.0/8"', 'throttle.exempt: found "10.0.0.0/8" (a string), wanted an array of strings'),
        ('exempt = ["10.0.0.1/8"]', "throttle.exempt: found 10.0.0.1/8, which has host bits set, wanted 10.0.0.0/8"),
        ("peruser = 3", "throttle.peruser: unknown key, did you mean per_user?"),
    ],
)
def test_what_is_wrong_is_said_with_its_key_what_was_found_and_what_is_wanted(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert str(caught.value) == f"policy.toml: {error}"
