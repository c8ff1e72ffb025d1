"""Hosts against `ipaddress`, and the one table of many rules against asking each (spec/policy.md section 3)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from nwauth.policy.hosts import BadHost, Hosts, read_address, read_hosts
from nwauth.policy.hosttable import HostTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import DrawFn

    Ip = IPv4Address | IPv6Address
    Net = IPv4Network | IPv6Network

FEW = [0, 1, 2, 3, 0x0A000000, 0x0A000001, 0x0A0000FF, 0x0A000100, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]
fours = st.sampled_from(FEW).map(IPv4Address) | st.ip_addresses(v=4)
MAPPED = [IPv6Address(f"::ffff:{IPv4Address(number)}") for number in FEW]
EDGES = [*MAPPED, *map(IPv6Address, ["::", "::1", "::fffe:ffff:ffff", "::1:0:0:0", "::ffff:ffff:ffff:ffff", "fe80::1"])]
sixes = st.sampled_from(EDGES) | st.ip_addresses(v=6) | fours.map(lambda ip: IPv6Address((0xFFFF << 32) + int(ip)))
addresses = fours | sixes


def plain(address: Ip) -> Ip:
    """The address that is compared: an IPv4-mapped one is the IPv4 address."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def spelled(draw: DrawFn, address: Ip) -> str:
    """One of the texts of an address."""
    if isinstance(address, IPv4Address):
        return str(address)
    texts = [address.compressed, address.exploded, address.compressed.upper()]
    if address.ipv4_mapped:
        texts += [f"::ffff:{address.ipv4_mapped}", f"0:0:0:0:0:FFFF:{address.ipv4_mapped}"]
    return draw(st.sampled_from(texts)) + draw(st.sampled_from(["", "", "%eth0", "%1", "%lan-2"]))


class Entry(NamedTuple):
    """What stands in a rule, and which clients it means by its definition; None is a client of unknown address."""

    text: str
    means: Callable[[Ip | None], bool]


@st.composite
def singles(draw: DrawFn) -> Entry:
    address = draw(addresses)
    return Entry(spelled(draw, address), lambda client: client == plain(address))


@st.composite
def networks(draw: DrawFn) -> Entry:
    base = draw(addresses)
    network = ip_network(f"{base}/{draw(st.integers(0, base.max_prefixlen))}", strict=False)
    if network.version == 6 and network.prefixlen < 96 and IPv6Address("::ffff:0:0") in network:
        # What holds all mapped addresses and more is an IPv6 network: a client of IPv4 is not compared with it.
        means = lambda client: client is not None and client.version == 6 and client in network  # noqa: E731
    else:
        ends = plain(network[0]), plain(network[-1])
        means = lambda client: within(client, *ends)  # noqa: E731
    text = str(network)
    if isinstance(network, IPv4Network):
        text = draw(st.sampled_from([text, network.with_netmask, f"::ffff:{network[0]}/{96 + network.prefixlen}"]))
    return Entry(text, means)


@st.composite
def ranges(draw: DrawFn) -> Entry:
    family = draw(st.sampled_from([fours, sixes]))
    ends = sorted((plain(draw(family)), plain(draw(family))), key=int)
    assume(ends[0].version == ends[1].version)
    return Entry(draw(st.sampled_from(["-", " - "])).join(map(str, ends)), lambda client: within(client, *ends))


@st.composite
def wildcards(draw: DrawFn) -> Entry:
    octets = str(draw(fours)).split(".")
    kept = draw(st.integers(0, 3))
    stars = draw(st.integers(1, 4 - kept)) if kept else 4
    text = ".".join([*octets[:kept], *["*"] * stars])
    return Entry(
        text,
        lambda client: client is not None and client.version == 4 and str(client).split(".")[:kept] == octets[:kept],
    )


anywhere, nowhere_known = (lambda _: True), (lambda client: client is None)
words = st.sampled_from(
    [Entry("any", anywhere), Entry("ANY", anywhere), Entry("unknown", nowhere_known), Entry("Unknown", nowhere_known)]
)
entries = singles() | networks() | ranges() | wildcards()


def within(client: Ip | None, first: Ip, last: Ip) -> bool:
    return client is not None and client.version == first.version and int(first) <= int(client) <= int(last)


def number(address: Ip | None) -> tuple[int, int] | None:
    """An address as our own code takes it; None: unknown."""
    if address is None:
        return None
    read = read_address(str(address))
    assert read is not None
    return read


def asked_about(draw: DrawFn, hosts: Hosts) -> Ip | None:
    """A client that is likely to be near an end of what is listed."""
    ends = [(of, at + step) for of, first, last in hosts.spans for at in (first, last) for step in (-1, 0, 1)]
    bits = {4: 32, 6: 128}
    near = [IPv4Address(at) if of == 4 else IPv6Address(at) for of, at in ends if 0 <= at < 1 << bits[of]]
    return draw(st.none() | addresses | st.sampled_from(near)) if near else draw(st.none() | addresses)


@given(st.lists(entries | words, min_size=1, max_size=5), st.data())
def test_an_address_is_held_when_one_of_the_entries_means_it(listed: list[Entry], data: st.DataObject) -> None:
    hosts = read_hosts([entry.text for entry in listed])
    for _ in range(20):
        client = asked_about(data.draw, hosts)  # type: ignore[arg-type]
        meant = any(entry.means(None if client is None else plain(client)) for entry in listed)
        assert hosts.hold(number(client)) is meant, ([entry.text for entry in listed], client)


