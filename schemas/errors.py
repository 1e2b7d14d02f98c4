"""The one base of all that Jobferry raises."""

from __future__ import annotations

import inspect


class JobferryError(Exception):
    """Something went wrong in Jobferry."""

    def __init__(self, message: str | None = None) -> None:
        """The message, or where there is nothing to add, what the class stands for: its docstring."""
        super().__init__(message or (inspect.getdoc(type(self)) or "").partition("\n\n")[0].replace("\n", " "))


class SettingsError(JobferryError):
    """The settings cannot work; each line of the message names one of them and the remedy."""
