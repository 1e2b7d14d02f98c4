"""Mutations that change nothing that anybody can see, each with the reason: equivalent.yaml."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from tests.mutants.mutation import Mutation

NOTES = Path(__file__).with_name("equivalent.yaml")


class Note(BaseModel):
    """One such mutation, known by its file and its changed lines, so that a moved line stays known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    change: str
    why: str


class Noted:
    """All that are noted."""

    def __init__(self, notes: list[Note]) -> None:
        self.notes = notes
        self._known = {(note.file, note.change.strip()) for note in notes}

    @classmethod
    def read(cls, file: Path = NOTES) -> Noted:
        """What the file says."""
        return cls(TypeAdapter(list[Note]).validate_python(yaml.safe_load(file.read_text()) or []))

    def knows(self, mutation: Mutation, source: bytes) -> bool:
        """Whether this mutation is noted."""
        if all(note.file != mutation.path for note in self.notes):
            return False
        return (mutation.path, mutation.changed_code(source)) in self._known
