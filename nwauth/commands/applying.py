"""What the commands share that change many users as one: apply and import."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nwauth.audit import ERROR, INFO
from nwauth.build import rules
from nwauth.commands.command import changed_unheard
from nwauth.commands.output import forget_stdout
from nwauth.commands.secrets_in import made_up
from nwauth.commands.session import takes_no_changes
from nwauth.copying import fitting
from nwauth.errors import NwauthError, Refused, Unavailable, Unchanged
from nwauth.names import NameRules, covering, fold
from nwauth.provisioning import Applying, Judging, Keeping, Reader, RefusedUser
from nwauth.signals import Unheeded, ending_interrupts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Final

    from nwauth.commands.session import Session
    from nwauth.provisioning import Tally

NOTHING = "nothing is changed"
NOT_TOLD = "what is changed cannot be told: --dry-run shows what is not"
EXIT_NO, EXIT_INTERRUPTED = 1, 130
EXIT_CHANGES = 3  # a dry run has found something to do
MOST_PRUNED = 10.0  # percent of the scope


def applying_to(
    session: Session,
    *,
    scope: str,
    dry_run: bool,
    whole: Callable[[str], str] | None = None,
    there: str = "change",
    tells_all: bool = False,
) -> tuple[Applying, Reader]:
    """What does the work, on the one store that the command works on.

    `whole` completes a name before the settings do; `there`: see `Keeping`.
    """
    config, settings = session.config, session.store_config
    store = session.store
    if settings.read_only:
        raise takes_no_changes(f"store {settings.name}", settings)
    names = config.names
    store_rules = rules(config, settings)
    judging = Judging(
        names=NameRules(
            badchar=names.badchar,
            badchar_localpart=names.badchar_localpart,
            allow_ats=names.allow_ats,
            allow_high_ascii=names.allow_high_ascii,
        ),
        whole=session.service.whole if whole is None else whole,
        passwords=session.passwords,
        scheme=store_rules.scheme,
        star_is_clear=store_rules.star_is_clear,
        is_there=lambda name: store.lookup(name) is not None,
        scope=scope,
        is_asked=_asked(session),
    )
    reader = Reader(judging)
    reader.doubts.class_field = config.policy.class_field
    keeping = Keeping(
        store=settings.name,
        passwords=session.passwords,
        rules=store_rules,
        fitting=fitting(settings, settings),
        make_password=made_up,
        rehearses=dry_run,
        there=there,
    )
    return Applying(store, reader, keeping, tells_unchanged=tells_all), reader


def _asked(session: Session) -> Callable[[str], bool] | None:
    """Whether the store is asked for a folded name when mail comes or somebody logs in; None: for each.

    With ``--store`` there is no route: who names the store means it.
    """
    route = session.config.routes.get(session.store_config.name)
    if route is None:
        return None
    covers = [covering(*route.match[command]) for command in ("lookup", "check")]
    prefix, suffix = fold(route.strip_prefix), fold(route.strip_suffix)
    return lambda key: any(test(key) or test(f"{prefix}{key}{suffix}") for test in covers)


class Order:
    """What is to be done with a file of users, as the command line says.

    `word` is the command and `what` it calls the file, for the log; `percent` so much `prune` may remove.
    """

    def __init__(
        self,
        word: str,
        what: str,
        file: str,
        *,
        dry_run: bool,
        keep_going: bool,
        prune: bool = False,
        percent: float | None = None,
    ) -> None:
        self.word: Final = word
        self.what: Final = what
        self.file: Final = file
        self.dry_run: Final = dry_run
        self.keep_going: Final = keep_going
        self.prune: Final = prune
        self.percent: Final = MOST_PRUNED if percent is None else percent


def carry_out(
    session: Session, applying: Applying, order: Order, *, read: Callable[[], None], tell: Callable[[bool], None]
) -> int:
    """Read the users, compare them, make the changes and tell of them; the exit status.

    `tell` is told whether the changes are made, or would be.

    Raises:
        KeyboardInterrupt, Unavailable: it was broken off, and what stands in the store has been said.
    """
    try:
        try:
            read()
            _compare(session, applying, order)
        except (KeyboardInterrupt, Unavailable) as error:
            raise _broken_off(error, 0, made=False) from None
        can_be_done = _can_be_done(session, applying, order)
        if can_be_done and applying.tally.differs and not order.dry_run:
            return _change_and_tell(session, applying, order, tell)
        tell(can_be_done)
        return _status(applying.tally, order)
    finally:
        applying.close()


def _status(tally: Tally, order: Order) -> int:
    if tally.failed:
        return EXIT_NO
    return EXIT_CHANGES if tally.differs and order.dry_run else 0


def _compare(session: Session, applying: Applying, order: Order) -> None:
    """Also where the plan has errors: there may be more, of users who are not there."""
    doing = "comparing, making hashes" if applying.has_clear_text and not order.dry_run else "comparing"
    try:
        with session.progress(doing, lambda: _compared(applying.tally), lambda: applying.tally.read):
            applying.compare(prune=order.prune, allow_percent=order.percent)
    except Unavailable as error:
        if not applying.tally.failed:
            raise
        session.note(f"note: whether there are more errors cannot be told now: {error}")


def _compared(tally: Tally) -> int:
    return tally.changed + tally.unchanged + tally.removed


def _can_be_done(session: Session, applying: Applying, order: Order) -> bool:
    """Whether errors do not forbid it; what they leave out is noted."""
    if not applying.tally.failed:
        return True
    if order.keep_going and applying.is_refused:
        session.note("note: what is wrong with the whole is said of all users: --keep-going takes none of them")
    elif order.keep_going and order.prune:
        session.note("note: nobody is pruned by a plan with errors: whom those lines mean is not known")
    return order.keep_going and not applying.is_refused


def _change_and_tell(session: Session, applying: Applying, order: Order, tell: Callable[[bool], None]) -> int:
    """Raises KeyboardInterrupt, Unavailable, as `carry_out` does."""
    unheeded = Unheeded()
    try:
        was_in_time = _change(session, applying, order, unheeded)
    except RefusedUser as error:
        applying.refuse(str(error), error.place, name=error.name)
    except Refused as error:
        applying.refuse(str(error))
    else:
        with unheeded.but_here():
            was_in_time = _told(session, applying, tell) and was_in_time
        return _status(applying.tally, order) if was_in_time else EXIT_INTERRUPTED
    tell(False)
    return _status(applying.tally, order)


def _change(session: Session, applying: Applying, order: Order, unheeded: Unheeded) -> bool:
    """Make the changes; they leave one line in the log.

    False: it was interrupted when they were made already.  Raises Refused where none is made.
    """
    tally = applying.tally
    facts: dict[str, object] = {order.what: order.file, "changed": tally.changed, "removed": tally.removed}
    facts["store"] = session.store_config.name
    session.recorder.facts["wanted"] = tally.changed + tally.removed
    level, reason, result = ERROR, {"reason": "interrupted, or an internal fault"}, "dead"
    try:
        with session.progress("changing", lambda: applying.making.given, lambda: tally.changed + tally.removed):
            applying.making.apply(one_by_one=order.keep_going)
        unheeded.from_now()
    except (KeyboardInterrupt, Unavailable) as error:
        made = not isinstance(error, Unchanged) and _was_made(applying)
        if not made:
            reason = {"reason": str(error) or "interrupted"}
            raise _broken_off(error, applying.making.made_by_itself or 0, made=made) from None
        unheeded.from_now()
        level, reason, result = INFO, {}, "ok"
        return _changed_already(session, error)
    except NwauthError as error:
        level, result, reason = INFO, "no", {"reason": str(error)}
        raise
    else:
        level, reason, result = INFO, {}, "ok"
        return True
    finally:
        session.log.event(level, order.word, {**facts, **reason, "result": result})


def _told(session: Session, applying: Applying, tell: Callable[[bool], None]) -> bool:
    """Tell of what is changed; False: it was interrupted.  Raises what `_unheard` says."""
    try:
        tell(True)
    except KeyboardInterrupt as error:
        return _changed_already(session, error)
    except OSError as error:
        raise _unheard(error, applying) from None
    return True


def _was_made(applying: Applying) -> bool | None:
    """Raises KeyboardInterrupt where whoever has interrupted it does not wait for the store's answer either."""
    try:
        return applying.making.was_made()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(NOT_TOLD) from None


