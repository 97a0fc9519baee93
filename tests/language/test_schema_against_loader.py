"""Files written by the schema's own rules, with a slip now and then: loader and schema agree on nearly all of them."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from language.test_schemas import SCHEMAS, passes

from campaignctl.campaign.load import CampaignFile, load_campaign

SCALARS = ["sale", "true", "2026-12-01 09:00", "30%", "clicked", "x.md", "7", '""', "null", "NO", "0123", "1e3", "-1",
           "15m", "200/s", "random", "'7'", "[]", "{}"]  # fmt: skip
# What other readers of YAML have lost (`1.0`, `0123` and `1e3` are numbers to them), and sums that no schema makes.
BEYOND_A_SCHEMA = ("is not the IANA name of a time zone", "`0123` is not", "`1e3` is not", "`at_least` is")


class Writer:
    """Writes values that a schema describes."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def value(self, schema: dict[str, Any], depth: int = 0) -> str:
        while "$ref" in schema:
            schema = SCHEMAS["campaign"]["$defs"][schema["$ref"].rpartition("/")[2]]
        if self.random.random() < 0.01:
            return self.random.choice(SCALARS)
        if "properties" not in schema and (forms := schema.get("oneOf", schema.get("anyOf"))):
            return self.value(self.random.choice(forms), depth)
        if words := schema.get("enum", [schema["const"]] if "const" in schema else []):
            return str(self.random.choice(words))
        if schema.get("type") == "array":
            count = 0 if depth > 8 else self.random.choice([schema.get("minItems", 0), 2])
            return f"[{', '.join(self.value(schema['items'], depth + 1) for _ in range(count))}]"
        if schema.get("type") == "object":
            return self.mapping(schema, depth)
        if "examples" in schema and self.random.random() < 0.9:
            return json.dumps(schema["examples"][0])
        return self.random.choice(SCALARS)

    def mapping(self, schema: dict[str, Any], depth: int) -> str:
        known = schema.get("properties", {})
        keys = [*schema.get("required", ())]
        if "oneOf" in schema:
            keys += self.random.choice(schema["oneOf"])["required"]
        if "minProperties" in schema and known:
            keys.append(self.random.choice([key for key in known if key not in keys]))
        if len(keys) < schema.get("maxProperties", 99):
            keys += [key for key in known if key not in keys and self.random.random() < 0.1]
        pairs = [(key, known[key]) for key in keys if self.random.random() > 0.005]
        pairs += [("a_b", each) for each in schema.get("patternProperties", {}).values()]
        return "{" + ", ".join(f"{key}: {self.value(each, depth + 1)}" for key, each in pairs) + "}"


@pytest.mark.parametrize("seed", range(20))
def test_loader_and_schema_agree(seed: int) -> None:
    writer = Writer(Random(seed))
    taken = 0
    for form in ("Campaign", "SingleSend") * 8:
        text = writer.mapping(SCHEMAS["campaign"]["$defs"][form], 0)
        loaded = load_campaign("x.yaml", text.encode())
        if isinstance(loaded, CampaignFile):
            assert passes("campaign", text), text
            taken += 1
        elif not all(any(known in problem.message for known in BEYOND_A_SCHEMA) for problem in loaded):
            assert not passes("campaign", text), (text, loaded)
    assert taken
