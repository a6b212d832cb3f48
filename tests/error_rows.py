"""What is refused: calls by entry point, as Python expressions over the names of `error_scene`."""

from __future__ import annotations

NAN = 'float("nan")'

MEMORY = [
    *(
        f"item({argument})"
        for argument in (
            "memory_id=None",
            "memory_id=5",
            'memory_id=b"m1"',
            "text=None",
            "text=5",
            "tier=None",
            "tier=0",
            'tier="attic"',
            'tier="WORKING"',
            'timestamp="yesterday"',
            "timestamp=0",
            "timestamp=date(2026, 1, 1)",
            "user_id=5",
            "metadata=None",
            "metadata=[]",
            "relevance_score=None",
            'relevance_score="high"',
            "relevance_score=True",
            "relevance_score=10**400",
            "relevance_score=1j",
            'importance_score="high"',
            "freshness_score=None",
            "combined_score=None",
            "promotion_score=[]",
            "token_count=-1",
            "token_count=2**53",
            "token_count=2.0",
            "token_count=True",
            'token_count="3"',
            "token_count=10**5000",
            "access_count=-1",
            'last_accessed="now"',
            'tier="x" * 10**6',
        )
    ),
    'setattr(memories[0], "tier", "attic")',
    'setattr(memories[0], "token_count", -1)',
    'setattr(memories[0], "text", None)',
    'setattr(memories[0], "relevance_score", "high")',
    'setattr(memories[0], "metadata", "{}")',
    "dataclasses.replace(memories[0], access_count=-1)",
]

ALLOCATOR = [
    "MemoryBudgetAllocator(5)",
    'MemoryBudgetAllocator(complexity="strict")',
    "MemoryBudgetAllocator(tier_order=5)",
    "MemoryBudgetAllocator(tier_order=[])",
    'MemoryBudgetAllocator(tier_order=["rag"])',
    'MemoryBudgetAllocator(tier_order=["rag", "rag"])',
    'MemoryBudgetAllocator(tier_order=["rag", "attic"])',
    'MemoryBudgetAllocator(tier_order="rag")',
    "MemoryBudgetAllocator(history_limit=-1)",
    "MemoryBudgetAllocator(history_limit=2**53)",
    'MemoryBudgetAllocator(history_limit="all")',
    "allocator.register_workspace(5)",
    "allocator.register_workspace(spoiled)",
    'allocator.register_project(5, "thesis", config)',
    'allocator.register_project("default", None, config)',
    'allocator.register_project("default", "thesis", {})',
    "allocator.resolve_config(None)",
    'allocator.resolve_config("default", 5)',
]

