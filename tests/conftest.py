"""Hypothesis runs small at the desk and large in CI, where the environment holds ``CI``; installations for doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.doctoring import Site, servers_of_others, site_for_all
from tests.serving import IN_CI

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("quick", max_examples=60, deadline=None, suppress_health_check=SLOW)
settings.register_profile("ci", max_examples=300, deadline=None, suppress_health_check=SLOW, print_blob=True)
settings.load_profile("ci" if IN_CI else "quick")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def open_site() -> Iterator[Site]:
    with site_for_all() as site:
        yield site


@pytest.fixture
def no_other_servers() -> Iterator[None]:
    """No mail server runs that doctor could find: others that test it wait."""
    with servers_of_others(may_run=False):
        yield
