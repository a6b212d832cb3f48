"""A tour of the Memory Budget Allocator in seven parts.

    python examples/memory_budget_example.py

An assistant helps the team of a web shop. It has four kinds of memories: what is being said right now
(working), what the current project is about (project), what it learned over months (long-term) and what a
search in the documentation brought up (RAG). Not all of it fits into a prompt: the allocator decides what
does.

Every call gets the same `current_time`, so that each run prints the same. A program leaves it out.
"""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from memory_budget_allocator import (
    MemoryBudgetAllocator,
    MemoryItem,
    MemoryTier,
    WorkspaceConfig,
)

NOW = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)

TRACE_QUERY = "How do I read this trace?"
SHARDING_QUERY = "Compare sharding and replication for the orders database"


# Tier, id, age in hours, relevance, importance, tokens and text. Where the tokens are not known (0), the
# allocator estimates them from the text. (The texts of the long ones are cut short here.)
SHOP_MEMORIES = [
    ("working", "question", 0.1, 0.95, 0.9, 0, "Orders time out at checkout since the sale began."),
    ("working", "trace", 0.5, 0.85, 0.7, 900, "Slow query trace of the orders table, 40 statements"),
    ("working", "chat", 2, 0.60, 0.5, 650, "Discussion of the sale with the support team"),
    ("working", "diff", 5, 0.50, 0.6, 480, "Patch that moved the stock check into the order"),
    ("project", "schema", 30, 0.90, 0.9, 850, "Tables and indexes of the orders database"),
    ("project", "goals", 200, 0.55, 0.8, 0, "Goal for spring: 500 orders a minute, no lost order."),
    ("project", "incident", 90, 0.75, 0.7, 1100, "Report on the checkout outage of last week"),
    ("project", "style", 400, 0.15, 0.4, 260, "How the team words commit messages"),
    ("long_term", "preference", 2000, 0.40, 0.9, 0, "Maria wants the reason before the remedy."),
    ("long_term", "old-incident", 5000, 0.70, 0.6, 700, "The outage of two years ago and its cause"),
    ("long_term", "glossary", 8000, 0.35, 0.5, 320, "What the shop calls its parts"),
    ("rag", "sharding", 1, 0.92, 0.6, 980, "Database manual: sharding by key"),
    ("rag", "replicas", 1, 0.88, 0.6, 1200, "Database manual: read replicas and their lag"),
    ("rag", "pooling", 1, 0.65, 0.5, 540, "Database manual: connection pools"),
    ("rag", "backups", 1, 0.20, 0.5, 760, "Database manual: backups"),
]


def shop_memories() -> list[MemoryItem]:
    """What the assistant knows; new objects each time, because an allocation writes to what it selects."""
    return [
        MemoryItem(
            memory_id=memory_id,
            text=text,
            tier=MemoryTier(tier),
            timestamp=NOW - timedelta(hours=hours_old),
            relevance_score=relevance,
            importance_score=importance,
            token_count=tokens,
        )
        for tier, memory_id, hours_old, relevance, importance, tokens, text in SHOP_MEMORIES
    ]


def fact(hours_old: float) -> MemoryItem:
    """A memory of relevance 0.9 and importance 0.8."""
    return MemoryItem(
        memory_id="fact",
        text="The orders table has 80 million rows.",
        tier=MemoryTier.WORKING,
        timestamp=NOW - timedelta(hours=hours_old),
        relevance_score=0.9,
        importance_score=0.8,
    )


# 1. Basic allocation with different complexities


