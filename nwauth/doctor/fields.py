"""Password fields counted by store and scheme while the users go by, with some names of each: memory is flat."""

from __future__ import annotations

from collections import Counter
from typing import Generic, TypeVar

from nwauth.doctor.finding import MOST_USERS

Sample = TypeVar("Sample")


class Fields(Generic[Sample]):
    """How many fields of each store and scheme there are, and what is kept of the first few."""

    def __init__(self) -> None:
        self.numbers: Counter[tuple[str, str]] = Counter()
        self.samples: dict[tuple[str, str], list[Sample]] = {}

    def add(self, store: str, scheme: str, sample: Sample) -> None:
        """One more."""
        kind = store, scheme
        self.numbers[kind] += 1
        samples = self.samples.setdefault(kind, [])
        if len(samples) < MOST_USERS:
            samples.append(sample)

    def of(self, store: str) -> list[tuple[str, int, list[Sample]]]:
        """The schemes of a store by name, the number of each, and what is kept."""
        kinds = sorted(kind for kind in self.numbers if kind[0] == store)
        return [(kind[1], self.numbers[kind], self.samples[kind]) for kind in kinds]