CONFIGURATION = [
    *(
        f"WorkspaceConfig({argument})"
        for argument in (
            "5",
            '"w", max_total_tokens=-1',
            '"w", max_total_tokens=1.5',
            '"w", max_total_tokens=True',
            '"w", max_total_tokens=2**53',
            '"w", rag_memory_pct=-0.1',
            f'"w", rag_memory_pct={NAN}',
            '"w", rag_memory_pct="half"',
            '"w", complexity_multipliers=5',
            '"w", complexity_multipliers={"easy": 1.0}',
            '"w", complexity_multipliers={"simple": -1.0}',
            '"w", complexity_multipliers={5: 1.0}',
            '"w", relevance_weight=-1.0',
            '"w", importance_weight=None',
            '"w", freshness_half_life_hours=0',
            f'"w", freshness_half_life_hours={NAN}',
            f'"w", promotion_threshold={NAN}',
            '"w", demotion_threshold=-0.5',
            '"w", demotion_threshold="low"',
            '"w", promotion_access_threshold=-1',
            '"w", tokens_per_char=-0.25',
            '"w", tokens_per_char=1e999',
            '"w", tokenizer="cl100k"',
            '"w", tokenizer=len',
            '"w", max_prompt_tokens=100, reserves={"completion": 101}',
            '"w", max_prompt_tokens=100, tier_floors={"rag": 60, "working": 41}',
            '"w", tier_floors={"rag": 60}, tier_caps={"rag": 59}',
        )
    ),
    "WorkspaceConfig.from_dict(5)",
    "WorkspaceConfig.from_dict({})",
    'WorkspaceConfig.from_dict({"workspace_id": "w", "max_tokens": 1})',
    'WorkspaceConfig.from_dict({"workspace_id": "w", "freshness": 5})',
    'WorkspaceConfig.from_dict({"workspace_id": "w", "freshness": {"half_life": 1}})',
    'WorkspaceConfig.from_dict({"workspace_id": "w", 5: 1})',
    'WorkspaceConfig.from_dict({"workspace_id": "w", "ranking": {"smooth": 0.5}})',
    'WorkspaceConfig.from_dict({"workspace_id": "w", "ranking": {"smoothing": 1.5}})',
    'WorkspaceConfig("w", template="{text}")',
    *(
        f'WorkspaceConfig.from_dict({{"workspace_id": "w", "template": {template}}})'
        for template in (
            '"{text}"',
            '{"itme": "- {text}"}',
            '{"item": "- "}',
            '{"item": "- {txt}"}',
            '{"item": 5}',
            '{"item": "[{text}]"}',
            '{"order": "newest"}',
            '{"headings": {"attic": "# Attic"}}',
            '{"headings": {"rag": 5}}',
        )
    ),
    "spoiled.to_dict()",
    'Ranking(kind="best")',
    f"Ranking(lexical_weight={NAN})",
    'Ranking.from_dict({"smooth": 0.5})',
    'Ranking.from_file("missing.json")',
    'Ranking.from_file(yaml("smoothing: much"))',
    'Ranking.from_file(yaml("[]"))',
    'config.get_tier_budget("attic", "simple")',
    'config.get_tier_budget(None, "simple")',
    'config.get_tier_budget("rag", "hard")',
    'spoiled.get_tier_budget("rag", "simple")',
    "ComplexityRules(expert_points=-1)",
    'ComplexityRules(expert_keywords="explain")',
    'ComplexityRules(expert_keywords=("",))',
    "ComplexityRules(domain_keywords=(5,))",
    "ComplexityRules(level_thresholds=(5, 2, 8))",
    "ComplexityRules(level_thresholds=(1, 2))",
    "ComplexityRules(length_steps=(5, 5))",
    f"ComplexityRules(turn_count_above={NAN})",
    'ComplexityRules.from_dict({"expert_keyword": []})',
    "ComplexityRules.from_dict([])",
]

QUERY = [
    *(
        f"allocator.{name}({argument})"
        for name, argument in (
            ("estimate_query_complexity", "None"),
            ("estimate_query_complexity", 'b"why"'),
            ("analyze_query_complexity", "5"),
            ("estimate_query_complexity", '"q", 5'),
            ("estimate_query_complexity", '"q", {"turns": -1}'),
            ("estimate_query_complexity", '"q", {"turn_count": "many"}'),
            ("estimate_query_complexity", '"q", {"history": "a text"}'),
            ("estimate_query_complexity", f'"q", {{"history_length": {NAN}}}'),
            ("calculate_memory_score", "5, config"),
            ("calculate_memory_score", "memories[0], None"),
            ("calculate_memory_score", "memories[0], spoiled"),
            ("calculate_memory_score", 'memories[0], config, "now"'),
            ("calculate_memory_score", 'foreign(relevance_score="high"), config'),
        )
    ),
]

ALLOCATION = [
    *(
        f"allocate({argument})"
        for argument in (
            "None, memories",
            '"q", None',
            '"q", 5',
            '"q", "a text"',
            '"q", memories + [5]',
            '"q", [None]',
            '"q", memories + [foreign(memory_id=5)]',
            '"q", memories + [foreign(text=None)]',
            '"q", memories + [foreign(tier="attic")]',
            '"q", memories + [foreign(timestamp="yesterday")]',
            '"q", memories + [foreign(relevance_score="high")]',
            '"q", memories + [foreign(token_count=-1)]',
            '"q", memories + [foreign(access_count=2**53)]',
            '"q", memories + [closed()]',
            '"q", memories, 5',
            '"q", memories, "spoiled"',
            '"q", memories, context=5',
            '"q", memories, context={"turns": -1}',
            '"q", memories, project_id=5',
            '"q", memories, current_time="now"',
            '"q", memories, current_time=5',
            '"q", memories, colour="red"',
            '"q", memories, tokenizer="gpt4o"',
            '"q", memories, tokenizer="claude-sonnet-4-5"',
            '"q", memories, tokenizer="missing.json"',
            '"q", memories, tokenizer=5',
            '"q", [item()], tokenizer=int',
            '"q", [item()], tokenizer=str',
            '"q", memories, max_prompt_tokens=50, tokenizer=str',
            '"q", memories, max_prompt_tokens=50, reserves={"query": "q"}, tokenizer=int',
            '"q", memories, relevance={"m1": 1.0}',
            '"q", memories, relevance_version=1',
            '"q", memories, user_id="ada"',
            '"q", memories, tiers=["rag"]',
            '"q", memories, receipts="yes"',
            '"q", memories, dry_run=1',
        )
    ),
    *(
        f"allocator.what_if({call}"
        for call in (
            '"q", memories, 5)',
            '"q", memories, max_total_tokens=-1)',
            '"q", memories).explain("m9")',
            '"q", memories).explain(5)',
            '"q", memories).diff(5)',
            '"q", pool).report()',
        )
    ),
]