def basic_allocation() -> None:
    """The harder the query, the more tokens each tier may spend."""
    heading("1. Basic allocation: the harder the query, the larger the budgets")
    allocator = MemoryBudgetAllocator()
    queries = [
        "Hello",
        TRACE_QUERY,
        SHARDING_QUERY,
        "Design a scalable microservices architecture with event-driven communication",
    ]
    rows: list[list[str]] = []
    for query in queries:
        result = allocator.allocate_memory_budget(query, shop_memories(), current_time=NOW)
        spent = [f"{tier['tokens_used']}/{tier['budget_tokens']}" for tier in result["tiers"].values()]
        count = str(result["total_memories_selected"])
        rows.append([shorten(query, 30), result["complexity"], *spent, count])
    print("Tokens used / budget in each tier, and how many of the 15 memories were selected:\n")
    table(["query", ">complexity", ">working", ">project", ">long_term", ">rag", ">memories"], rows)

    memories = shop_memories()
    result = allocator.allocate_memory_budget(TRACE_QUERY, memories, current_time=NOW)
    selected = [entry for tier in result["tiers"].values() for entry in tier["selected_memories"]]
    print(f"\nWhat the {result['complexity']} query gets, best first within each tier:\n")
    table(
        ["tier", "memory", ">score", ">tokens", "text"],
        [
            [
                entry["tier"],
                entry["memory_id"],
                f"{entry['combined_score']:.4f}",
                str(entry["token_count"]),
                entry["text_preview"],
            ]
            for entry in selected
        ],
    )
    taken = {entry["memory_id"] for entry in selected}
    print("\nLeft out, because what the better ones left of the tier's budget was too small for them:\n")
    table(
        ["tier", "memory", ">score", ">tokens"],
        [
            [item.tier.value, item.memory_id, f"{item.combined_score:.4f}", str(item.token_count)]
            for item in memories
            if item.memory_id not in taken
        ],
    )
    print("\n'replicas' was skipped and the smaller 'pooling' taken: what is too large blocks nothing else.")


# 2. Workspace-specific configurations


def workspaces() -> None:
    """The same query and memories, shared out as each workspace wants it."""
    heading("2. Workspaces: the same question, other priorities")
    allocator = MemoryBudgetAllocator()  # knows the six packaged workspaces
    allocator.register_workspace(
        WorkspaceConfig(
            workspace_id="support_desk",
            max_total_tokens=3000,
            working_memory_pct=0.50,  # what the customer just said comes first
            project_memory_pct=0.10,
            long_term_memory_pct=0.30,
            rag_memory_pct=0.10,
            freshness_weight=0.3,
            relevance_weight=0.4,
            freshness_half_life_hours=12,
        )
    )
    rows: list[list[str]] = []
    for workspace_id in allocator.workspace_configs:
        result = allocator.allocate_memory_budget(
            SHARDING_QUERY, shop_memories(), workspace_id=workspace_id, current_time=NOW
        )
        budgets = [str(tier["budget_tokens"]) for tier in result["tiers"].values()]
        total = str(result["total_tokens_allocated"])
        rows.append([workspace_id, *budgets, total, str(result["total_memories_selected"])])
    print("Budgets of the four tiers for one complex query, and what was used of them:\n")
    table(["workspace", ">working", ">project", ">long_term", ">rag", ">tokens used", ">memories"], rows)


# 3. Promotion and demotion


def promotion_and_demotion() -> None:
    """Memories that prove themselves rise by one tier, those nobody needs sink by one."""
    heading("3. Promotion and demotion: memories earn their place")
    allocator = MemoryBudgetAllocator()
    config = allocator.workspace_configs["default"]
    memories = shop_memories()

    # A morning's work. Each allocation counts one access of every memory it selects.
    for hours_ago, query in ((3, "Any news?"), (2, "Which index is used?"), (1, "And now?")):
        allocator.allocate_memory_budget(query, memories, current_time=NOW - timedelta(hours=hours_ago))

    for item in memories:
        allocator.calculate_memory_score(item, config, NOW)
    plan = allocator.evaluate_promotion_demotion(memories, config, NOW)
    steps = [("up", change) for change in plan["promotions"]] + [
        ("down", change) for change in plan["demotions"]
    ]
    print(f"{plan['total_evaluated']} memories evaluated; these should move:\n")
    table(
        ["step", "memory", "from", "to", ">promotion score", ">combined", ">accesses"],
        [
            [
                step,
                change["memory_id"],
                change["current_tier"],
                change["target_tier"],
                f"{change['promotion_score']:.4f}",
                f"{change['combined_score']:.4f}",
                str(change["access_count"]),
            ]
            for step, change in steps
        ],
    )

    outcome = allocator.apply_tier_changes(memories, plan)
    again = allocator.apply_tier_changes(memories, plan)
    print(f"\nApplied: {len(outcome['moved'])} memories moved.")
    print(
        f"Applied again: {len(again['moved'])} moved, {len(again['stale'])} recommendations are stale by now."
    )


