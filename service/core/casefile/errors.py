"""What is wrong with a file that is to be a case."""

from __future__ import annotations

from schemas.errors import JobferryError


class CaseFileError(JobferryError):
    """The file is no case that can be read."""
