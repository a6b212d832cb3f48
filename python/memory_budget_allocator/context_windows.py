"""How many tokens well-known models take, prompt and completion together: data with a date.

Models come and go. What is not listed here is no error of the model; pass its number as `max_prompt_tokens`.
"""

from __future__ import annotations

import re

from memory_budget_allocator.arguments import require_text
from memory_budget_allocator.errors import ArgumentValueError
from memory_budget_allocator.wording import nearest_known, shown

__all__ = ["CONTEXT_WINDOWS", "CONTEXT_WINDOWS_AS_OF", "context_window"]

CONTEXT_WINDOWS_AS_OF = "2026-11"
"""Year and month in which the numbers were looked up."""

CONTEXT_WINDOWS: dict[str, int] = {
    "gpt-3.5-turbo": 16_385,
    "gpt-4": 8_192,
    "gpt-4-32k": 32_768,
    "gpt-4-turbo": 128_000,
    "gpt-4o": 128_000,
    "gpt-4o-mini": 128_000,
    "chatgpt-4o": 128_000,
    "gpt-4.1": 1_047_576,
    "gpt-4.1-mini": 1_047_576,
    "gpt-4.1-nano": 1_047_576,
    "gpt-4.5": 128_000,
    "gpt-4.5-preview": 128_000,
    "gpt-5": 400_000,
    "gpt-5-mini": 400_000,
    "gpt-5-nano": 400_000,
    "gpt-5.1": 400_000,
    "gpt-5.2": 400_000,
    "gpt-5.4": 1_050_000,
    "gpt-oss-20b": 131_072,
    "gpt-oss-120b": 131_072,
    "o1": 200_000,
    "o3": 200_000,
    "o3-mini": 200_000,
    "o4-mini": 200_000,
    "claude-3-haiku": 200_000,
    "claude-3-sonnet": 200_000,
    "claude-3-opus": 200_000,
    "claude-3-5-haiku": 200_000,
    "claude-3-5-sonnet": 200_000,
    "claude-3-7-sonnet": 200_000,
    "claude-sonnet-4-5": 200_000,
    "gemini-1.5-flash": 1_048_576,
    "gemini-1.5-pro": 2_097_152,
    "gemini-2.0-flash": 1_048_576,
    "llama-3-8b": 8_192,
    "llama-3-70b": 8_192,
    "llama-3.1-8b": 131_072,
    "llama-3.1-70b": 131_072,
    "llama-3.1-405b": 131_072,
}
"""Tokens by model name, as of `CONTEXT_WINDOWS_AS_OF`."""

_RELEASE = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8}|latest)$")


def context_window(model: str) -> int:
    """Tokens that a model takes, prompt and completion together, as of `CONTEXT_WINDOWS_AS_OF`.

    A release at the end of the name ("-2024-08-06", "-20241022", "-latest") may be there or not. A prompt
    alone may have to be shorter: of its 400,000 tokens gpt-5 keeps 128,000 for the completion.

    Raises:
        ArgumentTypeError: `model` is no str.
        ArgumentValueError: the model is not listed; the message names the nearest one that is.

    >>> from memory_budget_allocator import context_window
    >>> context_window("gpt-4o-2024-08-06")
    128000
    """
    require_text("model", model)
    name = model.lower()
    for known in (name, _RELEASE.sub("", name)):
        if known in CONTEXT_WINDOWS:
            return CONTEXT_WINDOWS[known]
    hint = nearest_known(name, CONTEXT_WINDOWS).replace("key", "model")
    raise ArgumentValueError(
        f"the context window of {shown(model)} is not listed ({hint}); give its tokens as a number"
    )
