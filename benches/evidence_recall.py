"""How much of what a question needs gets into a context of B tokens, on real conversations.

    python benches/evidence_recall.py DATA [--budgets 256,512,1024,2048,4096] [--seed N] [--json FILE]

DATA is a folder of conversations (format: benches/README.md). Every message becomes a memory: its relevance
is the given cosine with the question, its importance .5, its tokens as counted, its timestamp its own, and
the time is that of the conversation. The library selects by the documented formula with its default weights;
other orders, filled in the same way, stand beside it. No language model takes part, and none judges.

Exit code: 0; 1 for data that cannot be used; 2 for bad usage; 130 on Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent))

from evidence.policies import CosineOrder, Formula
from evidence.progress import with_progress
from memory_budget_allocator import __version__
from memory_budget_allocator.durable_write import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evidence.recall import ConversationRecall, Estimate

DEFAULT_BUDGETS = (256, 512, 1024, 2048, 4096)
MAX_BUDGET = 2**53 - 1
DIFFERENCE = f"{Formula.name} less {CosineOrder.name}"


def budget_list(text: str) -> tuple[int, ...]:
    """Token budgets separated by commas; the order stays, repetitions go."""
    budgets: list[int] = []
    for part in text.split(","):
        try:
            budget = int(part)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{part!r} is no whole number") from None
        if not 1 <= budget <= MAX_BUDGET:
            raise argparse.ArgumentTypeError(f"{budget} is no budget (1 to {MAX_BUDGET})")
        budgets.append(budget)
    return tuple(dict.fromkeys(budgets))


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Recall of evidence within a token budget.")
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of NAME.json.gz with NAME.npz")
    parser.add_argument(
        "--budgets",
        type=budget_list,
        default=DEFAULT_BUDGETS,
        metavar="N,N,...",
        help="token budgets (default: 256,512,1024,2048,4096)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the random order and the intervals (default: 0)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    parsed = parser.parse_args(arguments)
    if parsed.seed < 0:
        parser.error(f"--seed must not be negative, got {parsed.seed}")
    return parsed


def summarise(measured: Sequence[ConversationRecall], seed: int) -> dict[str, list[Estimate]]:
    """For each policy, and for the formula less its baseline, one estimate a budget."""
    from evidence.recall import estimate

    rows = {
        name: estimate([conversation.recalls[name] for conversation in measured], seed)
        for name in measured[0].recalls
    }
    differences = [
        conversation.recalls[Formula.name] - conversation.recalls[CosineOrder.name]
        for conversation in measured
    ]
    rows[DIFFERENCE] = estimate(differences, seed)
    return rows


def table(rows: dict[str, list[Estimate]], budgets: Sequence[int]) -> str:
    """Aligned text: a line of averages for each row, a line of intervals below it."""
    cells = [[f"{budget:,}" for budget in budgets]]
    labels = ["recall in %, tokens:"]
    for name, estimates in rows.items():
        sign = "+" if name == DIFFERENCE else ""
        labels += [name, ""]
        cells.append([f"{figure.mean:{sign}.1f}" for figure in estimates])
        cells.append(
            [
                "" if figure.low is None else f"{figure.low:{sign}.1f}..{figure.high:{sign}.1f}"
                for figure in estimates
            ]
        )
    label_width = max(map(len, labels))
    width = max(len(cell) for line in cells for cell in line) + 2
    lines = [
        (label.ljust(label_width) + "".join(cell.rjust(width) for cell in line)).rstrip()
        for label, line in zip(labels, cells, strict=True)
    ]
    lines.insert(1, "-" * (label_width + width * len(budgets)))
    return "\n".join(lines)


def as_json(
    rows: dict[str, list[Estimate]], budgets: Sequence[int], counts: dict[str, int], data: Path, seed: int
) -> str:
    figures = {
        name: {str(budget): asdict(figure) for budget, figure in zip(budgets, estimates, strict=True)}
        for name, estimates in rows.items()
    }
    about = {"version": __version__, "data": data.resolve().name, "seed": seed, **counts}
    return json.dumps({**about, "recall_percent": figures}, indent=2) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = parse_arguments(arguments)
    try:
        from evidence.conversations import DataError, conversation_files, read_conversation
        from evidence.recall import measure
    except ImportError as error:
        if error.name != "numpy":
            raise
        return failure("needs NumPy: pip install numpy")

    measured: list[ConversationRecall] = []
    counts = {"conversations": 0, "messages": 0, "questions": 0, "questions_without_evidence": 0}
    try:
        for texts, arrays in with_progress(conversation_files(parsed.data), "conversations"):
            conversation = read_conversation(texts, arrays)
            asked = sum(bool(question.evidence) for question in conversation.questions)
            counts["conversations"] += 1
            counts["messages"] += len(conversation.messages)
            counts["questions"] += asked
            counts["questions_without_evidence"] += len(conversation.questions) - asked
            if asked:
                measured.append(measure(conversation, parsed.budgets, parsed.seed))
    except DataError as error:
        return failure(str(error))
    if not measured:
        return failure(f"{parsed.data}: no question has evidence")

    rows = summarise(measured, parsed.seed)
    print(
        f"{counts['questions']:,} questions with evidence "
        f"({counts['questions_without_evidence']:,} without are left out), "
        f"{counts['messages']:,} messages, {counts['conversations']:,} conversations\n"
    )
    print(table(rows, parsed.budgets))
    if rows[Formula.name][0].low is None:
        print("\nNo intervals: they take at least two conversations with questions.")
    else:
        print("\nBelow each average its 95 % interval: bootstrap over conversations.")
    if parsed.json is not None:
        try:
            write_text(parsed.json, [as_json(rows, parsed.budgets, counts, parsed.data, parsed.seed)])
        except OSError as error:
            return failure(f"cannot write {parsed.json}: {error.strerror}")
    return 0


def failure(message: str) -> int:
    print(f"evidence_recall: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