# 4. Query complexity estimation


def complexity_estimation() -> None:
    """A query earns points by its length, its words and its context."""
    heading("4. Query complexity: where the points come from")
    allocator = MemoryBudgetAllocator()
    questions: list[tuple[str, dict[str, object]]] = [
        ("What time is it?", {}),
        ("How should I optimize the database queries?", {}),
        ("Explain async vs sync programming and analyze performance impact", {}),
        ("Design a scalable microservices architecture with event-driven communication", {}),
        ("Is that so?", {"history_length": 8, "turn_count": 4, "requires_retrieval": True}),
    ]
    rows: list[list[str]] = []
    for query, context in questions:
        analysis = allocator.analyze_query_complexity(query, context)
        rows.append([analysis["complexity"], str(analysis["points"]), f'"{query}"'])
        rows += [["", f"+{why['points']}", why["detail"]] for why in analysis["contributions"]]
    table(["level", ">points", "query, and what its points are for"], rows)
    print("\nSimple is anything below 2 points; medium begins at 2, complex at 5, expert at 8.")


# 5. The scoring formula


def scoring_formula() -> None:
    """Relevance, importance and freshness, weighted and summed."""
    heading("5. Scores: relevance x 0.5 + importance x 0.3 + freshness x 0.2")
    allocator = MemoryBudgetAllocator()
    configs = [allocator.workspace_configs[name] for name in ("conversation", "default", "code_analysis")]
    rows: list[list[str]] = []
    for age, hours in (("now", 0), ("1 hour", 1), ("1 day", 24), ("1 week", 168), ("30 days", 720)):
        item = fact(hours)
        row = [age]
        for config in configs:
            score = allocator.calculate_memory_score(item, config, NOW)
            row += [f"{item.freshness_score:.4f}", f"{score:.4f}"]
        rows.append(row)
    print("A memory of relevance 0.9 and importance 0.8 as it ages, in three workspaces:\n")
    columns = [
        title
        for config in configs
        for title in (f">{config.workspace_id} {config.freshness_half_life_hours:.0f} h", ">score")
    ]
    table(["age", *columns], rows)
    print("\nLeft of each score the freshness, which halves every 24, 168 or 720 hours.")

    default = allocator.workspace_configs["default"]
    item = fact(hours_old=1)
    score = allocator.calculate_memory_score(item, default, NOW)
    print(f"One hour old, default: 0.9 x 0.5 + 0.8 x 0.3 + {item.freshness_score:.6f} x 0.2 = {score:.6f}")


# 6. Statistics


