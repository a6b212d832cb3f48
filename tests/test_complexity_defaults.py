"""The defaults of the complexity rules stand twice: for readers of the dataclass, and in the core."""

from __future__ import annotations

import ast
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from memory_budget_allocator import ComplexityRules

RULES = Path(__file__).resolve().parent.parent / "rust/core/src/complexity/rules.rs"


def defaults_of_the_core() -> dict[str, object]:
    """The fields of `impl Default for Rules`, read from its source."""
    source = RULES.read_text(encoding="utf-8")
    _, body = source.split("impl Default for Rules {", 1)
    body = body[: body.index("\n}")]
    # A list is written list(&[...]), vec![...] or [...].
    lists = re.sub(r"list\(&(\[[^\]]*\])\)|vec!(\[[^\]]*\])", r"\1\2", body)
    fields = re.findall(r"^ {12}(\w+): (\[[^\]]*\]|[\d.]+),$", lists, flags=re.MULTILINE)
    values = {name: ast.literal_eval(value) for name, value in fields}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


@pytest.mark.skipif(not RULES.exists(), reason="needs the sources of the core")
def test_both_are_the_same() -> None:
    assert defaults_of_the_core() == asdict(ComplexityRules())
