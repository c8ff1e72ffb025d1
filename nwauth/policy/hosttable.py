"""Which of many rules hold for an address, found by one search among the ends of all their networks."""

from __future__ import annotations

from bisect import bisect_right

from nwauth.policy.patterns import shared_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from nwauth.policy.hosts import Address, Hosts


class HostTable:
    """The hosts of several rules; the answers are bit masks: bit i is set where the i-th of them hold the address."""

    def __init__(self, of_rules: Sequence[Hosts]) -> None:
        self._anywhere: Final = sum(1 << at for at, hosts in enumerate(of_rules) if hosts.anywhere)
        self._unknown: Final = self._anywhere | sum(1 << at for at, hosts in enumerate(of_rules) if hosts.unknown)
        self._tables: Final = {version: _table(of_rules, version) for version in (4, 6)}

    def holding(self, address: Address | None) -> int:
        """Which of them hold a client of this address; None: its address is unknown."""
        if address is None:
            return self._unknown
        starts, masks = self._tables[address[0]]
        return self._anywhere | masks[bisect_right(starts, address[1])]


def _table(of_rules: Sequence[Hosts], version: int) -> tuple[list[int], list[int]]:
    """The addresses at which the answer changes, in order; the answers: one before the first, then one from each."""
    shared = shared_by(of_rules)
    depth = [0] * len(shared)  # how many spans of one value are open: they may overlap
    turns: list[tuple[int, int, int]] = []
    for at, (hosts, _) in enumerate(shared):
        for of, first, last in hosts.spans:
            if of == version:
                turns += [(first, at, 1), (last + 1, at, -1)]
    starts: list[int] = []
    masks = [0]
    kept = {0: 0}  # of equal masks, one: there may be a thousand rules and a hundred thousand addresses
    mask = 0
    for address, at, step in sorted(turns):
        depth[at] += step
        bits = shared[at][1]
        mask = mask | bits if depth[at] else mask & ~bits
        mask = kept.setdefault(mask, mask)
        if starts and starts[-1] == address:
            masks[-1] = mask
        else:
            starts.append(address)
            masks.append(mask)
    return starts, masks
