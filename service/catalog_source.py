"""The catalogue, from a file or from S3; what is wrong with it is told in words."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas.catalog import Catalog
from schemas.errors import SettingsError
from service.aws.errors import AwsError
from service.aws.objects import Objects, ObjectTooLargeError
from service.core.admission.admission import check_job_types
from service.core.admission.placeholders import UnknownPlaceholderError
from service.core.admission.wording import may_be
from service.core.log_layout import split_s3_uri

_LARGEST_CATALOG_BYTES = 4 * 1024 * 1024


async def read_catalog(where: str, objects: Objects, family_prefix: str) -> Catalog:
    """The catalogue from a file or from S3. Raises SettingsError that names the field and what is wrong."""
    try:
        text = (await _bytes_at(where, objects)).decode()
    except (OSError, UnicodeDecodeError, ObjectTooLargeError, AwsError) as error:
        raise SettingsError(f"JOBFERRY_CATALOG cannot be read: {where}: {error}") from None
    return parse_catalog(text, where, family_prefix)


async def _bytes_at(where: str, objects: Objects) -> bytes:
    location = split_s3_uri(where)
    if location:
        return await objects.get(*location, _LARGEST_CATALOG_BYTES)
    return Path(where).read_bytes()  # noqa: ASYNC240  # once, at start, before anything runs


def parse_catalog(text: str, where: str, family_prefix: str) -> Catalog:
    """The catalogue in a YAML or JSON text, for families that begin like this.

    Raises SettingsError that names the field and what is wrong.
    """
    try:
        catalog = Catalog.model_validate(yaml.safe_load(text), strict=False)
        check_job_types(catalog)
    except UnknownPlaceholderError as error:
        raise SettingsError(f"The catalogue {where} cannot be used: {error}") from None
    except ValidationError as error:
        lines = (f"  {'.'.join(map(str, item['loc']))}: {_in_words(item)}" for item in error.errors())
        raise SettingsError(f"The catalogue {where} cannot be used:\n" + "\n".join(lines)) from None
    # A date that is none is a ValueError of YAML's own making, and a nest without end a RecursionError.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        why = _yaml_trouble(error)
        raise SettingsError(f"The catalogue {where} cannot be used: {why}. deploy/catalog.yaml shows how.") from None
    return catalog.of_families(family_prefix)


def _in_words(item: ErrorDetails) -> str:
    if item["type"] == "string_pattern_mismatch":
        return f"it holds what it may not. {may_be(item['ctx']['pattern'])}"
    return item["msg"]


def _yaml_trouble(error: Exception) -> str:
    """Where and what, without the dump of the text around it."""
    mark = getattr(error, "problem_mark", None)
    where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    why = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return f"it is not YAML{where}: {' '.join(why.split())}"
