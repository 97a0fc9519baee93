"""The JSON Schemas say what the loader does, and tell an editor about every key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from campaignctl.campaign.load import CampaignFile, load_campaign
from campaignctl.project import PROJECT_FILE, ProjectFile, load_project
from campaignctl.schema import Kind, schema_text

ROOT = Path(__file__).parents[2]
SCHEMAS: dict[str, Any] = {kind: json.loads(schema_text(kind)) for kind in get_args(Kind)}
HEAD = "campaign: sale\nlist: customers\n"
STEP = "{id: a, at: 2026-12-01 09:00, email: {subject: Hi, body: hello.md}}"


def as_editors_read(text: str) -> Any:
    """The values of a file by the rules of YAML 1.2, with dates as text."""
    reader = YAML(typ="safe", pure=True)
    reader.constructor.add_constructor("tag:yaml.org,2002:timestamp", lambda made, node: node.value)
    return reader.load(text)


def passes(kind: str, text: str) -> bool:
    return bool(Draft202012Validator(SCHEMAS[kind]).is_valid(as_editors_read(text)))


def segment(condition: str) -> str:
    return f"{HEAD}starter: {{segment: {condition}}}\nsteps: [{STEP}]\n"


def step(step: str) -> str:
    return f"{HEAD}starter: {{segment: staff}}\nsteps: [{STEP}, {{id: b, at: 2026-12-02 09:00, {step}}}]\n"


def short(rest: str) -> str:
    return f"{HEAD}segment: staff\nat: 2026-12-01 09:00\n{rest}\n"


def email(keys: str) -> str:
    return step(f"email: {{subject: Hi, body: hello.md, {keys}}}")


def branches(by: str, *given: str) -> str:
    return step(f"split: {{by: {by}, branches: [{', '.join(given)}]}}")


RIGHT_CONDITIONS = [
    "staff",
    "2026",
    "{segment: staff}",
    "[{attribute: a, eq: 1}, {segment: staff}]",
    "{all: [[{attribute: a, eq: 1}], {any: [{segment: staff}]}]}",
    "{none: [{in_campaign: other}]}",
    "{at_least: 1, of: [{attribute: a, eq: 1}, {segment: staff}]}",
    "{attribute: a, eq: 12}",
    "{attribute: a, eq: true}",
    "{attribute: a, eq: NO}",
    "{attribute: a, eq: 0123}",
    '{attribute: a, eq: ""}',
    "{attribute: a, ne: 1.5}",
    "{attribute: a, in: [FR, 7, true]}",
    "{attribute: a, not_in: [FR]}",
    "{attribute: a, gt: 1}",
    "{attribute: a, between: [18, 25]}",
    "{attribute: a, contains: 2026}",
    "{attribute: a, exists: false}",
    "{attribute: a, before: 2026-01-31}",
    "{attribute: a, after: 2026-01-31T09:00Z}",
    "{attribute: a, within: 30d}",
    "{attribute: a, older_than: 2h}",
    "{attribute: a, anniversary: today}",
    "{received: sale/a}",
    "{clicked: {message: sale/a, within: 30d, link: https://shop.example}}",
]
WRONG_CONDITIONS = [
    "[]",
    "{}",
    "{all: []}",
    "{any: {segment: staff}}",
    "{attribute: a}",
    "{eq: 1}",
    "{attribute: a, eq: 1, ne: 2}",
    "{attribute: a, equals: 1}",
    "{attribute: a, eq: null}",
    "{attribute: a, in: [null]}",
    "{attribute: a, eq: [1]}",
    '{attribute: a, gt: ""}',
    "{attribute: a, in: FR}",
    "{attribute: a, in: []}",
    "{attribute: a, between: [1]}",
    "{attribute: a, between: [1, 2, 3]}",
    "{attribute: 2a, eq: 1}",
    "{attribute: a, within: soon}",
    "{attribute: a, anniversary: tomorrow}",
    "{attribute: a, exists: maybe}",
    "{at_least: 0, of: [{segment: staff}]}",
    "{at_least: 1}",
    "{received: a, opened: a}",
    "{received: {within: 30d}}",
    "{segment: staff, in_campaign: sale}",
    "{segment: }",
    "Staff",
]
RIGHT = [
    *map(segment, RIGHT_CONDITIONS),
    HEAD + f"starter: {{api: {{}}}}\nsteps: [{STEP}]\n",
    short("email: {subject: 2026, body: hello.md}"),
    short("email: {subject: true, body: {html: a.html, text: a.txt}}\ntitle: 7\ntimezone: Europe/Paris\nif_late: skip"),
    short("sms: {text: Hello}").replace("2026-12-01 09:00", "2026-12-01T09:00:30+01:00"),
    short("email: {subject: Hi, body: a.md}").replace("sale", "7"),
    step("title: 7, if_late: {within: 2h}, exit: {}"),
    step("set: {engaged: true, visits: '{{ contact.visits + 1 }}', old: null, n: 0123}"),
    step("export: {format: meta, to: a.csv}"),
    step("gate: {endpoint: compliance, hold: true, actions: {promo: 1}, timeout: 4h, on_timeout: cancel}"),
    step("webhook: {endpoint: crm, per: batch, batch: 500, body: a.json, rate: 50/s}"),
    step("webhook: {endpoint: crm, batch: '500'}"),
    step("sms: {from: 3615, rate: 1/min, window: 22:00-06:00, variants: [{name: a, text: x}, {name: b, text: y}]}"),
    email("from: Shop <a@b.example>, reply_to: a@b.example, preheader: 7, headers: {X-A: 1}, attachments: [a.pdf]"),
    email("track: {opens: true, clicks: 'false'}, topic: offers, gate: {endpoint: crm, hold: false}"),
    email("variants: [{name: a, share: 50%}, {name: b, share: 12.5%}], test: {share: 20%, metric: clicks, after: 3h}"),
    branches("random", "{name: a, share: 30%}", f"{{name: b, share: 70%, steps: [{STEP}]}}"),
    branches("segment", "{name: a, when: staff}", "{name: b, when: [{segment: staff}]}", "{name: c}"),
    branches("engagement, of: a", "{name: a, when: {clicked: https://x}}", "{name: b, when: not_opened}", "{name: c}"),
]
WRONG = [
    *map(segment, WRONG_CONDITIONS),
    HEAD,
    "[]",
    short(""),
    short("email: {subject: Hi, body: a.md}\nsms: {text: x}"),
    short("email: {subject: Hi, body: a.md}\nsubjct: x"),
    short("set: {a: 1}"),
    short("email: {subject: , body: a.md}"),
    short("email: {subject: null, body: a.md}"),
    short("email: {subject: Hi, body: a.md}\ntimezone: Central European Time"),
    short("email: {subject: Hi, body: a.md}").replace("2026-12-01 09:00", "2026-12-01T09:00"),
    short("email: {subject: Hi, body: a.md}").replace("2026-12-01 09:00", "2026-13-01 09:00"),
    short("email: {subject: Hi, body: a.md}").replace("2026-12-01 09:00", "tomorrow"),
    short("email: {subject: Hi, body: a.md}").replace("sale", "Sale"),
    short("email: {subject: Hi, body: a.md}").replace("campaign: sale", "campaign: null"),
    HEAD + f"starter: {{segment: staff, api: {{}}}}\nsteps: [{STEP}]\n",
    HEAD + f"starter: {{}}\nsteps: [{STEP}]\n",
    HEAD + f"starter: {{api: now}}\nsteps: [{STEP}]\n",
    HEAD + "starter: {segment: staff}\nsteps: []\n",
    HEAD + f"starter: {{segment: staff}}\nsteps: {STEP}\n",
    step("title: x"),
    step("email: {subject: x}, exit: {}"),
    step("emial: {subject: x}"),
    step("exit: {}, if_late: later"),
    step("exit: {}, if_late: {within: later}"),
    step("exit: {}, at_once: true"),
    step("exit: now"),
    step("set: {}"),
    step("set: {a b: 1}"),
    step("set: {a: [1]}"),
    step("export: {format: myspace, to: a.csv}"),
    step("gate: {hold: true}"),
    step("gate: {endpoint: crm, hold: maybe}"),
    step("webhook: {endpoint: crm, batch: many}"),
    step("webhook: {endpoint: crm, batch: -1}"),
    step("sms: {text: [a]}"),
    email("rate: fast"),
    email("window: morning"),
    email("variants: [{name: a}]"),
    email("test: {share: 0%, metric: clicks}"),
    email("test: {share: 20%, metric: luck}"),
    email("headers: [a]"),
    email("body: {text: a.txt}").replace("body: hello.md, body", "body"),
    branches("random"),
    branches("random", "{name: a}"),
    branches("random", "{name: a, share: half}"),
    branches("random", "{name: a, share: 50%, when: staff}"),
    branches("segment", "{name: a, when: staff, share: 5%}"),
    branches("engagement", "{name: a, when: clicked}"),
    branches("engagement, of: a", "{name: a, when: smiled}"),
    branches("luck", "{name: a}"),
    step("split: {branches: []}"),
]
PROJECT = "project: shop\n"
RIGHT_PROJECTS = [
    PROJECT,
    PROJECT + "safety_delay: 2s\n",
    PROJECT + "safety_delay: ${DELAY:-5m}\n",
    PROJECT + "approval: {required: '${APPROVAL:-false}'}\n",
    PROJECT + "channels: {email: {smtp: 'smtp://u:${PW}@host', tls: required, connections: 8, rate: 200/s}}\n",
    PROJECT + "channels: {email: {tls: '${TLS:-none}', connections: '${MANY:-4}'}, sms: {endpoint: sms}}\n",
    PROJECT + "lists: {customers: {key: id, email: email, phone: mobile, timezone: tz}}\n",
    PROJECT + "segments: {staff: {attribute: email, ends_with: x}, both: [{segment: staff}], same: staff}\n",
    PROJECT + "segment: {attribute: consent, eq: true}\nsender: a@b.example\npostal_address: 7\nstore: a.db\n",
    PROJECT + "endpoints: {crm: {url: https://x, secret: '${S}', headers: {A: b}, allow_private: true}}\n",
    PROJECT + "send: {guarantee: at_most_once, quiet_hours: 21:00-08:00, frequency_cap: {messages: 3, per: 7d}}\n",
    PROJECT + "public_url: https://x\ntimezone: Europe/Paris\n",
]
WRONG_PROJECTS = [
    "timezone: Europe/Paris\n",
    "project: My shop\n",
    PROJECT + "listen: {}\n",
    PROJECT + "lists: {Customers: {key: id}}\n",
    PROJECT + "lists: {customers: {email: email}}\n",
    PROJECT + "lists: {customers: id}\n",
    PROJECT + "segments: {staff: {attribute: email}}\n",
    PROJECT + "channels: {fax: {}}\n",
    PROJECT + "channels: {email: {tls: maybe}}\n",
    PROJECT + "channels: {email: {connections: 0}}\n",
    PROJECT + "channels: {email: {connections: 101}}\n",
    PROJECT + "channels: {sms: {}}\n",
    PROJECT + "endpoints: {crm: {secret: x}}\n",
    PROJECT + "send: {guarantee: exactly_once}\n",
    PROJECT + "send: {frequency_cap: {messages: 3}}\n",
    PROJECT + "safety_delay: soon\n",
    PROJECT + "approval: true\n",
]


@pytest.mark.parametrize("text", RIGHT)
def test_what_the_loader_takes_the_schema_takes(text: str) -> None:
    loaded = load_campaign("x.yaml", text.encode())
    assert isinstance(loaded, CampaignFile), loaded
    assert passes("campaign", text)


@pytest.mark.parametrize("text", WRONG)
def test_what_the_loader_refuses_for_its_shape_the_schema_refuses(text: str) -> None:
    assert not isinstance(load_campaign("x.yaml", text.encode()), CampaignFile)
    assert not passes("campaign", text)


def loads_as_project(folder: Path, text: str) -> bool:
    (folder / PROJECT_FILE).write_text(text, "utf-8")
    return isinstance(load_project(folder, {}), ProjectFile)


@pytest.mark.parametrize("text", RIGHT_PROJECTS)
def test_a_project_file_that_loads_passes_the_schema(tmp_path: Path, text: str) -> None:
    assert loads_as_project(tmp_path, text)
    assert passes("project", text)


@pytest.mark.parametrize("text", WRONG_PROJECTS)
def test_a_project_file_of_a_wrong_shape_fails_both(tmp_path: Path, text: str) -> None:
    assert not loads_as_project(tmp_path, text)
    assert not passes("project", text)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.yaml")), ids=lambda path: path.name)
def test_every_example_passes_the_schema(path: Path) -> None:
    kind = "project" if path.name == PROJECT_FILE else "scenario" if ".test." in path.name else "campaign"
    assert passes(kind, path.read_text("utf-8"))


def whole_files_in(page: str) -> list[tuple[str, str]]:
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [("project" if re.search(r"^project:", block, re.MULTILINE) else "campaign", block) for block in blocks]


@pytest.mark.parametrize("page", ["README.md", "docs/language.md"])
def test_every_whole_file_of_the_documentation_passes_the_schema(page: str) -> None:
    found = whole_files_in(page)
    assert found
    assert [block for kind, block in found if not passes(kind, block)] == []


@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_schema_that_is_kept_is_the_one_that_the_models_make(kind: Kind) -> None:
    assert (ROOT / "schemas" / f"{kind}.schema.json").read_text("utf-8") == schema_text(kind)


def nodes(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every mapping in a schema with the path to it."""
    if isinstance(value, dict):
        yield path, value
        for key, inner in value.items():
            yield from nodes(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from nodes(inner, f"{path}/{number}")


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_key_is_described_and_no_mapping_takes_others(kind: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[kind])
    for path, node in nodes(SCHEMAS[kind]):
        for name, about in node.get("properties", {}).items() if isinstance(node.get("title"), str) else ():
            assert about.get("description"), f"{path}/{name}"
        if node.get("type") == "object":
            assert node["additionalProperties"] is False or isinstance(node["additionalProperties"], dict), path


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_key_with_a_free_value_has_an_example(kind: str) -> None:
    for path, node in nodes(SCHEMAS[kind]):
        for name, about in node.get("properties", {}).items() if isinstance(node.get("title"), str) else ():
            is_free = (
                "type" in about and about["type"] not in ("array", "object") and not {"enum", "const"} & set(about)
            )
            assert "examples" in about or not is_free, f"{path}/{name}"


def what_tells(schema: Any, branch: dict[str, Any]) -> tuple[Any, ...]:
    """By what an editor knows a branch of a union: a kind of value, a word, or the keys that it needs."""
    target = schema["$defs"][branch["$ref"].rpartition("/")[2]] if "$ref" in branch else branch
    if target.get("type") != "object":
        return ("kind", str(target.get("type", target)))
    words = [about["const"] for about in target["properties"].values() if "const" in about]
    needed = {*target.get("required", ()), *(key for way in target.get("oneOf", ()) for key in way["required"])}
    return ("object", *words, *sorted(needed))


@pytest.mark.parametrize("kind", ["campaign", "project"])
def test_the_forms_of_a_union_are_told_apart_by_what_they_need(kind: str) -> None:
    unions = [node for _, node in nodes(SCHEMAS[kind]) if any("$ref" in each for each in node.get("oneOf", ()))]
    assert unions
    for union in unions:
        told = [what_tells(SCHEMAS[kind], branch) for branch in union["oneOf"]]
        assert len(set(told)) == len(told), told
        assert all(len(each) > 1 for each in told)


def test_after_an_id_every_verb_is_offered() -> None:
    steps = [
        SCHEMAS["campaign"]["$defs"][each["$ref"].rpartition("/")[2]]
        for each in SCHEMAS["campaign"]["$defs"]["Step"]["oneOf"]
    ]
    assert [step["required"] for step in steps] == [["id", step["title"].removesuffix(" step")] for step in steps]
    assert len(steps) == 8
