"""What comes of an allow_nets lets in from where Dovecot did (spec/policy.md section 7)."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwauth.policy.hosts import read_address
from nwauth.policy.imports.allownets import read_allow_nets
from nwauth.policy.imports.written import Imported, Whom, written
from nwauth.policy.reading import read_policy
from nwauth.policy.rules import Login, Policy

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def come(text: str) -> tuple[Imported, str, Policy]:
    imported = read_allow_nets(text, is_for_all=False)
    out = written(imported, Whom(users=("bob@test.com",)))
    return imported, out, read_policy(out.encode(), file="policy.toml")


def lets_in(policy: Policy, address: str | None, *, name: str = "bob@test.com") -> bool:
    client = None if address is None else read_address(address)
    return policy.decide(Login(name=name, classes=("default",), store="files", address=client), NOW).allowed


def dovecot_lets_in(entries: list[tuple[str, int]], *, local: bool, address: str | None) -> bool:
    """Whether Dovecot does, of networks that are well formed: the first bits of both addresses are compared."""
    if address is None:
        return local
    client = ip_address(address)
    client = getattr(client, "ipv4_mapped", None) or client
    for head, length in entries:
        network = ip_address(head)
        bits = network.max_prefixlen - length
        if network.version == client.version and int(network) >> bits == int(client) >> bits:
            return True
    return False


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("10.0.0.0/8", ["10.1.2.3", "::ffff:10.1.2.3"], ["11.0.0.1", "::1", None]),
        ("10.0.0.0/8,local", ["10.1.2.3", None], ["11.0.0.1"]),
        ("192.0.2.7, 2001:db8::/32  ::1", ["192.0.2.7", "2001:db8:1::1", "::1"], ["192.0.2.8", "2001:db9::"]),
        ("10.0.0.1/8", ["10.200.0.1"], ["11.0.0.1"]),
        ("[2001:db8::1]/32", ["2001:db8:1::1"], ["2001:db9::"]),
        ("0.0.0.0/0", ["1.2.3.4"], ["2001:db8::1", None]),
        ("0.0.0.0/0 ::/0 local", ["1.2.3.4", "2001:db8::1", None], []),
        ("127.0.0.1/32", ["127.0.0.1"], ["127.0.0.2"]),
        ("local", [None], ["127.0.0.1"]),
    ],
)
def test_a_login_is_let_in_from_the_networks_alone(
    text: str, inside: list[str | None], outside: list[str | None]
) -> None:
    imported, _, policy = come(text)
    assert imported.faults == []
    assert all(lets_in(policy, address) for address in inside)
    assert not any(lets_in(policy, address) for address in outside)
    assert lets_in(policy, "203.0.113.1", name="eve@test.com")


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        (
            "10.0.0.1/8",
            "10.0.0.1/8 has bits behind the length of its network, which Dovecot does not look at: 10.0.0.0/8 here",
        ),
        ("local", "no rule is asked there"),
        ("0.0.0.0/0", "every address of IP version 4, and no unknown one"),
        ("10.0.0.0/8", "lets in whatever rules you write further down"),
    ],
)
def test_what_differs_is_remarked(text: str, remark: str) -> None:
    imported, out, _ = come(text)
    assert remark in out
    assert remark in "\n".join(imported.all_remarks)


@pytest.mark.parametrize(
    ("text", "column", "found"),
    [
        ("10.0.0.0/33", 1, 'found "10.0.0.0/33", wanted an address or a network'),
        ("10.0.0.0/8 foo.test.com", 12, 'found "foo.test.com"'),
        ("10.0.0.0/255.0.0.0", 1, "Dovecot passes over it, or reads another"),
        ("10.0.0.0/", 1, 'found "10.0.0.0/"'),
        ("10/8", 1, 'found "10/8"'),
        ("10.1.*", 1, 'found "10.1.*"'),
        ("10.0.0.1-10.0.0.9", 1, 'found "10.0.0.1-10.0.0.9"'),
        ("any", 1, 'found "any"'),
        ("LOCAL", 1, 'found "LOCAL"'),
        ("fe80::1%eth0/64", 1, 'passes over a zone id), wanted "fe80::1/64"'),
        ("::ffff:10.0.0.1", 1, "it knows such clients by their IPv4 address"),
        ("10.0.0.1\t10.0.0.2", 1, 'found "10.0.0.1\\x0910.0.0.2"'),
        ("\x1b[2J", 1, 'found "\\x1b[2J"'),
        ("", 1, "found nothing"),
    ],
)
def test_what_is_broken_is_told_with_its_column(text: str, column: int, found: str) -> None:
    imported, out, _ = come(text)
    (fault,) = imported.faults
    assert fault.place == f"allow_nets, column {column}"
    assert found in fault.text
    assert f"# NOT TRANSLATED: {fault}\n" in out
    assert out.replace("\n", "").isprintable()


@pytest.mark.parametrize("text", ["10.0.0.0/33", "", " , "])
def test_with_nothing_but_broken_networks_nobody_is_let_in_as_before(text: str) -> None:
    _, _, policy = come(text)
    assert not lets_in(policy, "10.0.0.1")
    assert not lets_in(policy, None)


V4 = st.tuples(st.ip_addresses(v=4).map(str), st.integers(0, 32))
V6 = st.tuples(st.ip_addresses(v=6).map(str).filter(lambda text: not text.startswith("::ffff:")), st.integers(0, 128))


@given(
    st.lists(st.one_of(V4, V6), min_size=1, max_size=5), st.booleans(), st.lists(st.ip_addresses().map(str), max_size=5)
)
def test_any_networks_let_in_from_where_dovecot_does(
    entries: list[tuple[str, int]],
    local: bool,  # noqa: FBT001
    more: list[str],
) -> None:
    text = " ".join(f"{head}/{length}" for head, length in entries) + (",local" if local else "")
    imported, _, policy = come(text)
    assert imported.faults == []
    for address in (None, "10.0.0.1", *more, *(head for head, _ in entries)):
        assert lets_in(policy, address) is dovecot_lets_in(entries, local=local, address=address), address


@given(st.one_of(st.text(), st.text(st.sampled_from("0123456789abcdef.:/[]%, local*-"))))
def test_whatever_is_given_what_comes_out_can_be_read(text: str) -> None:
    imported, out, _ = come(text)
    assert out.count("# NOT TRANSLATED: ") == len(imported.faults)
    assert out.replace("\n", "").isprintable()
