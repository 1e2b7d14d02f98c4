"""How far a test is from a module: the steps from one import to the next."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path


class Imports:
    """Who imports whom, of the Python files under a root."""

    def __init__(self, root: Path, paths: list[str]) -> None:
        self._path_of = {_module(path): path for path in paths}
        self._of = {path: set(self._imported(root, path)) for path in paths}

    def distances(self, path: str) -> dict[str, int]:
        """The files that import a file, and over how many steps."""
        found = {path: 0}
        nearest = [path]
        while nearest:
            nearest = [other for other in self._of if other not in found and self._of[other] & set(nearest)]
            found |= dict.fromkeys(nearest, max(found.values()) + 1)
        return found

    def reached(self, path: str) -> set[str]:
        """The files that a file imports, over however many steps."""
        found = {path}
        nearest = {path}
        while nearest:
            nearest = set().union(*(self._of[file] for file in nearest)) - found
            found |= nearest
        return found

    def _imported(self, root: Path, path: str) -> Iterator[str]:
        for node in ast.walk(ast.parse((root / path).read_bytes())):
            for name in _names(node, _module(path), is_package=path.endswith("__init__.py")):
                if name in self._path_of:
                    yield self._path_of[name]


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _names(node: ast.AST, module: str, *, is_package: bool) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (item.name for item in node.names)
    if isinstance(node, ast.ImportFrom):
        above = module.split(".")[: -node.level or None] if not is_package else module.split(".")
        base = ".".join([*(above if node.level else ()), *([node.module] if node.module else ())])
        yield base
        yield from (f"{base}.{item.name}" for item in node.names)
