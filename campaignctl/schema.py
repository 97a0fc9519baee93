"""The JSON Schemas of the files, made from the models that read them."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import TypeAdapter

from campaignctl.campaign.model import Campaign, SingleSend
from campaignctl.project import Project

Kind = Literal["campaign", "project"]


def schema_text(kind: Kind) -> str:
    """The schema of a kind of file (JSON Schema, draft 2020-12), the same at every call."""
    described: Any = Campaign | SingleSend if kind == "campaign" else Project
    schema = TypeAdapter(described).json_schema(by_alias=True)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://campaignctl.invalid/schemas/{kind}.schema.json",
        "title": f"campaignctl {kind} file, version 1",
    }
    return json.dumps({**head, **schema}, indent=2, ensure_ascii=False, sort_keys=False) + "\n"
