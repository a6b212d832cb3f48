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