def _changed_already(session: Session, error: KeyboardInterrupt | Unavailable) -> bool:
    """Say so; whether it ends as if nothing had been."""
    session.note(f"note: {str(error) or 'interrupted'}, and all was changed already")
    return not isinstance(error, KeyboardInterrupt)


def _broken_off(
    error: KeyboardInterrupt | Unavailable, made_by_itself: int, *, made: bool | None
) -> KeyboardInterrupt | Unavailable:
    """The same error, with what stands in the store now."""
    stands = NOT_TOLD if made is None else NOTHING
    if made_by_itself:
        stands = f"{made_by_itself:,} users are changed, if not some more: run it again for the others"
    elif isinstance(error, Unchanged):  # it says so
        return error
    if isinstance(error, KeyboardInterrupt):
        return KeyboardInterrupt(stands)
    # An error that says that nothing is changed speaks of one of many here.
    return Unavailable(f"{error.__cause__ if isinstance(error, Unchanged) and error.__cause__ else error}; {stands}")


def _unheard(error: OSError, applying: Applying) -> OSError | Refused:
    """What to raise where all is changed, and stdout takes no word of it: to try again would find nothing to do."""
    if isinstance(error, BrokenPipeError) and not applying.has_generated:
        return error
    forget_stdout()
    lost = ", and the passwords that were made up are lost" if applying.has_generated else ""
    return Refused(changed_unheard("all is changed", error, lost=lost))


@contextmanager
def interruptible() -> Iterator[None]:
    """What ends a command interrupts it, and says what stands in the store: nothing new, where nobody knows better."""
    with ending_interrupts(), interrupted(NOTHING):
        yield


@contextmanager
def interrupted(stands: str) -> Iterator[None]:
    """An interruption says what stands then, where it does not say so yet."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(str(error) or stands) from None


@contextmanager
def without_collector() -> Iterator[None]:
    """A million users make no cycles, and looking for some takes a fifth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
