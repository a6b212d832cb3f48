"""How many tokens well-known models take, prompt and completion together: data with a date.

Models come and go. What is not listed here is no error of the model; pass its number as `max_prompt_tokens`.
"""

from __future__ import annotations

from memory_budget_allocator.arguments import require_text
from memory_budget_allocator.errors import ArgumentValueError
from memory_budget_allocator.token_models import model_of_name, near_models
from memory_budget_allocator.wording import shown

__all__ = ["CONTEXT_WINDOWS", "CONTEXT_WINDOWS_AS_OF", "context_window"]

CONTEXT_WINDOWS_AS_OF = "2026-11"
"""Year and month in which the numbers were looked up."""

CONTEXT_WINDOWS: dict[str, int] = {
    # Releases by month and day differ in their windows. Source: OpenAI's page of models of November 2023.
    "gpt-3.5-turbo": 16_385,
    "gpt-3.5-turbo-0301": 4_096,
    "gpt-3.5-turbo-0613": 4_096,
    "gpt-3.5-turbo-1106": 16_385,
    "gpt-3.5-turbo-16k": 16_385,
    "gpt-3.5-turbo-16k-0613": 16_385,
    "gpt-3.5-turbo-instruct": 4_096,
    "gpt-4": 8_192,
    "gpt-4-0314": 8_192,
    "gpt-4-0613": 8_192,
    "gpt-4-1106-preview": 128_000,
    "gpt-4-vision-preview": 128_000,
    "gpt-4-32k": 32_768,
    "gpt-4-32k-0613": 32_768,
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
    "gpt-5-pro": 400_000,  # developers.openai.com/api/docs/models/gpt-5-pro, November 2026
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
    "claude-opus-4-5": 200_000,  # platform.claude.com/docs/en/models/opus-4-5/overview, November 2026
    "claude-opus-4-6": 1_000_000,  # platform.claude.com/docs/en/models/opus-4-6/overview, November 2026
    "gemini-1.5-flash": 1_048_576,
    "gemini-1.5-pro": 2_097_152,
    "gemini-2.0-flash": 1_048_576,
    # cloud.google.com/vertex-ai/generative-ai/docs/models/gemini, November 2026: the prompt alone
    "gemini-2.5-flash": 1_048_576,
    "gemini-2.5-pro": 1_048_576,
    "llama-3-8b": 8_192,
    "llama-3-70b": 8_192,
    "llama-3.1-8b": 131_072,
    "llama-3.1-70b": 131_072,
    "llama-3.1-405b": 131_072,
}
"""Tokens by model, as `model_of_name` reads its name, as of `CONTEXT_WINDOWS_AS_OF`."""


def context_window(model: str) -> int:
    """Tokens that a model takes, prompt and completion together, as of `CONTEXT_WINDOWS_AS_OF`.

    The name may be any by which a tokenizer of that model may be given: in any case, behind whoever offers it
    ("openai/"), fine-tuned ("ft:"), with a release at its end ("-2024-08-06", "-20241022", "-latest"). A
    prompt alone may have to be shorter: of its 400,000 tokens gpt-5 keeps 128,000 for the completion.

    Raises:
        ArgumentTypeError: `model` is no str.
        ArgumentValueError: the model is not listed; the message names those that were likely meant.

    >>> from memory_budget_allocator import context_window
    >>> context_window("openai/gpt-4o-2024-08-06")
    128000
    """
    require_text("model", model)
    window = CONTEXT_WINDOWS.get(model_of_name(model))
    if window is not None:
        return window
    near = near_models(model, CONTEXT_WINDOWS)
    hint = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
    raise ArgumentValueError(
        f"the context window of {shown(model)} is not listed{hint}; give its tokens as a number"
    )
