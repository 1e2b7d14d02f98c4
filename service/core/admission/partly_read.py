"""What can be read of an object that as a whole cannot: every field that is in order by itself."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from service.core.admission.request_body import canonical

M = TypeVar("M", bound=BaseModel)


def readable(model: type[M], raw: dict[str, Any], **needed: str) -> M:
    """The model from the fields that are in order. `needed` stands in for required ones that are not."""
    fields: dict[str, Any] = dict(needed)
    for name in model.model_fields.keys() & raw.keys():
        if _is_in_order(model, {**needed, name: raw[name]}):
            fields[name] = raw[name]
    return model.model_validate_json(canonical(fields))


def _is_in_order(model: type[BaseModel], fields: dict[str, Any]) -> bool:
    try:
        model.model_validate_json(canonical(fields))
    except ValidationError:
        return False
    return True
