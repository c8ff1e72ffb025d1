"""Hypothesis runs small at the desk and large in CI, where the environment holds ``CI``."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.serving import IN_CI

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("quick", max_examples=60, deadline=None, suppress_health_check=SLOW)
settings.register_profile("ci", max_examples=300, deadline=None, suppress_health_check=SLOW, print_blob=True)
settings.load_profile("ci" if IN_CI else "quick")
