"""Which of our own files a program needs: those that it imports, and those that these import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from schemas.errors import JobferryError

_OURS = frozenset({"deploy", "schemas", "service", "workers"})
# Statements, and the parts of `try` and `match` that stand between one statement and another.
_HOLD_IMPORTS = (ast.stmt, ast.excepthandler, ast.match_case)


class RelativeImportError(JobferryError):
    """A program imports by a path that is relative to itself."""


def imported_files(root: Path, program: Path) -> tuple[Path, ...]:
    """The files below `root` that a program of it runs, in order, with itself and the packages that hold them.

    They are read and not run, so that nothing is done by asking. What is imported for type checking alone is left out.
    """
    found: set[Path] = set()
    waiting = [program]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting.extend(_imports_of(root, file))
    return tuple(sorted(found))


def _imports_of(root: Path, file: Path) -> Iterator[Path]:
    yield from _packages_of(root, file)
    for name in _names_in(file.read_text(encoding="utf-8")):
        if name.partition(".")[0] not in _OURS:
            continue  # An installed wheel has its dependencies beside it, and Lambda's are locked elsewhere.
        path = root.joinpath(*name.split("."))
        yield from (found for found in (path.with_suffix(".py"), path / "__init__.py") if found.is_file())


def _packages_of(root: Path, file: Path) -> Iterator[Path]:
    """The packages that are imported on the way to a module."""
    for folder in file.relative_to(root).parents:
        if (package := root / folder / "__init__.py").is_file():
            yield package


@cache
def _names_in(program: str) -> tuple[str, ...]:
    """Kept for the next stack: most files of two functions are the same, and few change between two deployments."""
    return tuple(_names(ast.parse(program)))


def _names(node: ast.AST) -> Iterator[str]:
    """What may be a module, in the imports of a syntax tree: after `from a import b` both `a` and `a.b`.

    Raises RelativeImportError for a relative import: the house has none.
    """
    for child in _statements_of(node):
        match child:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield from (name for other in child.orelse for name in _names(ast.Module([other], [])))
            case ast.Import(names=names):
                yield from (item.name for item in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield module
                yield from (f"{module}.{item.name}" for item in names)
            case ast.ImportFrom():
                raise RelativeImportError(f"line {child.lineno}: a relative import: name the module from its root")
            case _:
                yield from _names(child)


def _statements_of(node: ast.AST) -> Iterator[ast.AST]:
    """What may hold an import, of the parts of a node. No expression does, and most of a program is expressions."""
    return (child for child in ast.iter_child_nodes(node) if isinstance(child, _HOLD_IMPORTS))
