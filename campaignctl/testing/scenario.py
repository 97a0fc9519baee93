"""A scenario file as its author writes it: contacts, a clock, what happens, and what is expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationError, model_validator

from campaignctl.campaign.fields import (
    AttributeName,
    Count,
    Flag,
    Model,
    Name,
    Text,
    Time,
    Value,
    complain,
)
from campaignctl.campaign.shape import shape_problems
from campaignctl.campaign.source import Path, Source, read_source
from campaignctl.diagnostics import Problem, listed

Rows = list[dict[AttributeName, Value]]


def _contacts_tag(value: Any) -> str:
    return "<file>" if isinstance(value, str) else "<rows>"


# A path, or the rows themselves.
Contacts = Annotated[Annotated[Text, Tag("<file>")] | Annotated[Rows, Tag("<rows>")], Discriminator(_contacts_tag)]

EVENTS = ("opened", "clicked", "bounced", "complained", "unsubscribed", "converted")
_DEEDS = (*EVENTS, "left", "import", "suppress", "gate", "run", "publish")


class Happening(Model):
    """Something that happens at a time: contacts do something with a message, or a person does something."""

    at: Time = Field(description="When: wall time in the campaign's zone, or an instant.")
    opened: Name | None = Field(None, description="The step whose message is opened.", examples=["invitation"])
    clicked: Name | None = Field(
        None, description="The step in whose message a link is followed.", examples=["invitation"]
    )
    bounced: Name | None = Field(None, description="The step whose message comes back.", examples=["invitation"])
    complained: Name | None = Field(None, description="The step whose message is called spam.", examples=["invitation"])
    unsubscribed: Name | None = Field(
        None, description="The step by whose message contacts unsubscribe.", examples=["invitation"]
    )
    left: Name | None = Field(None, description="The topic that contacts leave by themselves.", examples=["offers"])
    converted: Name | None = Field(
        None, description="The step whose message leads to a conversion.", examples=["invitation"]
    )
    contacts: list[Text] = Field([], description="The keys of the contacts that do it.", examples=[["c-1", "c-2"]])
    url: Text | None = Field(None, description="The link that is followed.", examples=["https://shop.example/sale"])
    machine: Flag = Field(False, description="Whether a machine does it.")
    hard: Flag = Field(False, description="Whether it bounces because there is no such address.")
    value: Text | None = Field(None, description="What the conversion is worth.", examples=["49.90"])
    currency: Text | None = Field(None, description="The currency of the value.", examples=["EUR"])
    import_: Contacts | None = Field(None, alias="import", description="Contacts that are imported: a file, or rows.")
    suppress: list[Text] = Field(
        [], description="Addresses that must not be written to any more.", examples=[["ada@example.org"]]
    )
    gate: Name | None = Field(
        None, description="The step whose send gate is answered; all others are at once.", examples=["invitation"]
    )
    reject: list[Text] = Field([], description="The keys of the contacts that the gate rejects.", examples=[["c-1"]])
    properties: dict[Text, dict[Text, Value]] = Field(
        {}, description="What the gate says of contacts, by their keys.", examples=[{"c-2": {"promo": "X7"}}]
    )
    run: Literal["pause", "resume", "stop"] | None = Field(None, description="A command about the campaign.")
    publish: Text | None = Field(None, description="A campaign file that is published.", examples=["other.yaml"])
    refused: Text | None = Field(None, description="The code with which it is refused.", examples=["P120"])

    @model_validator(mode="after")
    def _is_one_thing(self) -> Happening:
        done = [word for word in _DEEDS if word.replace("import", "import_") in self.model_fields_set]
        if len(done) != 1:
            what = f"{listed(done, 'and')} happen at once" if done else "nothing happens"
            complain(what, f"write one of {listed(_DEEDS)}", "C112", at=done[1] if done else "at")
        if done[0] in (*EVENTS, "left") and not self.contacts:
            complain("nobody does it", "add `contacts: [KEY, …]`", "C111", at=done[0])
        if (extra := [word for word in ("reject", "properties") if getattr(self, word)]) and self.gate is None:
            complain(f"`{extra[0]}` is for `gate`", "add `gate: STEP`", "C112", at=extra[0])
        if (self.value is None) != (self.currency is None) or (self.value is not None and self.converted is None):
            at = "currency" if self.value is None else "value"
            complain("`value` and `currency` stand together, for `converted`", "write both or none", "C112", at=at)
        if self.refused is not None and done[0] not in ("run", "publish", "gate"):
            complain("only `run`, `publish` and `gate` can be refused", "take `refused` out", "C112", at="refused")
        return self

    @property
    def event(self) -> tuple[str, str] | None:
        """What contacts do, and with the message of which step; None where a person does something."""
        return next(((word, step) for word in EVENTS if (step := getattr(self, word)) is not None), None)


class Bounds(Model):
    """Too few, or too many."""

    below: Count | None = Field(None, description="It holds with fewer contacts than this.", examples=[900])
    above: Count | None = Field(None, description="It holds with more contacts than this.", examples=[1100])

    def holds(self, count: int) -> bool:
        return (self.below is not None and count < self.below) or (self.above is not None and count > self.above)


class AudienceExpectation(Model):
    """How many contacts take part."""

    between: list[Count] | None = Field(
        None, min_length=2, max_length=2, description="The fewest and the most.", examples=[[900, 1100]]
    )
    warn_if: Bounds | None = Field(None, description="When to warn.")
    error_if: Bounds | None = Field(None, description="When to fail.")
    of: Literal["scenario", "store"] = Field(
        "scenario", description="The contacts of the scenario, or those in the project's store."
    )


class Expectation(Model):
    """What has to be so: of a step, of the campaign, or of its audience."""

    step: Name | None = Field(None, description="The step that is looked at.", examples=["thank"])
    to: list[Text] | None = Field(None, description="Exactly these contacts got its message.", examples=[["c-1"]])
    not_to: list[Text] | None = Field(None, description="None of these contacts got its message.")
    count: Count | None = Field(None, description="So many contacts got its message.", examples=[40])
    at: Time | None = Field(None, description="When the first of the messages left, or the step began.")
    subject: Text | None = Field(None, description="The subject of each of its messages.", examples=["Thank you"])
    contains: Text | None = Field(None, description="What each of its messages contains.", examples=["Renew"])
    state: Text | None = Field(None, description="The state of the step, or of the campaign.", examples=["done"])
    cohort: Count | None = Field(None, description="How many contacts the step worked on.", examples=[40])
    skipped: dict[Text, Count] | None = Field(
        None, description="How many messages were skipped, by their reasons.", examples=[{"unsubscribed": 1}]
    )
    converted: Count | None = Field(None, description="So many contacts converted after its message.", examples=[2])
    members: Count | None = Field(None, description="How many contacts take part in the campaign.", examples=[100])
    audience: AudienceExpectation | None = Field(None, description="How many contacts would take part.")
    by: Time | None = Field(None, description="The time at which it has to be so; the end otherwise.")

    @model_validator(mode="after")
    def _is_about_something(self) -> Expectation:
        of_step = ("to", "not_to", "count", "at", "subject", "contains", "cohort", "skipped", "converted")
        asked = self.model_fields_set - {"by", "step"}
        if not asked:
            complain("nothing is expected", "say what has to be so, like `to: [c-1]`", "C111", at="step")
        if self.step is None and (wrong := [word for word in of_step if word in asked]):
            complain(f"`{wrong[0]}` needs a step", "add `step: NAME`", "C111", at=wrong[0])
        if self.step is not None and (wrong := [word for word in ("members", "audience") if word in asked]):
            complain(f"`{wrong[0]}` is of the campaign, not of a step", "take `step` out", "C112", at=wrong[0])
        return self


class Scenario(Model):
    """One story: who is there, what happens, and what has to come of it."""

    name: Text = Field(description="What it shows, as a sentence.", examples=["who clicks is thanked"])
    clock: Time | None = Field(None, description="When it begins: the campaign is published then.")
    contacts: Contacts | None = Field(None, description="Its contacts, in the place of the file's.")
    happens: list[Happening] = Field([], description="What happens, in any order.")
    refused: Text | None = Field(None, description="The code with which the publication is refused.", examples=["P101"])
    until: Time | None = Field(None, description="When it ends; when nothing is to come otherwise.")
    expect: list[Expectation] = Field([], description="What has to be so.")


class ScenarioFile(Model):
    """Scenarios of one campaign."""

    campaign: Text = Field(description="The campaign's file, from this one's folder.", examples=["spring-sale.yaml"])
    clock: Time = Field(description="When scenarios begin: the campaign is published then.")
    contacts: Contacts | None = Field(None, description="The contacts: a file as `contacts import` reads it, or rows.")
    seed: Text = Field("1", description="What decides random splits.", examples=["1"])
    scenarios: list[Scenario] = Field(min_length=1, description="The scenarios, each in a world of its own.")


@dataclass(frozen=True)
class Scenarios:
    """A scenario file together with the text it was read from."""

    source: Source
    file: ScenarioFile

    def problem(self, code: str, path: Path, message: str, hint: str = "", *, at_key: bool = False) -> Problem:
        """A problem at *path* of the file."""
        return Problem(code, message, hint, file=self.source.name, span=self.source.span(path, at_key=at_key))


def load_scenarios(name: str, content: bytes) -> Scenarios | Sequence[Problem]:
    """The scenarios in *content*, or what is wrong with their shape."""
    source = read_source(name, content)
    if not isinstance(source, Source):
        return source
    if not isinstance(source.value, dict):
        return [Problem("C105", "a scenario file holds a mapping", "begin it with `campaign: FILE`", file=name)]
    try:
        return Scenarios(source, ScenarioFile.model_validate(source.value))
    except ValidationError as failure:
        return shape_problems(source, ScenarioFile, failure)
