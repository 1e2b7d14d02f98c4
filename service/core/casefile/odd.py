"""Code of now may fail on what a case holds: that is a difference as well, or the doing of whoever made the file."""

from __future__ import annotations

from schemas.errors import JobferryError

# What reading an odd value raises; anything else is a bug, and is seen.
ODD = (ArithmeticError, AssertionError, AttributeError, JobferryError, LookupError, TypeError, ValueError)


def fails(error: Exception) -> str:
    """How a decision fails now."""
    return f"it fails: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