COLUMNS = [
    *(
        f'allocate("q", {argument})'
        for argument in (
            "{}",
            '{"relevance_score": [0.5]}',
            '{"token_count": [5]}',
            '{"relevance_score": [0.5, 0.6], "token_count": [5]}',
            '{"relevance_score": [0.5], "token_count": [5], "colour": ["red"]}',
            '{"relevance_score": [0.5], "token_count": [-1]}',
            '{"relevance_score": [0.5], "token_count": [1.5]}',
            '{"relevance_score": ["high"], "token_count": [5]}',
            '{"relevance_score": [None], "token_count": [5]}',
            '{"relevance_score": 5, "token_count": [5]}',
            '{"relevance_score": [0.5], "text": [5]}',
            '{"relevance_score": [0.5], "token_count": [5], "tier": ["attic"]}',
            '{"relevance_score": [0.5], "token_count": [5], "tier": [4]}',
            '{"relevance_score": [0.5], "token_count": [5], "timestamp": ["yesterday"]}',
            '{"relevance_score": [0.5], "token_count": [5], "timestamp": [2**62]}',
            '{"relevance_score": [0.5], "token_count": [5], "memory_id": [5]}',
            '{"relevance_score": np.zeros((2, 2)), "token_count": [5]}',
            '{"relevance_score": np.array([True]), "token_count": [5]}',
            '{"relevance_score": [0.5], "token_count": np.array([0.5])}',
            "{5: [0.5]}",
            "table_of_nothing",
        )
    ),
]

POOL = [
    *(
        f"pool.{call}"
        for call in (
            "add(5)",
            "add(foreign(token_count=-1))",
            'add(foreign(tier="attic"))',
            "add_many(5)",
            "add_many(memories + [foreign(text=None)])",
            'update("nobody", text="x")',
            'update("m1", colour="red")',
            'update("m1", memory_id="m2")',
            'update("m1", combined_score=1.0)',
            'update("m1", tier="attic")',
            'update("m1", token_count=-1, text="new")',
            "update(5)",
            'remove("nobody")',
            "remove(5)",
            "get(5)",
        )
    ),
    'pool["nobody"]',
    "MemoryPool.from_items(5)",
    "MemoryPool.from_items(memories + [None])",
    "MemoryPool.from_columns(5)",
    "MemoryPool.from_columns({})",
    'MemoryPool.from_columns({"memory_id": ["a"]})',
    'MemoryPool.from_columns({"memory_id": ["a", "b"], "token_count": [1]})',
    'MemoryPool.from_columns({"memory_id": ["a"], "token_count": [-1]})',
    'MemoryPool.from_columns({"memory_id": ["a"], "token_count": [1], "tier": ["attic"]})',
    'MemoryPool.from_columns({"memory_id": ["a"], "token_count": [1], "colour": ["red"]})',
    *(
        f'allocate("q", pool, {argument})'
        for argument in (
            "relevance=5",
            "relevance=[0.5, 0.6]",
            "relevance=np.zeros(7)",
            "relevance=np.zeros(2, dtype=np.int64)",
            "relevance=np.zeros((2, 1))",
            'relevance={"nobody": 1.0}',
            'relevance={"m1": "high"}',
            "relevance={5: 1.0}",
            "relevance=np.zeros(2), relevance_version=99",
            "relevance_version=-1",
            'relevance={}, missing_relevance="ignore"',
            "user_id=5",
            'tiers=["attic"]',
            "tiers=5",
            'tiers="rag"',
        )
    ),
    'allocate("q", snapshot, relevance=np.zeros(7))',
]

