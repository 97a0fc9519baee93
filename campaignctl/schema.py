"""The JSON Schemas of the files, made from the models that read them."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any, Final, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema as core

from campaignctl.campaign.fields import duration_text
from campaignctl.campaign.model import Campaign, SingleSend
from campaignctl.project import Project
from campaignctl.testing.scenario import ScenarioFile

Kind = Literal["campaign", "project", "scenario"]

# Unions that stand in many places get a name, by the first model in them.
_NAMED_UNIONS: Final = {"#/$defs/AttributeCondition": "Condition", "#/$defs/EmailStep": "Step"}
_VARIABLE: Final = r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::-[^}]*)?\}"


def schema_text(kind: Kind) -> str:
    """The schema of a kind of file (JSON Schema, draft 2020-12), the same at every call."""
    described: Any = {"campaign": Campaign | SingleSend, "project": Project, "scenario": ScenarioFile}[kind]
    schema = TypeAdapter(described).json_schema(by_alias=True, schema_generator=_Schemas)
    named: dict[str, Any] = {}
    schema = _with_named_unions(schema, named)
    if "Condition" in named:
        listed = {"type": "array", "items": {"$ref": "#/$defs/Condition"}, "minItems": 1, "title": "all of these"}
        named["Condition"]["oneOf"].append(listed)
    schema["$defs"] = dict(sorted((schema["$defs"] | named).items()))
    if kind == "project":
        schema = _with_variables(schema)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://campaignctl.invalid/schemas/{kind}.schema.json",
    }
    whole = {**head, **schema, "title": f"campaignctl {kind} file, version 1"}
    return json.dumps(whole, indent=2, ensure_ascii=False, sort_keys=False) + "\n"


class _Schemas(GenerateJsonSchema):
    """Tells of the language where pydantic would tell of Python: of `None`, class names and empty defaults."""

    def nullable_schema(self, schema: core.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core.WithDefaultSchema) -> JsonSchemaValue:
        told = super().default_schema(schema)
        if isinstance(schema.get("default"), timedelta):
            told["default"] = duration_text(schema["default"])
        if not isinstance(told.get("default"), str | int) or told["default"] == "":
            told.pop("default", None)
        return told

    def dict_schema(self, schema: core.DictSchema) -> JsonSchemaValue:
        told = super().dict_schema(schema)
        if "patternProperties" in told:
            told["additionalProperties"] = False
            told.pop("propertyNames", None)
        return told

    def model_schema(self, schema: core.ModelSchema) -> JsonSchemaValue:
        told = super().model_schema(schema)
        return told | {"title": re.sub(r"(?<=[a-z])(?=[A-Z])", " ", schema["cls"].__name__).lower()}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 # the signature is the library's
        return False


def _with_named_unions(node: Any, named: dict[str, Any]) -> Any:
    """*node* with references in place of the unions that have a name, which are put into *named*."""
    if isinstance(node, list):
        return [_with_named_unions(each, named) for each in node]
    if not isinstance(node, dict):
        return node
    node = {key: _with_named_unions(value, named) for key, value in node.items()}
    first = node["oneOf"][0].get("$ref") if node.get("oneOf") else None
    if first not in _NAMED_UNIONS:
        return node
    name = _NAMED_UNIONS[first]
    named[name] = {"oneOf": node.pop("oneOf")}
    return node | {"$ref": f"#/$defs/{name}"}


def _with_variables(node: Any) -> Any:
    """*node*, which also takes `${NAME}` wherever it takes a value: that is what the project file may hold."""
    if isinstance(node, list):
        return [_with_variables(each) for each in node]
    if not isinstance(node, dict):
        return node
    node = {key: _with_variables(value) for key, value in node.items()}
    if isinstance(node.get("pattern"), str):
        node["pattern"] = f"{node['pattern']}|{_VARIABLE}"
    if isinstance(node.get("enum"), list):
        words = {"enum": node.pop("enum"), "type": node.pop("type", "string")}
        node["anyOf"] = [words, {"type": "string", "pattern": _VARIABLE}]
    return node
