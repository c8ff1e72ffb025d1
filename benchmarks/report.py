"""The table on a terminal, in benchmarks/README.md and as JSON."""

from __future__ import annotations

import json
import os
import platform
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from table import Row

MARKS = {
    "flat": ("<!-- results: begin -->", "<!-- results: end -->"),
    "sql": ("<!-- sql: begin -->", "<!-- sql: end -->"),
    "stores": ("<!-- stores: begin -->", "<!-- stores: end -->"),
    "policy": ("<!-- policy: begin -->", "<!-- policy: end -->"),
    "provision": ("<!-- provision: begin -->", "<!-- provision: end -->"),
}
HEAD = ("what", "unit", "ours", "peer", "peer's", "ratio [span]", "budget (aim)", "met", "aim")


def machine(rounds: int, python_version: str) -> str:
    """What the figures were measured on; no names, no paths."""
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return (
        f"{day}; {model}, {os.cpu_count()} cores; {platform.system()} {platform.release().partition('-')[0]}; "
        f"Python {python_version}; {rounds} rounds"
    )


def number(value: float | None) -> str:
    """Three digits are all that such figures carry."""
    if value is None:
        return ""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def cells(row: Row) -> tuple[str, ...]:
    ratio = "" if row.ratio is None else f"{number(row.ratio)} [{number(row.low)}-{number(row.high)}]"
    if row.failed:
        ratio = f"not measured: {row.failed}"
    words = {None: "", True: "yes", False: "NO"}
    return (
        row.what,
        row.unit,
        number(row.ours),
        row.peer_name,
        number(row.peer),
        ratio,
        row.bound,
        words[row.met],
        words[row.aim_met],
    )


def groups(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.group, []).append(row)
    return found


def as_text(rows: Sequence[Row]) -> str:
    lines = []
    table = [HEAD, *map(cells, rows)]
    widths = [max(len(row[i]) for row in table if row[i] != "" and len(row[i]) < 60) for i in range(len(HEAD) - 1)]
    for group, members in groups(rows).items():
        lines.append(f"\n{group}")
        for cell in (HEAD, *map(cells, members)):
            padded = [text.ljust(width) for text, width in zip(cell, [*widths, 0], strict=True)]
            lines.append("  " + "  ".join(padded).rstrip())
    return "\n".join(lines)


def as_markdown(rows: Sequence[Row], machine_line: str) -> str:
    lines = [machine_line + ".", ""]
    for group, members in groups(rows).items():
        lines += [f"### {group}", "", "| " + " | ".join(HEAD) + " |", "| " + " | ".join(["---"] * len(HEAD)) + " |"]
        lines += ["| " + " | ".join(text.replace("|", "\\|") for text in cells(row)) + " |" for row in members]
        lines.append("")
    return "\n".join(lines)


def write_json(path: str, rows: Sequence[Row], machine_line: str) -> None:
    document: dict[str, Any] = {"machine": machine_line, "rows": [row.as_json() for row in rows]}
    with open(path, "w", encoding="utf-8") as f:
        json.dump(document, f, indent=1)
        f.write("\n")


def write_readme(path: str, rows: Sequence[Row], machine_line: str, *, part: str = "flat") -> None:
    """Replaces what stands between the two markers of a part."""
    begin_mark, end_mark = MARKS[part]
    with open(path, encoding="utf-8") as f:
        text = f.read()
    before, begin, rest = text.partition(begin_mark)
    _, end, after = rest.partition(end_mark)
    if not (begin and end):
        raise ValueError(f"{os.path.basename(path)} lacks its two result markers")
    with open(path + ".part", "w", encoding="utf-8") as f:
        f.write(f"{before}{begin}\n\n{as_markdown(rows, machine_line)}\n{end}{after}")
    os.rename(path + ".part", path)
