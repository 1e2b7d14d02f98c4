"""In each language: generate the types of every schema, compile the programs that use them, and run these."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from schemas.export import EXPORTS, Export
from tests.generated_types.toolchain import HERE, NODE_MODULES, ROOT, fresh, npm_tool, python_tool
from tests.support.commands import CommandFailed, call

_PYDANTIC_THAT_MYPY_READS = (
    *("--output-model-type", "pydantic_v2.BaseModel", "--target-python-version", "3.11", "--formatters", "builtin"),
    *("--use-annotated", "--deserialize-default-values", "enum"),
)
_OFFLINE = {"GOPROXY": "off", "GOFLAGS": "-mod=mod", "GOCACHE": str(ROOT / "build" / "types" / "go-cache")}


@dataclass(frozen=True)
class Programs:
    """The two programs of a language, compiled: each takes its standard input and answers with what it prints."""

    producer: Callable[[str], str]
    subscriber: Callable[[str], str]


def typescript() -> Programs:
    """json-schema-to-typescript, and the compiler at its strictest."""
    folder = fresh("typescript", HERE / "typescript")
    shutil.copy(HERE / "tsconfig.json", folder)
    (folder / "package.json").write_text('{"type": "module"}\n')
    for item in EXPORTS:
        call(npm_tool("json2ts"), "-i", _file(item), "-o", folder / f"{_name(item)}.ts")
    call(npm_tool("tsc"), "--typeRoots", NODE_MODULES / "@types", within=folder)
    return Programs(*(_program("node", folder / "out" / f"{name}.js") for name in ("producer", "subscriber")))


def python() -> Programs:
    """datamodel-code-generator, and mypy at its strictest."""
    folder = fresh("python", HERE / "python")
    for item in EXPORTS:
        files = ("--input-file-type", "jsonschema", "--input", _file(item), "--output", folder / f"{_name(item)}.py")
        call(python_tool("datamodel-codegen"), *files, *_PYDANTIC_THAT_MYPY_READS)
    call(sys.executable, "-m", "mypy", "--strict", "--config-file", "", *folder.glob("*.py"), within=folder)
    return Programs(*(_program(sys.executable, folder / f"{name}.py") for name in ("producer", "subscriber")))


def go() -> Programs | None:
    """quicktype, and Go's own compiler where there is one; None where there is none.

    Raises:
        CommandFailed: a type has no fields, which no compiler minds.
    """
    folder = fresh("go", HERE / "go")
    for item in EXPORTS:
        _generate_go(item, folder / _name(item))
    if shutil.which("go") is None:
        return None
    call("go", "vet", "./...", within=folder, variables=_OFFLINE)
    for name in ("producer", "subscriber"):
        call("go", "build", "-o", f"{name}.run", f"./{name}", within=folder, variables=_OFFLINE)
    return Programs(*(_program(folder / f"{name}.run") for name in ("producer", "subscriber")))


def _generate_go(item: Export, package: Path) -> None:
    package.mkdir()
    file = package / "types.go"
    names = ("--package", package.name, "--top-level", item.model.__name__)
    call(npm_tool("quicktype"), "--src-lang", "schema", _file(item), "--lang", "go", *names, "--out", file)
    empty = re.findall(r"^type (\w+) struct \{\s*\}", file.read_text(), re.MULTILINE)
    if empty:
        raise CommandFailed(f"{item.file}: quicktype makes Go types without a field: {', '.join(empty)}")


def _program(*command: str | Path) -> Callable[[str], str]:
    return lambda text: call(*command, text=text)


def _file(item: Export) -> Path:
    return ROOT / "schemas" / item.file


def _name(item: Export) -> str:
    return item.file.removesuffix(".schema.json")