@given(addresses, st.data())
def test_however_an_address_is_written_it_is_the_same_number(address: Ip, data: st.DataObject) -> None:
    compared = plain(address)
    assert read_address(spelled(data.draw, address)) == (compared.version, int(compared))  # type: ignore[arg-type]


@given(fours)
def test_a_mapped_address_is_the_ipv4_address_in_both_places(address: IPv4Address) -> None:
    mapped = f"::ffff:{address}"
    assert read_address(mapped) == (4, int(address))
    assert read_hosts([mapped]) == read_hosts([str(address)])
    assert read_hosts([str(address)]).hold(read_address(mapped))


@given(sixes, st.text("abcdefghijklmnopqrstuvwxyz0123456789.-_", min_size=1, max_size=12))
def test_a_zone_id_is_dropped_in_both_places(address: IPv6Address, zone: str) -> None:
    assert read_address(f"{address}%{zone}") == read_address(str(address))
    assert "-" in zone or read_hosts([f"{address}%{zone}"]) == read_hosts([str(address)])


@given(addresses, st.integers(0, 128))
@example(IPv4Address("10.20.30.40"), 8)
@example(IPv6Address("::ffff:10.20.30.40"), 104)
def test_host_bits_are_an_error_that_shows_the_network_that_is_meant(address: Ip, length: int) -> None:
    length = min(length, address.max_prefixlen)
    text = f"{address}/{length}"
    network = ip_network(text, strict=False)
    assume(plain(address) == address or length >= 96)  # else the network is one of IPv6, and the address is not
    if network.network_address == address:
        assert read_hosts([text]).hold(number(address))
        return
    with pytest.raises(BadHost) as caught:
        read_hosts(["10.0.0.1", text])
    assert text in str(caught.value)
    corrected = str(caught.value).split()[-1]
    assert ip_network(corrected) == network
    assert read_hosts([corrected]).hold(number(address))


@given(st.text(max_size=40) | st.text("0123456789abcdef.:/*-%, ", max_size=40))
@example("1.2.3.4/٨")
@example("::1%")
@example("%")
@example("1.2.3.4%eth0")
@example("::ffff:1.2.3.4%eth0/128")
def test_any_text_names_hosts_or_is_refused(text: str) -> None:
    try:
        hosts = read_hosts([text])
    except BadHost as error:
        hosts, complaint = None, str(error)
    if hosts is None:
        assert "wanted" in complaint
    else:
        assert hosts.anywhere or hosts.unknown or hosts.spans


@given(st.text(max_size=40) | st.text("0123456789abcdef.:/*-%, ", max_size=40))
def test_no_text_is_an_address_that_ipaddress_does_not_know(text: str) -> None:
    read = read_address(text)
    try:
        address = plain(ip_address(text.partition("%")[0]))
    except ValueError:
        assert read is None
    else:
        assert read in (None, (address.version, int(address)))


# --- the table -------------------------------------------------------------------------------------------------------

rules = st.lists(st.lists(entries | words, min_size=1, max_size=4) | st.just([]), max_size=8)


def hosts_of(listed: list[Entry]) -> Hosts:
    return read_hosts([entry.text for entry in listed]) if listed else Hosts()


@given(rules, st.data())
def test_the_table_says_what_each_of_its_hosts_says(listed: list[list[Entry]], data: st.DataObject) -> None:
    each = [hosts_of(entries) for entries in listed]
    table = HostTable(each)
    everything = Hosts(spans=tuple(span for hosts in each for span in hosts.spans))
    for _ in range(20):
        client = number(asked_about(data.draw, everything))  # type: ignore[arg-type]
        assert table.holding(client) == sum(1 << at for at, hosts in enumerate(each) if hosts.hold(client))


bounds = st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, (1 << 32) - 2, (1 << 32) - 1])
small_spans = st.tuples(st.sampled_from([4, 4, 6]), bounds, bounds).map(lambda s: (s[0], min(s[1:]), max(s[1:])))


@given(st.lists(st.lists(small_spans, max_size=5), max_size=5))
def test_spans_that_overlap_touch_and_repeat_are_told_apart(listed: list[list[tuple[int, int, int]]]) -> None:
    each = [Hosts(spans=tuple(spans)) for spans in listed]
    table = HostTable(each)
    for version in (4, 6):
        for at in (*range(9), (1 << 32) - 3, (1 << 32) - 2, (1 << 32) - 1):
            held = sum(1 << n for n, hosts in enumerate(each) if hosts.hold((version, at)))
            assert table.holding((version, at)) == held
    assert table.holding(None) == 0


def test_a_table_of_nothing_holds_nothing() -> None:
    for client in (None, (4, 0), (6, 0), (6, (1 << 128) - 1)):
        assert HostTable([]).holding(client) == 0
        assert HostTable([Hosts(), Hosts()]).holding(client) == 0


def test_a_thousand_rules_are_told_apart_in_one_answer() -> None:
    each = [read_hosts([f"10.{n // 256}.{n % 256}.0/24", "unknown"] if n % 2 else ["10.0.0.0/8"]) for n in range(1000)]
    table = HostTable(each)
    for text in ("10.0.1.7", "10.3.231.255", "10.3.232.0", "9.255.255.255", "11.0.0.0"):
        client = read_address(text)
        assert table.holding(client) == sum(1 << at for at, hosts in enumerate(each) if hosts.hold(client))
    assert table.holding(None) == sum(1 << at for at in range(1, 1000, 2))
