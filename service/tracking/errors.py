"""What a reader can be told instead of an answer."""

from __future__ import annotations

from typing import Self

from schemas.errors import JobferryError
from schemas.notification import Problem


class UnknownJobError(JobferryError):
    """There is no such job."""


class UnknownLogError(JobferryError):
    """There is no such log."""


class UnknownStepError(JobferryError):
    """There is no such step."""


class UnknownBulkError(JobferryError):
    """There is no such bulk."""


class NotNowError(JobferryError):
    """What is asked for would come to nothing."""


class NotAllowedError(JobferryError):
    """Whoever may submit no jobs here may rerun none: the changes of a rerun can make any job of it."""


class CatalogUnknownError(JobferryError):
    """The catalogue lies in the worker's image, so that only admission can judge a request by it."""


class RefusedError(JobferryError):
    """The request would not be admitted."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__()
        self.problems = problems

    @classmethod
    def of(cls, field: str, message: str, remedy: str) -> Self:
        """For one reason."""
        return cls((Problem(field=field, message=message, remedy=remedy),))


class TakenError(RefusedError):
    """The job id belongs to an earlier request with another body."""
