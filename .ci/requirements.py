"""Prints what the development environment needs, as pip requirements, from pyproject.toml alone.

With names of dependency groups as arguments: what those need, and nothing else.
"""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
groups = project["dependency-groups"]
if len(sys.argv) > 1:
    for name in sys.argv[1:]:
        print(*groups[name], sep="\n")
else:
    print(*project["project"]["dependencies"], *groups["test"], *groups["check"], sep="\n")
