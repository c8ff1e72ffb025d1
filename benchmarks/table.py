"""Figures, their paired ratios, and the budgets they are held against."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from driver import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable

    Figures = Callable[[], list[float]]


@dataclass(frozen=True)
class Bound:
    """A budget and an aim, on the ratio to the peer or on our own figure; `least`: at least, not at most."""

    budget: float
    aim: float | None = None
    own: bool = False
    least: bool = False

    def holds(self, value: float | None, limit: float | None) -> bool | None:
        if value is None or limit is None:
            return None
        return value >= limit if self.least else value <= limit


@dataclass(frozen=True)
class Row:
    """One line of the table; figures are medians over rounds, `low` and `high` the span of the per-round ratios."""

    group: str
    what: str
    unit: str
    ours: float | None = None
    peer_name: str = ""
    peer: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    budget: float | None = None
    aim: float | None = None
    bound: str = ""
    met: bool | None = None
    aim_met: bool | None = None
    failed: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Table:
    """Rows in the order they were measured; a row whose figures are missing says why."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add(
        self,
        where: tuple[str, str, str],
        ours: Figures,
        peer: tuple[str, Figures] | None = None,
        bound: Bound | None = None,
    ) -> None:
        """`where` is group, what and unit; figures hold one value a round, in the same order for ours and the peer."""
        theirs, failed = None, ""
        try:
            mine = ours()
            theirs = peer[1]() if peer else None
        except BenchError as error:
            mine, failed = _kept(ours), str(error)
        self.rows.append(_row(where, mine, (peer[0] if peer else "", theirs), bound, failed))


def _kept(ours: Figures) -> list[float]:
    """Our figures if only the peer's are missing."""
    try:
        return ours()
    except BenchError:
        return []


def _row(
    where: tuple[str, str, str],
    ours: list[float],
    peer: tuple[str, list[float] | None],
    bound: Bound | None,
    failed: str,
) -> Row:
    peer_name, theirs = peer
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)] if theirs else []
    own, ratio = _median(ours), _median(ratios)
    value = own if bound and bound.own else ratio
    return Row(
        *where,
        ours=own,
        peer_name=peer_name,
        peer=_median(theirs or []),
        ratio=ratio,
        low=min(ratios, default=None),
        high=max(ratios, default=None),
        budget=bound.budget if bound else None,
        aim=bound.aim if bound else None,
        bound=_describe(bound, where[2]) if bound else "",
        met=bound.holds(value, bound.budget) if bound else None,
        aim_met=bound.holds(value, bound.aim) if bound else None,
        failed=failed,
    )


def _median(values: list[float]) -> float | None:
    return median(values) if values else None


def _describe(bound: Bound, unit: str) -> str:
    sign, unit = (">=" if bound.least else "<="), (f" {unit}" if bound.own else "x")
    aim = "" if bound.aim is None else f" ({bound.aim:g}{unit})"
    return f"{sign} {bound.budget:g}{unit}{aim}"
