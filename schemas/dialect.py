"""How the models become JSON Schema: in words that the generators of types understand, and no judgement is another.

The same contract can be written in many ways, and most generators read only the plainest. `make types` tries
json-schema-to-typescript, quicktype and datamodel-code-generator.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

# What makes more of a schema than a type with its limits.
_MORE_THAN_A_TYPE = {"$ref", "anyOf", "allOf", "oneOf", "enum", "const"}


class PlainJsonSchema(GenerateJsonSchema):
    """Pydantic's schema, said plainly."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """No: a title that only repeats the field's name becomes a type of its own, `TimeoutSeconds1`."""
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """A default is for who leaves the field out; of what we send, every field is there.

        A whole object as a default says what its fields' own defaults say, and generators give it no type.
        """
        if self.mode == "serialization" or isinstance(schema.get("default"), BaseModel):
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """A map whose names have a pattern: of `patternProperties` generators make a type without fields."""
        described = super().dict_schema(schema)
        patterns = described.pop("patternProperties", None)
        if patterns is None:
            return described
        ((pattern, values),) = patterns.items()
        return {**described, "propertyNames": {"pattern": pattern}, "additionalProperties": values}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """A value or null."""
        return _as_one_type(super().nullable_schema(schema))

    def union_schema(self, schema: core_schema.UnionSchema) -> JsonSchemaValue:
        """One of several types."""
        return _as_one_type(super().union_schema(schema))


def _as_one_type(described: JsonSchemaValue) -> JsonSchemaValue:
    """`anyOf` of plain types as a list of types.

    A limit binds the values of its own type alone, so that both say the same; but of a type with limits within `anyOf`
    a generator makes a class of its own, in which a producer must wrap each string.
    """
    choices = described.get("anyOf", [])
    limits = [keyword for choice in choices for keyword in choice if keyword != "type"]
    if not all(_is_plain(choice) for choice in choices) or len(limits) != len(set(limits)):
        return described
    merged = {keyword: value for choice in choices for keyword, value in choice.items()}
    return {**merged, "type": [name for choice in choices for name in _types(choice)]} if choices else described


def _is_plain(choice: JsonSchemaValue) -> bool:
    return "type" in choice and not _MORE_THAN_A_TYPE & choice.keys()


def _types(choice: JsonSchemaValue) -> list[str]:
    named: str | list[str] = choice["type"]
    return [named] if isinstance(named, str) else named
