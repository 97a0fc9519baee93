"""The language's page: complete, and every block of it checked by the real loader."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from world import World

from campaignctl.campaign.condition import _KINDS, OPERATORS
from campaignctl.campaign.fields import Model
from campaignctl.campaign.load import CampaignFile, load_campaign
from campaignctl.campaign.model import Campaign, SingleSend
from campaignctl.campaign.steps.union import VERBS
from campaignctl.campaign.version import files_named_by
from campaignctl.message.inspection import NAMES
from campaignctl.message.sandbox import FILTERS, TESTS
from campaignctl.project import Project, ProjectFile, load_project
from campaignctl.proposing import needed_and_missing
from campaignctl.schema import schema_text

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "language.md").read_text("utf-8")
HEAD = "campaign: sale\nlist: customers\nstarter: {segment: staff}\nsteps:\n"
EMAIL = "  - id: invitation\n    at: 2026-12-01 09:00\n    email:\n"


def blocks(page: str) -> list[tuple[str, str]]:
    """The YAML blocks of a page with the word that says what they are a part of; whole files have none."""
    return re.findall(r"^```yaml ?(\w*)\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def whole(kind: str, block: str) -> str:
    """The campaign file that a fragment is a part of."""
    match kind:
        case "steps":
            return HEAD + EMAIL + "      {subject: Hi, body: hello.md}\n" + textwrap.indent(block, "  ")
        case "email":
            return HEAD + EMAIL + textwrap.indent(block, "      ")
        case "condition":
            text = "campaign: sale\nlist: customers\nat: 2026-12-01 09:00\nemail: {subject: Hi, body: hello.md}\n"
            return text + "segment:\n" + textwrap.indent(block, "  ")
    return block


def is_project(block: str) -> bool:
    return bool(re.search(r"^project:", block, re.MULTILINE))


PROJECTS = [block for kind, block in blocks(PAGE) if not kind and is_project(block)]
CAMPAIGNS = [whole(kind, block) for kind, block in blocks(PAGE) if kind != "project" and not is_project(block)]
PARTS = [
    block
    for page in ("README.md", "docs/language.md")
    for kind, block in blocks((ROOT / page).read_text("utf-8"))
    if kind == "project"
]


@pytest.mark.parametrize("text", CAMPAIGNS)
def test_a_campaign_of_the_page_has_no_problems(world: World, text: str) -> None:
    world.write("campaignctl.yaml", PROJECTS[0])
    loaded = load_campaign("x.yaml", text.encode())
    assert isinstance(loaded, CampaignFile), loaded
    for path in files_named_by(loaded.campaign):
        world.write(path, "{{ unsubscribe_url }} {{ postal_address }}")
    assert world.check(text).problems == []


@pytest.mark.parametrize("text", [*PROJECTS, *(f"project: shop\n{part}" for part in PARTS)])
def test_a_project_file_of_the_documentation_loads(tmp_path: Path, text: str) -> None:
    (tmp_path / "campaignctl.yaml").write_text(text, "utf-8")
    assert isinstance(load_project(tmp_path, {}), ProjectFile)


def models_below(model: type[Model], seen: set[type[Model]]) -> Iterator[type[Model]]:
    if model not in seen:
        seen.add(model)
        yield model
        for field in model.model_fields.values():
            for inner in models_in(field.annotation):
                yield from models_below(inner, seen)


def models_in(annotation: Any) -> Iterator[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def keys() -> list[str]:
    seen: set[type[Model]] = set()
    models = [found for start in (Campaign, SingleSend, Project) for found in models_below(start, seen)]
    return sorted({field.alias or name for model in models for name, field in model.model_fields.items()})


def code_of(page: str) -> set[str]:
    """Every word that stands in code on the page, outside of blocks."""
    prose = re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE)
    return {word for code in re.findall(r"`([^`]+)`", prose) for word in re.findall(r"[A-Za-z_]\w*", code)}


def test_every_key_word_filter_and_name_is_told() -> None:
    assert len(keys()) > 80
    for words in (keys(), VERBS, OPERATORS, _KINDS, FILTERS, TESTS, NAMES):
        assert set(words) - code_of(PAGE) == set()


def test_every_word_that_a_key_may_hold_is_told() -> None:
    for kind in ("campaign", "project"):
        for listed in re.findall(r'"enum": \[(.*?)\]', schema_text(kind), re.DOTALL):  # type: ignore[arg-type] # both are kinds
            assert set(re.findall(r'"(\w+)"', listed)) - code_of(PAGE) == set()


NOT_RUN = """
campaign: sale
list: customers
starter: {api: {}}
steps:
  - id: a
    email:
      subject: Hi
      body: hello.md
      variants: [{name: a}, {name: b}]
      test: {share: 20%, metric: clicks, after: 3h}
  - {id: b, sms: {text: Hi}}
  - {id: c, webhook: {endpoint: crm}}
  - {id: e, export: {format: csv, to: crm}}
"""


def test_what_is_not_run_yet_is_what_publish_refuses() -> None:
    loaded = load_campaign("x.yaml", NOT_RUN.encode())
    assert isinstance(loaded, CampaignFile), loaded
    refused = {what for _, what in needed_and_missing(loaded.campaign)}
    told = PAGE.partition("`publish` refuses")[2].partition("\n\nOpens and clicks")[0]
    assert set(re.findall(r"`[^`]+`", told)) - {"`email`"} == refused