SESSIONS = [
    *(
        f"allocator.session({argument})"
        for argument in ("fill=1.5", 'fill="half"', "rebuild_share=-0.1", 'rebuild_share=float("nan")')
    ),
    *(
        f'allocator.session({arguments}).allocate("q", {call})'
        for arguments, call in (
            ("", "memories"),
            ("max_prompt_tokens=-1", "memories"),
            ("max_prompt_tokens=90", "memories, max_prompt_tokens=50"),
            ("max_prompt_tokens=90", 'memories, template="{text}"'),
            ('max_prompt_tokens=90, colour="red"', "memories"),
            ("max_prompt_tokens=90", '{"relevance_score": [0.5], "token_count": [5]}'),
            ("max_prompt_tokens=90", "memories + [closed()]"),
        )
    ),
    'allocator.session(max_prompt_tokens=90).allocate("q", pool, dry_run=True).allocation.report()',
]

PROMOTION = [
    *(
        f"allocator.evaluate_promotion_demotion({argument})"
        for argument in (
            "5, config",
            "memories + [5], config",
            "memories, None",
            "memories, spoiled",
            'memories, config, "now"',
            'memories, config, relevance={"m1": 1.0}',
            "memories + [foreign(access_count=-1)], config",
            "pool, config, relevance=np.zeros(7)",
        )
    ),
    *(
        f"allocator.apply_tier_changes({argument})"
        for argument in (
            'None, {"promotions": [], "demotions": []}',
            "memories, 5",
            "memories, {}",
            'memories, {"promotions": [5], "demotions": []}',
            'memories, {"promotions": [{"memory_id": "m1"}], "demotions": []}',
            'memories, change("m1", "working", "attic")',
            'memories, change(5, "working", "rag")',
            'memories + [5], change("m1", "working", "rag")',
            'pool, change("m1", "working", None)',
            'memories + [closed()], change("m1", "working", "rag")',
        )
    ),
]

HISTORY = [
    "allocator.get_allocation_statistics(5)",
    'allocator.get_allocation_statistics(None, "a day")',
    "allocator.get_allocation_statistics(None, -1)",
    f"allocator.get_allocation_statistics(None, {NAN})",
    'allocator.get_allocation_statistics(current_time="now")',
    "allocator.export_allocation_log(None)",
    'allocator.export_allocation_log("a\\0b")',
    'allocator.export_allocation_log("")',
    'allocator.export_allocation_log(".")',
    'allocator.export_allocation_log("missing/log.json")',
]

LOADER = [
    *(
        f"MemoryBudgetConfigLoader.load_from_yaml({argument})"
        for argument in (
            "None",
            '"missing.yaml"',
            '""',
            'yaml("a: [")',
            'yaml("a: {}\\n---\\nb: {}")',
            'yaml("- a")',
            'yaml("a: 5")',
            'yaml("a:")',
            'yaml("a: {max_total_token: 5}")',
            'yaml("a: {max_total_tokens: 0}")',
            'yaml("a: {max_total_tokens: many}")',
            'yaml("a: {max_total_tokens: 012}")',
            'yaml("a: {tokens_per_char: no}")',
            'yaml("a: {tokens_per_char: .nan}")',
            'yaml("a: {tier_allocation: {rag_memory_pct: 0.9}}")',
            'yaml("a: {scoring_weights: {relevance: 0.9}}")',
            'yaml("a: {promotion: {threshold: 1.5}}")',
            'yaml("a: {freshness: {half_life_hours: 0}}")',
            'yaml("a: {workspace_id: b}")',
            'yaml("yes: {}")',
            'yaml("5: {}")',
            'yaml("a: &a {b: *a}")',
            'yaml("a: !!python/name:os.system {}")',
            'yaml("logging: {since: 2026-01-01}")',
            'yaml("project_overrides: {nobody: {}}")',
            'yaml("a: {tokenizer: cl100k}")',
            'yaml("a: {max_prompt_tokens: 100, reserves: {completion: 101}}")',
            'yaml("a: {max_prompt_tokens: 100, tier_floors: {rag: 60, working: 41}}")',
            'yaml("a: {tier_floors: {rag: 60}, tier_caps: {rag: 59}}")',
            'yaml("a: {ranking: best}")',
            'yaml("a: {ranking: {smooth: 0.5}}")',
            'yaml("a: {ranking: {smoothing: 1.5}}")',
            'yaml("a: {ranking: {freshness_half_life_hours: {attic: 24}}}")',
            'yaml("a: {ranking: missing.json}")',
            'yaml("a: {template: short}")',
            """yaml("a: {template: {itme: '- {text}'}}")""",
            """yaml("a: {template: {item: '- '}}")""",
            'yaml("a: {template: {item: 5}}")',
            'yaml("a: {template: {order: newest}}")',
            'yaml("a: {template: {headings: {attic: Old}}}")',
            'yaml("complexity: {expert_points: -1}")',
            'yaml("complexity: {expert_keyword: []}")',
            'yaml("a: {b: " * 60)',
            'yaml("#" * 2**21)',
            'yaml("a: \\x00")',
        )
    ),
    'MemoryBudgetConfigLoader.load_workspace_config(yaml("a: {}"), None)',
    'MemoryBudgetConfigLoader.load_project_overrides(yaml("project_overrides: 5"))',
    'MemoryBudgetConfigLoader.get_logging_config(yaml("logging: 5"))',
    'MemoryBudgetConfigLoader.get_performance_config(yaml("performance: [1]"))',
    'MemoryBudgetConfigLoader.load_complexity_rules(yaml("complexity: {level_thresholds: [3, 2, 1]}"))',
    'MemoryBudgetAllocator.from_yaml("missing.yaml")',
    'MemoryBudgetAllocator.from_yaml(yaml("a: {}"), history_limit=-1)',
]


