"""What ``--help`` says of each command below its options: files, examples, exit codes."""

from __future__ import annotations

from memory_budget_allocator.command_line.streams import PROGRAM

__all__ = [
    "ALLOCATE",
    "CHECK",
    "COMPLEXITY",
    "CONFIG",
    "EVALUATE",
    "LEARN",
    "PROMOTE",
    "SHOW",
    "TOP",
]

EXIT_CODES = """\
exit codes: 0 done, 1 unusable data (one line says what and where),
            2 wrong usage, 130 Ctrl-C"""

TOP = f"""\
examples:
  {PROGRAM} allocate memories.jsonl --query "How do I deploy this?"
  {PROGRAM} complexity "Compare these two architectures"
  {PROGRAM} promote memories.jsonl --workspace development
  {PROGRAM} evaluate questions.jsonl
  {PROGRAM} learn questions.jsonl --output learned.json
  {PROGRAM} config check memory-budget.yaml
  {PROGRAM} config show research

Each command explains itself: {PROGRAM} COMMAND --help

{EXIT_CODES}
"""

MEMORIES = """\
MEMORIES is a JSON array of objects or a JSON lines file (one object on each
line); which of the two, the program finds out.
  required  memory_id, text, tier (working, project, long_term or rag)
  optional  timestamp, last_accessed (ISO 8601; without an offset in UTC),
            relevance_score, importance_score, token_count, access_count,
            user_id, metadata, pinned, evergreen and the other fields of
            MemoryItem
"""

ALLOCATE = f"""\
{MEMORIES}
The result shows each tier's budget and use, what was taken with the parts of
its score, and what was left out and why. Nothing is written to the file.
--render and --messages print the prompt instead. A template has the keys
prologue, headings, item, between, epilogue and order.

examples:
  {PROGRAM} allocate memories.jsonl --query "How do I deploy this?"
  {PROGRAM} allocate all.json --query "Why?" --workspace research --json
  {PROGRAM} allocate all.json --query "Why?" --max-prompt-tokens 4000 \\
      --reserve system=500 --reserve completion=1000 --spill-over
  {PROGRAM} allocate all.json --query "Why?" --max-prompt-tokens 4000 \\
      --reserve system=@system.txt --template list.yaml --render > prompt.txt
  {PROGRAM} allocate all.json --query "Why?" --explain m7 --explain m9
  {PROGRAM} allocate - --query "Why?" --context '{{"turns": 5}}' < all.jsonl

{EXIT_CODES}
"""

COMPLEXITY = f"""\
examples:
  {PROGRAM} complexity "What time is it?"
  {PROGRAM} complexity "Compare both" --context '{{"history_length": 12}}'
  {PROGRAM} complexity -- "--verbose does what?"

{EXIT_CODES}
"""

PROMOTE = f"""\
{MEMORIES}
A combined_score in the file counts as it stands; a memory without one is
scored first, as allocate would. Moves are only recommended, nothing is moved.

examples:
  {PROGRAM} promote memories.jsonl
  {PROGRAM} promote memories.jsonl --now 2026-03-14T15:00:00Z --json

{EXIT_CODES}
"""

EVALUATE = f"""\
DATA is a folder of conversations or a JSON lines file of questions, each with
candidates, their relevance and the ids of those that hold the answer
(docs/evaluation.md describes both). Needs NumPy: the extra "evaluate".
  policies  formula, evidence, cosine, cosine-cut, recent, bm25, random, oracle,
            and functions of your own, which get a question, its candidates and a
            budget and return ids in the order in which they are to be taken

examples:
  {PROGRAM} evaluate questions.jsonl
  {PROGRAM} evaluate folder --budgets 512,2048 --policies formula,cosine
  {PROGRAM} evaluate folder --policy my_module:my_policy --split odd
  {PROGRAM} evaluate folder --json figures.json --plot recall.png

{EXIT_CODES}
"""

LEARN = f"""\
DATA is what evaluate reads: questions with candidates and the ids of those that
hold the answer, of two conversations or more. Needs NumPy: the extra "evaluate".
The result is a ranking that a workspace or a call can name. It is judged beside
evidence on conversations that it has not seen, and written only if it kept at
least as much at every budget.

examples:
  {PROGRAM} learn questions.jsonl
  {PROGRAM} learn folder --split odd --output learned.json
  {PROGRAM} evaluate folder --split even --ranking learned.json
  {PROGRAM} allocate memories.jsonl --query "Why?" --ranking learned.json

{EXIT_CODES}
"""

CONFIG = f"""\
examples:
  {PROGRAM} config check memory-budget.yaml
  {PROGRAM} config show development --config memory-budget.yaml

{EXIT_CODES}
"""

CHECK = f"""\
Problems appear one a line, the first of every workspace and section; the exit
code is then 1. Warnings (a key that stands twice, ...) leave it at 0.

example:
  {PROGRAM} config check memory-budget.yaml
"""

SHOW = f"""\
examples:
  {PROGRAM} config show default
  {PROGRAM} config show chat --config memory-budget.yaml --json
"""
