"""``nwauth hash calibrate``: what new passwords may cost on this machine."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING

import click

from nwauth.commands.command import command
from nwauth.commands.dmail_option import dmail_conf_option
from nwauth.passwords import calibrating
from nwauth.passwords.calibrating import SCHEMES, Meter, runner
from nwauth.passwords.several import logins_per_second

if TYPE_CHECKING:
    from nwauth.commands.output import Row
    from nwauth.commands.session import Session
    from nwauth.dmail.values import DmailConf
    from nwauth.passwords.calibrating import Calibration, Measured

COLUMNS = (
    "scheme", "setting", "target_ms", "median_ms", "least_ms", "most_ms", "quiet_ms", "measurements", "busy", "end",
    "now_ms", "logins_per_second", "cores", "children", "logins_per_second_all", "memory_mib", "memory_mib_all",
)  # fmt: skip
MEASUREMENTS = 5
MEMORY = "/proc/meminfo"
FALLBACK_CHILDREN = 2  # DMail's own default of authent_number
DEFAULT_WORK_KIB = 19_456 * 2  # what OWASP asks of argon2id at least, and we do unless told otherwise
ENDS = {
    "least": "even the lowest setting takes longer than was asked for",
    "most": "the highest setting takes no longer",
    "memory": "a higher one would take more memory than --max-memory-mib",
}


@command(
    "calibrate",
    examples=("nwauth hash calibrate", "nwauth hash calibrate --scheme bcrypt --target-ms 100 --children 8"),
)
@click.option("--scheme", type=click.Choice((*SCHEMES, "all")), help="Default: that of the settings, else argon2id.")
@click.option(
    "--target-ms",
    metavar="MS",
    type=click.IntRange(1, 5000),
    default=250,
    help="How long a login may take to compute. Default: 250.",
)
@click.option(
    "--max-memory-mib",
    "most_mib",
    metavar="MIB",
    type=click.IntRange(1, 1024),
    default=64,
    help="The most memory that a child may take for it. Default: 64.",
)
@click.option(
    "--children",
    metavar="N",
    type=click.IntRange(1, 10_000),
    help="How many children serve. Default: authent_number of dmail.conf, else 2.",
)
@dmail_conf_option()
def calibrate(
    session: Session,
    *,
    scheme: str | None,
    target_ms: int,
    most_mib: int,
    children: int | None,
    dmail: DmailConf | None,
) -> int:
    """Measure what new passwords may cost here, and print the setting for [passwords] of nwauth.toml.

    Each cost is measured five times, as a serving child computes it, and the median counts; on a busy machine it is
    processor time.  A higher cost slows thieves and logins alike: a child does one login at a time, and what several do
    at once is measured.  Nothing is changed.
    """
    settings = session.config.passwords
    wanted = scheme or (settings.scheme if settings.scheme in SCHEMES else "argon2id")
    number = children or (FALLBACK_CHILDREN if dmail is None else dmail.authent_number)
    for one in SCHEMES if wanted == "all" else (wanted,):
        run = runner(one)
        meter = Meter(run, monotonic=time.perf_counter, used=time.process_time, times=MEASUREMENTS)
        with session.progress(f"measuring {one}"):
            found = calibrating.calibrate(
                one, settings, target_seconds=target_ms / 1000, most_memory_kib=most_mib << 10, meter=meter
            )
            now = meter.measure(settings)
            together = logins_per_second(partial(run, found.settings), processes=min(number, cores()))
        row = _row(found, now, together, target_ms=target_ms, children=number)
        session.results.records(COLUMNS, [row], partial(_told, found))
        _warn(session, found, children=number)
    return 0


def cores() -> int:
    """Those that children can run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _row(found: Calibration, now: Measured, together: float, *, target_ms: int, children: int) -> Row:
    """What was found, as it is printed: these keys are a promise."""
    measured = found.measured
    memory = found.memory_kib / 1024
    return {
        "scheme": found.scheme,
        "setting": found.line,
        "target_ms": target_ms,
        "median_ms": _ms(measured.median),
        "least_ms": _ms(measured.seconds[0]),
        "most_ms": _ms(measured.seconds[-1]),
        "quiet_ms": _ms(measured.quiet),
        "measurements": len(measured.seconds),
        "busy": measured.is_busy,
        "end": found.end or None,
        "now_ms": _ms(now.quiet),
        "logins_per_second": round(1 / max(measured.quiet, 1e-6), 1),
        "cores": cores(),
        "children": children,
        "logins_per_second_all": round(together, 1),
        "memory_mib": round(memory, 1),
        "memory_mib_all": round(memory * children, 1),
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _told(found: Calibration, row: Row) -> str:
    """The same for people; the setting stands last, to be copied."""
    spread = f"{row['measurements']} measurements from {row['least_ms']} to {row['most_ms']} ms"
    lines = [f"{row['scheme']}: {row['quiet_ms']} ms for a login, {spread}; as set now: {row['now_ms']} ms"]
    if found.end:
        lines.append(f"  {ENDS[found.end]}")
    lines.append(
        f"  logins a second: {row['logins_per_second']} by a child, {row['logins_per_second_all']} measured for"
        f" {row['children']} children on {row['cores']} cores; those that the memo knows cost nothing"
    )
    if found.memory_kib:
        lines.append(f"  memory: {row['memory_mib']} MiB a child, {row['memory_mib_all']} MiB when all compute")
    return "\n".join([*lines, "", "[passwords]", str(row["setting"]), ""])


def _free_mib() -> int | None:
    """What programs can still take; None where the system does not tell."""
    try:
        with open(MEMORY, encoding="ascii") as file:
            known = dict(line.partition(":")[::2] for line in file)
        return int(known["MemAvailable"].split()[0]) >> 10
    except (OSError, ValueError, KeyError, IndexError):
        return None


def _warn(session: Session, found: Calibration, *, children: int) -> None:
    """What keeps the figures from being true, or of use."""
    measured = found.measured
    if measured.is_busy:
        session.note(
            f"{found.scheme}: the machine was busy, the same work took {_ms(measured.seconds[0])} to"
            f" {_ms(measured.seconds[-1])} ms, of which the processor worked {_ms(measured.quiet)}: the setting goes by"
            " that; logins a second are those of now"
        )
    free = _free_mib()
    if free is not None and found.memory_kib / 1024 * children > free / 2:
        session.note(
            f"{found.scheme}: {children} children that compute at once take"
            f" {found.memory_kib * children >> 10:,} MiB, and {free:,} MiB are free:"
            " fewer children, or a lower --max-memory-mib"
        )
    have = found.settings.argon2id_memory_kib * found.settings.argon2id_iterations
    if found.scheme == "argon2id" and have < DEFAULT_WORK_KIB:
        session.note("argon2id: this is less than nwauth's own default, which is what is asked of argon2id at least")
    if all(one.new_scheme != found.scheme for one in session.config.stores):
        kept = ", ".join(dict.fromkeys(one.new_scheme for one in session.config.stores))
        session.note(f"{found.scheme}: new passwords are {kept} here: the setting has no effect until that is changed")
