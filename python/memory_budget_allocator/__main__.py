"""``python -m memory_budget_allocator``: the command line."""

import sys

from memory_budget_allocator.command_line import main

if __name__ == "__main__":
    sys.exit(main())