def statistics() -> None:
    """What the allocator did so far: averages, and a log to export."""
    heading("6. Statistics: what happened so far")
    allocator = MemoryBudgetAllocator()
    calls = [
        ("Hello", "conversation", 30),
        (TRACE_QUERY, "development", 20),
        ("Explain the architecture", "research", 4),
        (SHARDING_QUERY, "research", 2),
        (SHARDING_QUERY, "development", 1),
    ]
    for query, workspace_id, hours_ago in calls:
        allocator.allocate_memory_budget(
            query, shop_memories(), workspace_id=workspace_id, current_time=NOW - timedelta(hours=hours_ago)
        )

    rows: list[list[str]] = []
    views: list[tuple[str | None, int | None]] = [
        (None, None),
        ("development", None),
        ("research", None),
        (None, 24),
    ]
    for workspace, hours in views:
        report = allocator.get_allocation_statistics(workspace, hours, current_time=NOW)
        averages = report["averages"]
        rows.append(
            [
                report["workspace_id"],
                "all" if hours is None else f"{hours} h",
                str(report["total_allocations"]),
                f"{averages['tokens_allocated']:.1f}",
                f"{averages['memories_selected']:.1f}",
                *(f"{tier['avg_utilization_pct']:.1f} %" for tier in report["tier_statistics"].values()),
            ]
        )
    print("Averages per allocation, and how much of each tier's budget was used:\n")
    headings = ["workspace", ">window", ">calls", ">tokens", ">memories"]
    table([*headings, ">working", ">project", ">long_term", ">rag"], rows)

    levels = allocator.get_allocation_statistics(current_time=NOW)["complexity_distribution"]
    print("\nQueries by complexity: " + ", ".join(f"{count} {level}" for level, count in levels.items()))
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "allocation_log.json"
        allocator.export_allocation_log(log)
        entries = json.loads(log.read_text(encoding="utf-8"))
    print(f"Exported log: {len(entries)} entries, the last one for workspace {entries[-1]['workspace_id']}.")


# 7. A ceiling over the whole prompt


def ceiling() -> None:
    """What the whole prompt may take, what tiers leave to each other, and what has to be in it."""
    heading("7. A ceiling: what the whole prompt may take")
    memories = shop_memories()
    memories.append(
        MemoryItem(
            "rule", "Never change the stock by hand.", MemoryTier.WORKING, NOW, token_count=12, pinned=True
        )
    )
    rows: list[list[str]] = []
    for workspace_id, spill_over in (("strict", False), ("sharing", True)):
        allocator = MemoryBudgetAllocator()
        allocator.register_workspace(WorkspaceConfig(workspace_id, spill_over=spill_over))
        allocation = allocator.allocate(
            SHARDING_QUERY,
            memories,
            workspace_id,
            current_time=NOW,
            max_prompt_tokens=5000,
            reserves={"system": 600, "completion": 1000},
        )
        spent = [f"{tier.used}/{tier.budget}" for tier in allocation.tiers.values()]
        total = f"{allocation.total_tokens}/{allocation.available_tokens}"
        rows.append([workspace_id, *spent, total, str(len(allocation))])
    print("Of 5000 tokens 1600 are reserved. Tokens used / budget:\n")
    table(["workspace", ">working", ">project", ">long_term", ">rag", ">all", ">memories"], rows)
    print(
        "\n'rule' is pinned: it is there whatever it scores. With spill-over, tiers that have no use for the"
    )
    print("rest of their budget leave it to memories of others.")


# Printing


def heading(title: str) -> None:
    """A title with a line below it."""
    print(f"\n{title}\n{'=' * len(title)}")


def shorten(text: str, length: int) -> str:
    """The text, cut to a length."""
    return text if len(text) <= length else text[: length - 3] + "..."


def table(headings: list[str], rows: list[list[str]]) -> None:
    """Print rows in aligned columns; a heading that begins with ``>`` aligns its column to the right."""
    titles = [title.lstrip(">") for title in headings]
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in [titles, ["-" * width for width in widths], *rows]:
        cells = [
            cell.rjust(width) if title.startswith(">") else cell.ljust(width)
            for title, cell, width in zip(headings, row, widths, strict=True)
        ]
        print("  ".join(cells).rstrip())


def main() -> None:
    """Run all seven parts."""
    basic_allocation()
    workspaces()
    promotion_and_demotion()
    complexity_estimation()
    scoring_formula()
    statistics()
    ceiling()


if __name__ == "__main__":
    main()
