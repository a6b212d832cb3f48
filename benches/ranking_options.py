"""What each part of a ranking gains and costs on real conversations: recall of the evidence in B tokens.

    python benches/ranking_options.py DATA [--half odd|even] [--only TEXT]

DATA is what `memory-budget evaluate` reads. Every candidate becomes a memory of one tier, with the given
cosine as relevance; the library allocates. `--half` takes every other conversation,
`--only` rankings by name.

Exit code: 0; 1 for data that cannot be used; 2 for bad usage.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from memory_budget_allocator import DataError, Ranking
from memory_budget_allocator.evaluation import load
from memory_budget_allocator.evaluation.library_policy import LibraryPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BUDGETS = (256, 512, 1024, 2048, 4096)


def rankings() -> Iterator[tuple[str, Ranking]]:
    def evidence(**parts: Any) -> Ranking:
        return Ranking(kind="evidence", **parts)

    yield "weighted", Ranking()
    yield "weighted, z", Ranking(normalisation="z")
    yield "weighted, min_max", Ranking(normalisation="min_max")
    yield "weighted, rank", Ranking(normalisation="rank")
    yield "weighted, z, lexical .5", Ranking(normalisation="z", lexical_weight=0.5)
    yield "weighted, smoothing .3", Ranking(smoothing=0.3)
    yield "weighted, cost exponent 1", Ranking(cost_exponent=1.0)
    yield "weighted, freshness power_law", Ranking(freshness="power_law")
    yield "weighted, freshness none", Ranking(freshness="none")
    yield "weighted, half-life 720 h", Ranking(freshness_half_life_hours=720.0)
    yield "weighted, freshness floor .5", Ranking(freshness_floor=0.5)
    yield "weighted, relevance gate .2", Ranking(relevance_gate=0.2)
    yield "weighted, z, minimum score 0.5", Ranking(normalisation="z", minimum_score=0.5)
    yield "evidence", evidence()
    yield "evidence, min_max", evidence(normalisation="min_max")
    yield "evidence, rank", evidence(normalisation="rank")
    yield "evidence, none", evidence(normalisation="none")
    yield "evidence, lexical 0", evidence(lexical_weight=0.0)
    yield "evidence, lexical 1", evidence(lexical_weight=1.0)
    yield "evidence, smoothing 0", evidence(smoothing=0.0)
    yield "evidence, smoothing .2", evidence(smoothing=0.2)
    yield "evidence, smoothing .4", evidence(smoothing=0.4)
    yield "evidence, cost exponent 0", evidence(cost_exponent=0.0)
    yield "evidence, cost exponent .5", evidence(cost_exponent=0.5)
    yield "evidence, cost exponent 1.4", evidence(cost_exponent=1.4)
    yield "evidence, cost floor 1", evidence(cost_floor=1)
    yield "evidence, cost floor 64", evidence(cost_floor=64)
    yield "evidence, freshness .5 at 720 h", evidence(freshness_weight=0.5)
    yield "evidence, freshness .5, power_law", evidence(freshness_weight=0.5, freshness="power_law")
    yield "evidence, minimum score 0", evidence(minimum_score=0.0)
    yield "evidence, duplicates kept", evidence(exact_duplicates=False)
    yield "evidence, near duplicates 3", evidence(near_duplicates=3)
    yield "evidence, near duplicates 8", evidence(near_duplicates=8)
    yield "evidence, diversity .7", evidence(diversity=0.7)
    yield "evidence, knapsack", evidence(packer="knapsack")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="What each part of a ranking gains and costs.")
    parser.add_argument("data", metavar="DATA", help="folder of conversations, or JSON lines file")
    parser.add_argument("--half", choices=("odd", "even"), help="every other conversation")
    parser.add_argument("--only", default="", metavar="TEXT", help="rankings whose name contains it")
    parsed = parser.parse_args(arguments)
    try:
        data = load(parsed.data, half=parsed.half)
    except DataError as error:
        print(error, file=sys.stderr)
        return 1
    questions = [question for each in data.conversations for question in each.questions if question.gold]
    print(f"recall in % of {len(questions)} questions".ljust(40), *(f"{budget:>6,}" for budget in BUDGETS))
    for name, ranking in rankings():
        if parsed.only not in name:
            continue
        policy = LibraryPolicy(ranking=ranking)
        sums = [0.0] * len(BUDGETS)
        for question in questions:
            for place, (selection,) in enumerate(policy.select(question, BUDGETS)):
                sums[place] += len(question.gold.intersection(selection)) / len(question.gold)
        figures = (f"{100 * figure / max(len(questions), 1):6.1f}" for figure in sums)
        print(name.ljust(40), *figures, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
