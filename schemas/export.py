"""The contracts as JSON Schema, for other languages: `python -m schemas.export` writes the files beside this one.

With `--check` nothing is written; the exit status is 1 when a file is not what the models say.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from schemas.bulk import BulkMessage, BulkStop
from schemas.catalog import Catalog
from schemas.control import ControlMessage
from schemas.dialect import PlainJsonSchema
from schemas.job import JobRequest
from schemas.notification import JobNotification
from schemas.plan import ExecutionInput
from schemas.progress import JobProgress

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Export:
    """One contract as it is published. `mode` says whose side the schema takes: who sends, or who reads."""

    file: str
    id: str
    model: type[BaseModel]
    mode: Literal["validation", "serialization"] = "validation"
    open: bool = False

    def schema(self) -> dict[str, Any]:
        """The contract as a JSON Schema."""
        described = self.model.model_json_schema(mode=self.mode, schema_generator=PlainJsonSchema)
        return {"$schema": DIALECT, "$id": self.id, **(opened(described) if self.open else described)}

    def text(self) -> str:
        """The content of the file."""
        return json.dumps(self.schema(), indent=2) + "\n"


EXPORTS = (
    Export("job.schema.json", "urn:jobferry:job-request:v1", JobRequest),
    Export("notification.schema.json", "urn:jobferry:job-notification:v1", JobNotification, "serialization", open=True),
    Export("progress.schema.json", "urn:jobferry:job-progress:v1", JobProgress, "serialization", open=True),
    Export("control.schema.json", "urn:jobferry:control-message:v1", ControlMessage),
    Export("bulk.schema.json", "urn:jobferry:bulk-message:v1", BulkMessage),
    Export("bulk_stop.schema.json", "urn:jobferry:bulk-stop:v1", BulkStop),
    Export("catalog.schema.json", "urn:jobferry:catalog:v1", Catalog),
    Export("execution_input.schema.json", "urn:jobferry:execution-input:v1", ExecutionInput),
)


def opened(schema: Any) -> Any:
    """The schema for a reader who must bear fields that a later release adds within the same version."""
    if isinstance(schema, dict):
        closed = schema.get("additionalProperties") is False
        return {key: opened(item) for key, item in schema.items() if not (closed and key == "additionalProperties")}
    return [opened(item) for item in schema] if isinstance(schema, list) else schema


def outdated(folder: Path = _HERE) -> list[str]:
    """The files that are missing or are not what the models say."""
    return [item.file for item in EXPORTS if _read(folder / item.file) != item.text()]


def write(folder: Path = _HERE) -> None:
    """Write every schema."""
    for item in EXPORTS:
        (folder / item.file).write_text(item.text(), encoding="utf-8")


def _read(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.exists() else None


def main(arguments: Sequence[str], say: Callable[[str], object] = sys.stderr.write) -> int:
    """Write or check, and answer with the exit status."""
    if "--check" not in arguments:
        write()
        return 0
    files = outdated()
    if files:
        say(f"Not current: {', '.join(files)}. Run python -m schemas.export.\n")
    return 1 if files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
