"""The two temperaments of a contract: strict towards people, lenient towards AWS."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

JOB_ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
ENVIRONMENT_NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,127}$"
# No control characters: what people name ends in log lines, S3 keys and e-mail text. Nor the two that XML forbids,
# though JSON may hold them as they are: SQS refuses a message with one [botocore, SendMessage].
PRINTABLE_PATTERN = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]*$"
PROCESS_TEXT_PATTERN = r"^[^\x00\ufffe\uffff]*$"
DEFAULT_TENANT = "default"
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

JobId = Annotated[str, StringConstraints(pattern=JOB_ID_PATTERN)]
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
EnvironmentName = Annotated[str, StringConstraints(pattern=ENVIRONMENT_NAME_PATTERN)]
# A container's argv and environment are C strings: everything but NUL is theirs to use. ECS's events repeat them, and
# those come through SQS.
# In JSON Schema by what it must not hold: of each text with a pattern in a list, generators make an object.
_PROCESS_TEXT = {"type": "string", "not": {"type": "string", "pattern": r"[\x00\ufffe\uffff]"}}
ProcessText = Annotated[str, StringConstraints(pattern=PROCESS_TEXT_PATTERN), WithJsonSchema(_PROCESS_TEXT)]
# RFC 3339, as we write it ourselves. A text and no datetime, so that a contract says what stands in the message.
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


def _whole(value: object) -> object:
    """A number without a fraction is an integer, however it is written: 60.0 is 60, in JSON Schema as well."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)


def well_formed(value: object) -> object:
    """A text without halves of surrogate pairs: JSON can escape them, but no UTF-8 can carry them on."""
    if not isinstance(value, str) or value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


WellFormed = Annotated[str, BeforeValidator(well_formed)]


def in_xml(text: str) -> str:
    """A text of the characters that XML knows, any other replaced: SNS and SQS refuse or drop what holds one.

    They are #x9, #xA, #xD, #x20 to #xD7FF, #xE000 to #xFFFD and #x10000 to #x10FFFF [botocore, SendMessage].
    """
    return _NOT_IN_XML.sub("\ufffd", text)


_LARGEST_EXIT_CODE = 2**32 - 1  # Windows' have 32 bits, and are told with or without a sign [moby #40328].


def exit_code(value: object) -> int | None:
    """An explicit exit code; None for anything else. `true` is not 1, and least of all is `false` an exit code 0."""
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST_EXIT_CODE:
        return None
    return value


def json_object(text: str | None) -> dict[str, Any]:
    """The object that a JSON text holds, its texts well formed; empty where it is cut, is no JSON, or no object."""
    if not text:
        return {}
    try:
        value = json.loads(text)
        if "\\u" in text:  # Else there is nothing to mend: only an escape holds half of a pair.
            value = json.loads(str(well_formed(json.dumps(value, ensure_ascii=False))))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


class Contract(BaseModel):
    """A contract that people write: unknown fields are refused and nothing is coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FromAws(BaseModel):
    """A shape that AWS sends: it may grow fields at any time, so unknown ones are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)
