"""Checks of the arguments that are not memories."""

from __future__ import annotations

import logging
import math

from memory_budget_allocator import _core
from memory_budget_allocator.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    ConfigurationTypeError,
)
from memory_budget_allocator.wording import one_line, shown, shown_with_type
from memory_budget_allocator.workspace import WorkspaceConfig, concerns

__all__ = [
    "check_config",
    "check_history_limit",
    "require_text",
    "window_us",
]

MICROSECONDS_PER_HOUR = 3_600_000_000
MAX_HISTORY_LIMIT = 2**53 - 1
ALL_TIME_US = 2**60
"""More microseconds than lie between the years 1 and 9999."""

logger = logging.getLogger("memory_budget_allocator")


def window_us(hours: object) -> int:
    """The length of a statistics window in microseconds."""
    if isinstance(hours, bool) or not isinstance(hours, (int, float)):
        raise ArgumentTypeError(f"time_window_hours must be a number or None, got {shown(hours)}")
    if not hours >= 0 or hours == math.inf:  # NaN is not >= 0; an int of any size is compared exactly
        raise ArgumentValueError(
            f"time_window_hours must be a finite number of at least 0, got {shown(hours)}"
        )
    if hours > ALL_TIME_US / MICROSECONDS_PER_HOUR:
        return ALL_TIME_US
    return round(hours * MICROSECONDS_PER_HOUR)


def check_history_limit(limit: object) -> int:
    """The number of entries a history keeps."""
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise ArgumentTypeError(f"history_limit must be an integer, got {shown(limit)}")
    if not 0 <= limit <= MAX_HISTORY_LIMIT:
        raise ArgumentValueError(
            f"history_limit must be 0 (unlimited) to {MAX_HISTORY_LIMIT}, got {shown(limit)}"
        )
    return limit


def require_text(name: str, value: object) -> None:
    """Refuse anything but a str."""
    if not isinstance(value, str):
        raise ArgumentTypeError(f"{name} must be a str, got {shown_with_type(value)}")


def check_config(config: object, argument: str) -> None:
    """Refuse a configuration that cannot be used; warn once of one that is unlikely to be meant."""
    if not isinstance(config, WorkspaceConfig):
        raise ConfigurationTypeError(
            f"{argument} must be a WorkspaceConfig, got {shown(config)}", field=argument, value=config
        )
    _core.check_workspace(config)
    found = concerns(config)
    if found:
        logger.warning("workspace %s: %s", one_line(config.workspace_id), "; ".join(found))
