"""From where a login may come (spec/policy.md section 3)."""

from __future__ import annotations

import subprocess
import sys
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwauth.policy.hosts import BadHost, Hosts, read_address, read_hosts, refusal


def let_in(mask: str, address: str | None) -> bool:
    return refusal(mask, address) is None


@pytest.mark.parametrize(
    ("mask", "inside", "outside"),
    [
        ("192.0.2.7", ["192.0.2.7", "::ffff:192.0.2.7", "::FFFF:c000:207"], ["192.0.2.8", "::192.0.2.7"]),
        ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"], ["9.255.255.255", "11.0.0.0"]),
        ("10.0.0.0/255.0.0.0", ["10.0.0.0", "10.255.255.255"], ["11.0.0.0"]),
        ("10.0.0.0/255.255.255.252", ["10.0.0.3"], ["10.0.0.4"]),
        ("10.0.0.0/0.0.0.3", ["10.0.0.3"], ["10.0.0.4"]),  # the bits that may differ, as some routers write it
        ("192.0.2.7/32", ["192.0.2.7"], ["192.0.2.6"]),
        ("0.0.0.0/0", ["1.2.3.4"], ["::1"]),
        ("192.168.7.10-192.168.7.40", ["192.168.7.10", "192.168.7.40"], ["192.168.7.9", "192.168.7.41"]),
        ("192.168.7.10 - 192.168.7.40", ["192.168.7.40"], ["192.168.7.41"]),
        ("10.1.2.3-10.1.2.3", ["10.1.2.3"], ["10.1.2.4"]),
        ("10.1.*", ["10.1.0.0", "10.1.255.255"], ["10.2.0.0", "10.0.255.255"]),
        ("10.1.*.*", ["10.1.0.0", "10.1.255.255"], ["10.2.0.0"]),
        ("10.1.2.*", ["10.1.2.255"], ["10.1.3.0"]),
        ("10.*", ["10.9.9.9"], ["11.0.0.0"]),
        ("*.*.*.*", ["1.2.3.4"], ["::1"]),
        ("2001:db8:20::/48", ["2001:db8:20::1", "2001:DB8:20:ffff::", "2001:db8:20::1%eth0"], ["2001:db8:21::"]),
        ("2001:db8::1", ["2001:db8:0:0::1"], ["2001:db8::2"]),
        ("2001:db8::1-2001:db8::9", ["2001:db8::9"], ["2001:db8::a"]),
        ("fe80::1%eth0", ["fe80::1", "fe80::1%lan"], ["fe80::2"]),
        ("fe80::%eth0/64", ["fe80::7"], ["fe81::"]),
        ("::/0", ["2001:db8::1", "::1"], ["10.0.0.1", "::ffff:10.0.0.1"]),
        ("::ffff:10.0.0.0/104", ["10.9.9.9", "::ffff:10.9.9.9"], ["11.0.0.0"]),
        ("::ffff:10.0.0.1-::ffff:10.0.0.3", ["10.0.0.2"], ["10.0.0.4"]),
        ("::ffff:10.0.0.1-10.0.0.3", ["10.0.0.2"], ["10.0.0.4"]),
        ("10.0.0.1,10.0.0.3 , 10.1.*\t2001:db8::/32", ["10.0.0.1", "10.0.0.3", "10.1.9.9", "2001:db8::"], ["10.0.0.2"]),
        (" 10.0.0.1 ", ["10.0.0.1"], ["10.0.0.2"]),
    ],
)  # fmt: skip
def test_an_address_is_within_the_mask_or_it_is_not(mask: str, inside: list[str], outside: list[str]) -> None:
    for address in inside:
        assert let_in(mask, address), address
    for address in outside:
        assert not let_in(mask, address), address
    assert not let_in(mask, None)


@pytest.mark.parametrize("mask", ["", " ", "\t ", "*", "any", "ANY", "10.0.0.1, any"])
def test_from_anywhere_is_from_an_unknown_address_too(mask: str) -> None:
    for address in ("10.0.0.9", "::1", None, "no address"):
        assert let_in(mask, address)


def test_an_unknown_address_is_within_a_mask_that_says_so() -> None:
    assert let_in("10.0.0.1 unknown", None)
    assert let_in("Unknown", "no address")
    assert not let_in("unknown", "10.0.0.1")
    assert not let_in("10.0.0.1", "no address")


