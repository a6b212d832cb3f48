"""What all tests share: hypothesis' settings and a moment that is always the same."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, settings

# Durations are no verdict on a shared machine, so hypothesis has no deadline.
settings.register_profile(
    "repository", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", settings.get_profile("repository"), max_examples=2000)
settings.load_profile("repository")


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 3, 14, 15, 9, 26, 535_897, tzinfo=UTC)
