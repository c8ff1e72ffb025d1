"""The access rules: whether they can be used, what they can decide, whom they are about, and their own tests.

- `rules_file`: the file, and what is wrong with it
- `rules_reach`: rules that never decide; `rules_cover` finds out, `rules_globs` compares patterns
- `rules_people`: classes, users and stores that nobody has; counted while the users go by
- `rules_beside`: settings that the rules depend on
- `rules_trials`: the tables ``[[test]]``
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwauth.config import read
from nwauth.doctor import idle, rules_beside, rules_people, rules_reach, rules_trials
from nwauth.doctor.finding import cannot_look
from nwauth.doctor.rules_file import faults, reading_of
from nwauth.errors import NwauthError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nwauth.config import Config
    from nwauth.doctor.finding import Finding
    from nwauth.doctor.place import Place
    from nwauth.doctor.rules_file import Reading

    Part = Callable[[Place, Reading], Iterator[Finding]]

# By what is told where the part cannot be made; each has a policy without a fault to look at.
PARTS: dict[str, Part] = {
    "the tests in the access rules": rules_trials.trials,
    "which rules can be reached": rules_reach.reach,
    "the users whom rules name": rules_people.people,
    "what the access rules depend on": rules_beside.beside,
    "the lists of the access rules": idle.lists,
    "who can change the access rules": rules_beside.files,
}


def access_rules(place: Place, reading: Reading | None = None) -> Iterator[Finding]:
    """The rules can be used, each can decide, they are about somebody, and do what their tests say.

    Without a `reading` they are those of the folder; nothing is said of these where only one store is looked at.
    """
    if reading is None and place.config is not None and _is_narrowed(place.config):
        return
    if reading is None:
        crowd = place.survey.people.crowd if place.survey is not None else None
        reading = reading_of(place) if crowd is None else crowd.reading
    if reading is None:
        return
    yield from faults(reading)
    if reading.policy is None or place.config is None:
        return
    for name, part in PARTS.items():
        try:
            yield from part(place, reading)
        except (NwauthError, OSError) as error:
            yield cannot_look(name, error)


def _is_narrowed(config: Config) -> bool:
    """Whether some of the stores were left out."""
    return len(config.stores) < len(read(config.folder).stores)