@pytest.mark.parametrize(
    ("mask", "found"),
    [
        (",", "no entry"),
        ("localhost", "localhost"),
        ("10.0.0.256", "10.0.0.256"),
        ("10.0.0", "10.0.0"),
        ("010.0.0.1", "010.0.0.1"),
        ("10.0.0.0/33", "10.0.0.0/33"),
        ("10.0.0.0/", "10.0.0.0/"),
        ("10.0.0.0/255.0.255.0", "10.0.0.0/255.0.255.0"),
        ("2001:db8::/ffff::", "2001:db8::/ffff::"),
        ("10.*.3", "10.*.3"),
        ("10.*.3.*", "10.*.3.*"),
        ("10.1.2.3.*", "10.1.2.3.*"),
        ("10.1*", "10.1*"),
        ("10..*", "10..*"),
        ("fe80::*", "fe80::*"),
        ("192.168.7.?", "192.168.7.?"),
        ("10.0.0.9-10.0.0.1", "10.0.0.9-10.0.0.1"),
        ("10.0.0.1-::1", "10.0.0.1-::1"),
        ("10.0.0.1-9", "10.0.0.1-9"),
        ("10.0.0.1-10.0.0.2-10.0.0.3", "10.0.0.1-10.0.0.2-10.0.0.3"),
        ("-", "-"),
        ("10.0.0.1 nonsense any", "nonsense"),
        ("x" * 1000, "x" * 80 + "..."),
    ],
)
def test_a_mask_that_cannot_be_read_keeps_everybody_out_and_is_named(mask: str, found: str) -> None:
    for address in ("10.0.0.1", "::1", None):
        reason = refusal(mask, address)
        assert reason is not None
        assert reason.startswith(f"ip_mask cannot be read: found {found}, wanted ")


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        ("10.20.30.40/8", "10.0.0.0/8"),
        ("10.20.30.40/255.255.0.0", "10.20.0.0/16"),
        ("2001:db8::1/32", "2001:db8::/32"),
    ],
)
def test_a_network_with_host_bits_set_is_an_error_that_shows_the_corrected_value(entry: str, wanted: str) -> None:
    with pytest.raises(BadHost, match=f"found {entry}, which has host bits set, wanted {wanted}$"):
        read_hosts([entry])


def test_a_refusal_says_what_was_outside_of_what() -> None:
    assert refusal("10.0.0.0/8,192.0.2.7", "203.0.113.5") == "203.0.113.5 is not within 10.0.0.0/8 192.0.2.7"
    assert refusal("10.0.0.0/8", None) == "the unknown address is not within 10.0.0.0/8"
    long = refusal(" ".join(["10.0.0.1"] * 50), "::1")
    assert long is not None
    assert len(long) < 150


def test_hosts_are_values() -> None:
    assert read_hosts(["10.0.0.0/30"]) == Hosts(spans=((4, 10 << 24, (10 << 24) + 3),))
    assert read_hosts(["any", "unknown"]) == Hosts(anywhere=True, unknown=True)
    assert not Hosts().hold(None)
    assert not Hosts().hold((4, 0))


@given(st.ip_addresses(v=4), st.integers(0, 32), st.ip_addresses(v=4))
def test_a_network_agrees_with_its_definition(base: IPv4Address, length: int, client: IPv4Address) -> None:
    network = IPv4Network((base, length), strict=False)
    within = client in network
    for mask in (
        str(network),
        network.with_netmask,
        f"::ffff:{network[0]}/{96 + length}",
        f"{network[0]}-{network[-1]}",
    ):
        assert let_in(mask, str(client)) is within
        assert let_in(mask, f"::ffff:{client}") is within
        assert let_in(mask, str(network[0]))
        assert let_in(mask, str(network[-1]))


@given(st.ip_addresses(v=6), st.ip_addresses(v=6), st.ip_addresses(v=6))
def test_a_range_agrees_with_its_definition(one: IPv6Address, other: IPv6Address, client: IPv6Address) -> None:
    first, last = sorted((one, other))
    if any(address.ipv4_mapped for address in (first, last, client)):
        return
    assert let_in(f"{first}-{last}", str(client)) is (first <= client <= last)
    assert let_in(f"{first}-{last}", str(last))


@given(st.text(max_size=30) | st.text("0123456789.:/*-,% abf", max_size=30), st.none() | st.text(max_size=20))
def test_no_text_is_more_than_a_refusal(mask: str, address: str | None) -> None:
    assert isinstance(refusal(mask, address), str | None)


@given(st.ip_addresses())
def test_an_address_is_read_as_a_number(address: IPv4Address | IPv6Address) -> None:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    plain = mapped or address
    assert read_address(str(address)) == (plain.version, int(plain))
    assert ip_address(plain) == plain


def test_the_module_brings_in_no_library_before_it_is_asked() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, nwauth.policy.hosts as h; print('ipaddress' in sys.modules)"],
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"False\n"
