"""What nwauth.toml and dmail.conf tell by themselves, and beside each other."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from nwauth.dmail.drops import is_windows_path
from nwauth.dmail.values import EXTERNAL
from nwauth.doctor.finding import WARNING, finding
from nwauth.doctor.flatfiles import emptied
from nwauth.doctor.place import RESTART

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nwauth.config import Config
    from nwauth.dmail.values import DmailConf, Domain
    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place

OUR_TIMEOUT_SECONDS = 10  # nwauth's own time-outs are made to end within it


def nwauth_toml(place: Place) -> Iterator[Finding]:
    """The settings can be used at all."""
    if place.settings_error:
        yield finding(
            "settings",
            place.settings_error,
            mend=f"mend {place.settings}; nwauth doctor then looks at the rest",
            file=place.settings,
        )


def has_users(place: Place) -> Iterator[Finding]:
    """There is a user base."""
    for one in place.flat if place.config is not None else ():  # whether flat files are meant, no slip tells
        if place.has_users(one):
            yield from emptied(place, one)
            continue
        elsewhere = "name the folder that has one: nwauth --path DIR doctor; or " if place.is_bare else ""
        yield finding(
            "no-users",
            f"{one.path} holds no nwauth.txt and no nwauth.add" + (", nor an nwauth.toml" if place.is_bare else ""),
            mend=f"{elsewhere}mount the disk that holds them, or make a new base: {place.nwauth('init')}",
            file=one.path,
        )


# --- dmail.conf ------------------------------------------------------------------------------------------------------


def dmail_settings(place: Place) -> Iterator[Finding]:
    """Each line of dmail.conf says what DMail understands."""
    for problem in place.conf.problems if place.conf is not None else ():
        setting, found_none, wanted = problem.text.partition(": found none")
        if found_none:
            yield _not_set(problem.file, setting, wanted)
            continue
        where = f"line {problem.line}: " if problem.line else ""
        at = f"line {problem.line} of " if problem.line else ""
        yield finding(
            "dmail-setting",
            f"{problem.file}: {where}{problem.text}",
            mend=f"mend {at}{problem.file}; then {RESTART}",
            file=problem.file,
            line=problem.line,
        )


def _not_set(file: str, setting: str, wanted: str) -> Finding:
    return finding(
        "dmail-setting",
        f"{file}: {setting} is not set{wanted}",
        mend=f"add a line {setting} VALUE to {file}; then {RESTART}",
        file=file,
        why="DMail goes on with a default of its own, which nwauth does not know: what depends on it is not examined.",
    )


def external(place: Place) -> Iterator[Finding]:
    """The servers ask a module."""
    conf = place.conf
    if conf is not None and conf.authent_method != EXTERNAL:
        set_or_not = "" if conf.method else " (it is not set)"
        yield place.of_setting(
            "not-external",
            "authent_method",
            f"authent_method is {conf.authent_method}{set_or_not}",
            mend=place.mend_setting("authent_method", EXTERNAL),
        )


def case_blind(place: Place) -> Iterator[Finding]:
    """Stores that find names in any case want drop files in one case (the manual's advice for NWAuth)."""
    conf, config = place.asking, place.config
    if conf is None or config is None or conf.lowercase_username or is_windows_path(conf.drop_path):
        return
    blind = [one.name for one in config.stores if not getattr(one, "unix_case", False)]
    if blind:
        set_or_not = "" if conf.line_of("lowercase_username") else " (it is not set)"
        yield place.of_setting(
            "case-blind",
            "lowercase_username",
            f"lowercase_username is false{set_or_not}, and {_stores(blind)} finds names in any case",
            mend=place.mend_setting("lowercase_username", "true"),
        )


def _stores(names: list[str]) -> str:
    return f"the store {names[0]}" if len(names) == 1 else f"each of the stores {', '.join(names)}"


def default_domain(place: Place) -> Iterator[Finding]:
    """A name without a domain gets no other than the servers would give it; one that gets none is never asked for."""
    conf, config = place.asking, place.config
    if conf is None or config is None or not conf.authent_domain or not conf.main_domain:
        return
    ours = config.names.default_domain
    if ours and ours.lower() != conf.main_domain.lower():
        yield finding(
            "default-domain",
            f"the servers ask for NAME@{conf.main_domain} (authent_domain true), and nwauth has"
            f' default_domain = "{ours}"',
            mend=f'in {place.settings} set, under [names], default_domain = "{conf.main_domain}"',
            file=place.settings,
        )


def drop_folders(place: Place) -> Iterator[Finding]:
    """Two domains that share a folder of drop files tell them apart by a prefix."""
    conf = place.asking
    if conf is None:
        return
    for one, other in combinations([domain for domain in conf.domains if domain.drop_path], 2):
        if _same(one.drop_path, other.drop_path) and (not conf.drop_prefix or _same_lead(one, other)):
            yield finding(
                "one-drop-folder",
                f"{conf.file}: the drop file of bob is {one.drop_path}/bob for {one} and for {other} alike",
                mend=f"give {other} a folder of its own, or a prefix and drop_prefix true; then {RESTART}",
                file=conf.file,
                line=_line_of(conf, other),
            )


def _same(one: str, other: str) -> bool:
    return one.rstrip("/\\") == other.rstrip("/\\")


def _same_lead(one: Domain, other: Domain) -> bool:
    return one.lead.lower() == other.lead.lower()


def _line_of(conf: DmailConf, domain: Domain) -> int:
    return next((one.line for one in conf.virtual_domains if one.domain == domain.name), 0)


def own_time_outs(place: Place) -> Iterator[Finding]:
    """The servers wait as long as nwauth takes at most."""
    conf = place.asking
    if conf is not None and conf.authent_timeout_seconds < OUR_TIMEOUT_SECONDS:
        seconds = conf.authent_timeout_seconds
        yield place.of_setting(
            "short-timeout",
            "authent_timeout",
            f"authent_timeout is {seconds} s, and nwauth may wait up to {OUR_TIMEOUT_SECONDS - 2} s for a lock or a"
            " database before it says -DEAD",
            mend=place.mend_setting("authent_timeout", str(OUR_TIMEOUT_SECONDS)),
            severity=WARNING,
        )


# --- stores beside each other ----------------------------------------------------------------------------------------


def routes(place: Place) -> Iterator[Finding]:
    """Somebody takes new users, where anybody takes changes."""
    config = place.config
    if config is None or config.is_plain() or all(one.read_only for one in config.stores):
        return
    if not any(_takes_new(config, one.name) for one in config.stores if not one.read_only):
        yield finding(
            "nobody-takes-new-users",
            f'{place.settings}: every store is read_only, or has do_set = false or do_set = "existing"',
            mend=f"in {place.settings} take do_set out of the [[stores]] that new users belong in",
            file=place.settings,
        )


def _takes_new(config: Config, name: str) -> bool:
    route = config.routes.get(name)
    return route is None or (route.sets == "new" and bool(route.match["set"]))
