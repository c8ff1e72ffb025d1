"""``allow_nets`` of Dovecot: networks, divided by commas or blanks, and ``local``.

A login from elsewhere fails, and so does one from an unknown address, if ``local`` is not named.  Dovecot logs what
is no network and goes on without it; so does what comes out here, and it is told.
"""

from __future__ import annotations

from nwauth.policy.hosts import BadHost, read_hosts
from nwauth.policy.imports.written import Block, Fault, Imported, NewRule, found

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Network, IPv6Network

LOCAL = "local"
UNKNOWN = "unknown"
WANTED = "an address or a network (10.0.0.0/8, 2001:db8::/32), or local"
PER_USER = "allow_nets is a field of a user; here a rule names them: --user or --class puts that in"
SHIELD = "the first rule lets in whatever rules you write further down; put yours for the same users above it"
ABOUT_LOCAL = (
    "local is a client of unknown address: that is every one, where the mail server does not send addresses. For the "
    "delivery of mail, where Dovecot wants local, nothing is needed: no rule is asked there"
)


class _BadNetworkError(ValueError):
    """An entry that Dovecot or these rules cannot take."""


def read_allow_nets(text: str, *, prefix: str = "", is_for_all: bool = True) -> Imported:
    """What an allow_nets says; `is_for_all`: the command line names no user or class."""
    remarks: list[str] = [PER_USER] if is_for_all else []
    faults: list[Fault] = []
    hosts: list[str] = []
    for start, entry in _entries(text):
        try:
            hosts.append(_host(entry, remarks))
        except _BadNetworkError as error:
            faults.append(Fault(place=f"allow_nets, column {start + 1}", text=str(error)))
    if not hosts and not faults:
        faults.append(Fault(place="allow_nets, column 1", text=f"found nothing, wanted {WANTED}"))
    name = prefix or "allow_nets"
    rules = [NewRule(name=f"{name}: from elsewhere", allow=False)]
    if hosts:
        rules.insert(0, NewRule(name=f"{name}: from here", allow=True, hosts=list(dict.fromkeys(hosts))))
        remarks.append(SHIELD)
    block = Block(origin=f"allow_nets: {text}", rules=rules, remarks=remarks, faults=faults)
    return Imported(source="an allow_nets", blocks=[block])


def _entries(text: str) -> Iterator[tuple[int, str]]:
    """Each entry with its column; a tab divides none, for Dovecot."""
    start = 0
    for entry in text.replace(",", " ").split(" "):
        if entry:
            yield start, entry
        start += len(entry) + 1


def _host(entry: str, remarks: list[str]) -> str:
    """The entry of a rule's ``from``.  Raises _BadNetworkError."""
    if entry == LOCAL:
        remarks.append(ABOUT_LOCAL)
        return UNKNOWN
    network = _network(entry)
    if network.version == 6 and network.prefixlen >= 96 and network.network_address.ipv4_mapped is not None:
        raise _BadNetworkError(
            f"found {found(entry)}, which no client has for Dovecot: it knows such clients by their IPv4 address; "
            "wanted that as a network"
        )
    host = str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)
    if network.prefixlen == 0:
        remarks.append(f"{entry} is every address of IP version {network.version}, and no unknown one")
    if "/" in entry and _head(entry) != network.network_address:
        remarks.append(
            f"{entry} has bits behind the length of its network, which Dovecot does not look at: {host} here"
        )
    read_hosts([host])
    return host


def _head(entry: str) -> object:
    from ipaddress import ip_address

    return ip_address(entry.partition("/")[0].strip("[]"))


def _network(entry: str) -> IPv4Network | IPv6Network:
    """Raises _BadNetworkError."""
    from ipaddress import ip_network

    head, slash, length = entry.partition("/")
    if head.startswith("[") and head.endswith("]"):
        head = head[1:-1]
    if "%" in head:
        without = entry.partition("%")[0] + slash + length
        raise _BadNetworkError(f"found {found(entry)} (Dovecot passes over a zone id), wanted {found(without)}")
    is_length = length.isascii() and length.isdigit()
    try:
        network = ip_network(f"{head}/{int(length) if is_length else 'none'}" if slash else head, strict=False)
        read_hosts([str(network)])
    except (ValueError, BadHost):
        old = "(Dovecot passes over it, or reads another)"
        raise _BadNetworkError(f"found {found(entry)}, wanted {WANTED} {old}") from None
    return network
