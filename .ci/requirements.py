"""Prints what the development environment needs, as pip requirements, from pyproject.toml alone."""

import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
groups = project["dependency-groups"]
print(*project["project"]["dependencies"], *groups["test"], *groups["check"], sep="\n")
