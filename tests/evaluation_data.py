"""Data sets small enough to work out by hand, in both formats of the evaluation."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)

COSINES = [[0.125, 0.5, 0.375, 0.25], [0.0, 0.0, 0.0, 0.0]]


def conversation() -> dict[str, Any]:
    """Messages of 100, 60, 60 and 30 tokens, the first the newest; two questions, one without evidence."""
    tokens = (100, 60, 60, 30)
    return {
        "conversation": "small",
        "now": NOW.replace(tzinfo=None).isoformat(),
        "items": [
            {
                "id": f"message-{position}",
                "text": "a message " * cost,
                "tokens": cost,
                "session": position // 2,
                "ts": (NOW - timedelta(days=7 * position)).replace(tzinfo=None).isoformat(),
            }
            for position, cost in enumerate(tokens)
        ],
        "questions": [
            {
                "id": "answered",
                "text": "Where is it?",
                "category": 3,
                "category_name": "places",
                "evidence": ["message-1", "message-3"],
                "updated": ["message-1"],
            },
            {"id": "open", "text": "Is there anything?", "evidence": []},
        ],
    }


def write_folder(
    folder: Path, document: Any, name: str = "small", arrays: dict[str, Any] | None = None
) -> Path:
    """Write one conversation into a folder, which is made if need be."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json.gz").write_bytes(gzip.compress(json.dumps(document).encode()))
    given = {"sim": COSINES} if arrays is None else arrays
    np.savez(folder / f"{name}.npz", **{key: np.array(value, np.float16) for key, value in given.items()})
    return folder


def records() -> list[dict[str, Any]]:
    """The same conversation as questions with candidates of their own."""
    document = conversation()
    return [
        {
            "question": question["text"],
            "id": question["id"],
            "conversation": "small",
            "now": document["now"],
            "category": question.get("category_name"),
            "gold": question["evidence"],
            "updated": question.get("updated", []),
            "candidates": [
                {
                    "id": item["id"],
                    "text": item["text"],
                    "tokens": item["tokens"],
                    "timestamp": item["ts"],
                    "session": item["session"],
                    "relevance": cosine,
                }
                for item, cosine in zip(document["items"], cosines, strict=True)
            ],
        }
        for question, cosines in zip(document["questions"], COSINES, strict=True)
    ]


def write_lines(path: Path, lines: list[Any]) -> Path:
    """Write a JSON lines file."""
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def talks(
    count: int,
    questions: int = 8,
    seed: int = 0,
    *,
    length: int = 40,
    freshness: float = 0.0,
    importance: float = 0.0,
    lexical: float = 0.5,
    smoothing: float = 0.3,
    match: float = 1.5,
) -> list[dict[str, Any]]:
    """Questions about made-up conversations, whose evidence chance picks by a logistic model.

    The logit of a message is `match` times the sum of its relevance, `lexical` times its words and the
    others; it shares `smoothing` of it with the messages around it. Messages have 8 to 400 tokens.
    """
    chance = np.random.default_rng(seed)
    records: list[dict[str, Any]] = []
    for number in range(count):
        days = np.sort(chance.uniform(0.0, 120.0, length))[::-1]
        weights = chance.uniform(0.0, 1.0, length).round(3)
        tokens = np.exp(chance.uniform(np.log(8), np.log(400), length)).astype(int)
        for asked in range(questions):
            relevance = chance.normal(size=length).round(4)
            has_word = chance.uniform(size=length) < 0.15
            logit = relevance + lexical * (has_word - has_word.mean()) / max(float(has_word.std()), 1e-9)
            logit += freshness * np.exp(-0.693 * 24.0 * days / 720.0) + importance * weights
            # Sessions of ten; beyond the ends stands the lowest of all.
            lowest, at = logit.min(), np.arange(length)
            before = np.where(at % 10 > 0, np.roll(logit, 1), lowest)
            after = np.where((at % 10 < 9) & (at < length - 1), np.roll(logit, -1), lowest)
            logit = (1.0 - smoothing) * logit + smoothing * (before + after) / 2.0
            odds = np.exp(match * logit)
            records.append(
                {
                    "question": "where is the parrot",
                    "conversation": f"talk {number}",
                    "now": NOW.isoformat(),
                    "gold": [f"m{chance.choice(length, p=odds / odds.sum())}"],
                    "candidates": [
                        {
                            "id": f"m{row}",
                            "text": f"message{number}x{row}" + " parrot" * int(has_word[row]),
                            "tokens": int(tokens[row]),
                            "relevance": float(relevance[row]),
                            "importance": float(weights[row]),
                            "timestamp": (NOW - timedelta(days=float(days[row]))).isoformat(),
                            "session": row // 10,
                        }
                        for row in range(length)
                    ],
                    "id": f"{number}/{asked}",
                }
            )
    return records