def _memories(fields: str) -> str:
    return f"""memory-budget allocate memories.jsonl --query q   with {{{fields}}}"""


COMMAND_LINE = [
    "memory-budget allocate missing.jsonl --query q",
    "memory-budget allocate memories.jsonl",
    "memory-budget allocate . --query q",
    *(
        _memories(fields)
        for fields in (
            "",
            '"memory_id": "m"',
            '"memory_id": 5, "text": "t", "tier": "rag"',
            '"memory_id": "m", "text": "t", "tier": "attic"',
            '"memory_id": "m", "text": "t", "tier": "rag", "colour": "red"',
            '"memory_id": "m", "text": "t", "tier": "rag", "token_count": -1',
            '"memory_id": "m", "text": "t", "tier": "rag", "token_count": "3"',
            '"memory_id": "m", "text": "t", "tier": "rag", "relevance_score": NaN',
            '"memory_id": "m", "text": "t", "tier": "rag", "relevance_score": 1e999',
            '"memory_id": "m", "text": "t", "tier": "rag", "timestamp": "yesterday"',
            '"memory_id": "m", "text": "t", "tier": "rag", "text": "u"',
            '"memory_id": "m", "text": "t", "tier": "rag", "metadata": 5',
            '"memory_id": "m", "text": "t" "tier": "rag"',
        )
    ),
    "memory-budget allocate memories.jsonl --query q --now yesterday",
    "memory-budget allocate memories.jsonl --query q --context 5",
    "memory-budget allocate memories.jsonl --query q --context '{\"turns\": -1}'",
    "memory-budget allocate memories.jsonl --query q --config missing.yaml",
    "memory-budget complexity",
    "memory-budget complexity Why? --config missing.yaml",
    "memory-budget promote missing.jsonl",
    "memory-budget allocate memories.jsonl --query q --ranking missing.json",
    "memory-budget learn missing.jsonl",
    "memory-budget learn memories.jsonl --folds 1",
    "memory-budget learn memories.jsonl --output learned.yaml",
    "memory-budget config check missing.yaml",
    "memory-budget config show nobody",
]

SECTIONS = {
    "A memory: constructing and assigning": MEMORY,
    "The allocator: constructing and registering": ALLOCATOR,
    "Configurations and complexity rules": CONFIGURATION,
    "Queries and scores": QUERY,
    "Allocating over memories": ALLOCATION,
    "Allocating over columns": COLUMNS,
    "Pools": POOL,
    "Sessions": SESSIONS,
    "Promotion and demotion": PROMOTION,
    "Statistics and the log": HISTORY,
    "Configuration files": LOADER,
    "The command line": COMMAND_LINE,
}
