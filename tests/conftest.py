"""What all tests share: hypothesis' settings, a fixed moment, and which tests are longer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, settings

# Durations are no verdict on a shared machine, so hypothesis has no deadline.
settings.register_profile(
    "repository", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("quick", settings.get_profile("repository"), max_examples=10)
settings.register_profile("thorough", settings.get_profile("repository"), max_examples=2000)
settings.load_profile("repository")


LONGER = pytest.StashKey[int]()
"""How many longer tests were left out of this run."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--verify", action="store_true", help="run the longer tests too (with -m verify: them alone)"
    )
    parser.addoption(
        "--rewrite-expected", action="store_true", help="rewrite docs/errors.md and the golden file, and pass"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "verify: a longer run, left out unless --verify is given")
    # Of pytest-run-parallel, which is there only for the run in which every test runs in several threads.
    config.addinivalue_line("markers", "thread_unsafe(reason): changes or measures the whole process")


SHARED_FIXTURES = {
    "caplog": "sees the log lines of other threads",
    "memories": "looks at what the call wrote to memories that are made once",
    "write": "writes another file of the same name",
}


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    for name in getattr(item, "fixturenames", ()):
        if name in SHARED_FIXTURES:
            item.add_marker(pytest.mark.thread_unsafe(reason=SHARED_FIXTURES[name]))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--verify"):
        return
    longer = [item for item in items if item.get_closest_marker("verify")]
    config.stash[LONGER] = len(longer)
    config.hook.pytest_deselected(items=longer)
    items[:] = [item for item in items if not item.get_closest_marker("verify")]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    left_out = config.stash.get(LONGER, 0)
    if left_out:
        terminalreporter.write_line(f"{left_out} longer tests were left out: --verify runs them")


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 3, 14, 15, 9, 26, 535_897, tzinfo=UTC)
