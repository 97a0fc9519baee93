"""The project file, `campaignctl.yaml`, and the environment that it reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from campaignctl.campaign.condition import NamedCondition
from campaignctl.campaign.fields import (
    AttributeName,
    BounceMailbox,
    Count,
    Country,
    Domain,
    Duration,
    Flag,
    Model,
    Name,
    Rate,
    Selector,
    Text,
    Window,
    complain,
)
from campaignctl.campaign.model import ZoneName
from campaignctl.campaign.shape import shape_problems
from campaignctl.campaign.source import Path as Place
from campaignctl.campaign.source import Plain, Source, Value, read_source
from campaignctl.conversion_settings import USUAL_WINDOW, Conversions
from campaignctl.diagnostics import Problem
from campaignctl.errors import UsageError
from campaignctl.hook_settings import Hook
from campaignctl.provider_settings import Providers
from campaignctl.topic_settings import Topic

PROJECT_FILE = "campaignctl.yaml"

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


class ListSettings(Model):
    """Which attributes of a list's contacts are what."""

    key: AttributeName = Field(description="The attribute that tells contacts apart.", examples=["customer_id"])
    email: AttributeName | None = Field(None, description="The attribute with the e-mail address.", examples=["email"])
    phone: AttributeName | None = Field(None, description="The attribute with the phone number.", examples=["mobile"])
    timezone: AttributeName | None = Field(
        None, description="The attribute with the contact's time zone.", examples=["tz"]
    )
    language: AttributeName | None = Field(
        None, description="The attribute with the language of the contact's pages, like `fr`.", examples=["lang"]
    )


class Dkim(Model):
    """How e-mail is signed."""

    domain: Domain = Field(description="The domain that vouches for messages.", examples=["shop.example"])
    selector: Selector = Field(description="The name of the key in DNS.", examples=["c1"])
    key: Text = Field(
        description="The private key, PEM: a file's path, or the key itself from the environment.",
        examples=["${DKIM_KEY}"],
    )


class EmailChannel(Model):
    """How e-mail leaves."""

    smtp: Text | None = Field(
        None,
        description="The mail server: `smtp://` or `smtps://`. Left out: messages go to the outbox.",
        examples=["smtp://user:${SMTP_PASSWORD}@smtp.shop.example:587"],
    )
    tls: Literal["required", "opportunistic", "none"] | None = Field(
        None, description="Whether the connection has to be encrypted; `required` where there is a password."
    )
    connections: Count = Field(
        4,
        description="How many conversations at once, at most 100.",
        examples=[8],
        json_schema_extra={"minimum": 1, "maximum": 100},
    )
    rate: Rate | None = Field(None, description="At most so many messages a period.", examples=["200/s"])
    dkim: Dkim | None = Field(None, description="Signs messages; not signed where left out.")

    @model_validator(mode="after")
    def _is_possible(self) -> EmailChannel:
        if not 1 <= self.connections <= 100:
            complain(f"`connections` is {self.connections}", "write a number from 1 to 100", at="connections")
        return self


class SmsChannel(Model):
    """How text messages leave."""

    endpoint: Name = Field(description="An endpoint of the project.", examples=["sms-provider"])
    rate: Rate | None = Field(None, description="At most so many messages a period.", examples=["10/s"])
    preset: Literal["generic", "twilio", "vonage", "sinch"] = Field(
        "generic", description="Whose requests they are: a provider's, or `{from, to, text}` as JSON."
    )
    from_: Text | None = Field(
        None, alias="from", description="The sender's number or name, where a step has none.", examples=["Shop"]
    )
    country: Country | None = Field(None, description="The country of numbers without a country code.", examples=["FR"])
    countries: list[Country] | None = Field(
        None, description="The only countries that messages go to.", examples=[["FR", "BE"]]
    )
    max_parts: Count = Field(
        4,
        description="How many parts a message may take; longer ones are not sent.",
        json_schema_extra={"minimum": 1, "maximum": 10},
    )

    @model_validator(mode="after")
    def _is_possible(self) -> SmsChannel:
        if not 1 <= self.max_parts <= 10:
            complain(f"`max_parts` is {self.max_parts}", "write a number from 1 to 10", at="max_parts")
        return self


class Channels(Model):
    """What carries messages."""

    email: EmailChannel | None = Field(None, description="E-mail.")
    sms: SmsChannel | None = Field(None, description="Text messages.")


class RequestSettings(Model):
    """The requests that carry text messages, where no preset has their form."""

    body: Text = Field(
        description="The template of the body; it knows `from`, `to`, `text`, `parts`, `campaign`, `step`, `contact`.",
        examples=['{"recipient": "{{ to }}", "content": "{{ text }}"}'],
    )
    content_type: Literal["application/json", "application/x-www-form-urlencoded", "application/xml", "text/xml"] = (
        Field("application/json", description="The form of the body, in which values are written.")
    )


class Endpoint(Model):
    """A named HTTP address."""

    url: Text = Field(description="Where requests go.", examples=["https://compliance.shop.example/gate"])
    secret: Text | None = Field(None, description="What requests are signed with.", examples=["${GATE_SECRET}"])
    headers: dict[str, Text] = Field(
        {}, description="Headers of every request.", examples=[{"Authorization": "Bearer ${TOKEN}"}]
    )
    allow_private: Flag = Field(False, description="Whether it may lead to a private address.")
    request: RequestSettings | None = Field(
        None, description="The form of requests for text messages, in the place of a preset."
    )
    message_id: Text | None = Field(
        None,
        description="Where an answer has the provider's id of a text message: a JSON pointer.",
        examples=["/messages/0/id"],
    )


class FrequencyCap(Model):
    """A limit for what one contact gets."""

    messages: Count = Field(description="How many messages.", examples=[3])
    per: Duration = Field(description="In what time.", examples=["7d"])


class Sending(Model):
    """What holds for every message of every campaign."""

    guarantee: Literal["at_least_once", "at_most_once"] = Field(
        "at_least_once", description="Whether a message without a verdict is tried again."
    )
    quiet_hours: Window | None = Field(None, description="When nothing leaves.", examples=["21:00-08:00"])
    frequency_cap: FrequencyCap | None = Field(None, description="How often one contact may be written to.")


class Approval(Model):
    """Whether publications wait for the consent of a second person."""

    required: Flag = Field(False, description="Whether publications wait for an approval.")


class Project(Model):
    """Lists, segments, channels, sender and rules that the campaigns of a folder share."""

    project: Name = Field(description="The project's name.", examples=["retail"])
    store: Text = Field("campaignctl.db", description="The store: a file beside this one.", examples=["campaignctl.db"])
    timezone: ZoneName | None = Field(
        None, description="The zone of campaigns that name none.", examples=["Europe/Paris"]
    )
    sender: Text | None = Field(None, description="Who messages are from.", examples=["Shop <news@shop.example>"])
    bounces: BounceMailbox | None = Field(
        None,
        description="The mailbox that reports about messages come back to; `bounces import` reads it.",
        examples=["bounces@shop.example"],
    )
    postal_address: Text | None = Field(
        None,
        description="The postal address that marketing mail has to show.",
        examples=["Shop SA, 1 rue de la Paix, 75002 Paris"],
    )
    public_url: Text | None = Field(
        None,
        description="Where the HTTP service is reachable from outside: links in messages lead there.",
        examples=["https://mail.shop.example"],
    )
    safety_delay: Duration = Field(
        timedelta(minutes=5),
        description="How long after its publication a step runs at the earliest.",
        examples=["5m"],
    )
    approval: Approval = Field(
        Approval.model_construct(required=False), description="Whether somebody else has to agree."
    )
    lists: dict[Name, ListSettings] = Field({}, description="The lists of contacts.")
    topics: dict[Name, Topic] = Field({}, description="Kinds of messages that contacts may leave one by one.")
    segments: dict[Name, NamedCondition] = Field({}, description="Named conditions.")
    segment: NamedCondition | None = Field(None, description="The project's own, added to every starter and send.")
    channels: Channels = Field(
        Channels.model_construct(email=None, sms=None),
        description="What carries messages; the outbox otherwise.",
    )
    endpoints: dict[Name, Endpoint] = Field({}, description="Named HTTP addresses.")
    providers: Providers = Field(
        Providers.model_construct(**dict.fromkeys(Providers.model_fields)),
        description="Who tells what happened with messages.",
    )
    hooks: dict[Name, Hook] = Field({}, description="Who is told of what happens.")
    conversions: Conversions = Field(
        Conversions.model_construct(parameter=None, hosts=[], window=USUAL_WINDOW),
        description="Which messages conversions count for.",
    )
    send: Sending = Field(
        Sending.model_construct(guarantee="at_least_once", quiet_hours=None, frequency_cap=None),
        description="Rules for every message.",
    )

    @property
    def nearness(self) -> timedelta:
        """Messages of two campaigns to one contact are near within the frequency cap's time, or a day without one."""
        cap = self.send.frequency_cap
        return timedelta(days=1) if cap is None else cap.per

    @property
    def topic_attributes(self) -> dict[str, str]:
        """The attribute of each topic."""
        return {name: topic.attribute_of(name) for name, topic in self.topics.items()}

    def without_approval(self) -> Project:
        """The same project, which asks nobody: for trials that nobody else sees."""
        return self.model_copy(update={"approval": Approval(required=False)})


@dataclass(frozen=True)
class ProjectFile:
    """A project together with its folder and the text it was read from."""

    folder: Path
    source: Source
    project: Project

    def is_written(self, path: Place) -> bool:
        """Whether the file itself has something at *path*, or only means it."""
        return path in self.source.places

    def problem(self, code: str, path: Place, message: str, hint: str) -> Problem:
        """A problem at *path* of the project file."""
        return Problem(code, message, hint, file=self.source.name, span=self.source.span(path))


def find_project(start: Path) -> Path | None:
    """The nearest folder from *start* upwards that holds a project file."""
    start = start.resolve()
    return next((folder for folder in (start, *start.parents) if (folder / PROJECT_FILE).is_file()), None)


def load_project(folder: Path, environment: Mapping[str, str], name: str = PROJECT_FILE) -> ProjectFile | list[Problem]:
    """Read the project file of *folder*, which messages call *name*; its problems where it has some."""
    path = folder / PROJECT_FILE
    try:
        content = path.read_bytes()
    except OSError as failure:
        raise UsageError(
            "C150", f"`{path}` cannot be read: {failure.strerror}", "run `campaignctl init` to make a project"
        ) from failure
    source = read_source(name, content)
    if not isinstance(source, Source):
        return source
    if not isinstance(source.value, dict):
        return [Problem("C105", "a project file holds a mapping", "begin it with `project: NAME`", file=name)]
    try:
        return ProjectFile(folder, source, Project.model_validate(filled_in(source.value, environment)))
    except ValidationError as failure:
        return shape_problems(source, Project, failure)


def filled_in(value: Value, environment: Mapping[str, str]) -> Value:
    """
    *value* with `${NAME}` and `${NAME:-default}` read from the environment.

    A variable that is not set stays as written: whoever needs it says so
    (`unset_variable`), so that checking files needs no secrets.

    >>> filled_in("smtp://${USER:-nobody}@${HOST}", {"HOST": "mail.example"})
    'smtp://nobody@mail.example'
    """
    if isinstance(value, dict):
        return {key: filled_in(inner, environment) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled_in(inner, environment) for inner in value]
    if "${" not in value:
        return value
    text = _VARIABLE.sub(lambda found: environment.get(found[1]) or (found[0] if found[2] is None else found[2]), value)
    return Plain(text) if isinstance(value, Plain) else text


def unset_variable(text: str) -> str | None:
    """The name of the first variable that *text* needs and the environment lacks."""
    found = _VARIABLE.search(text)
    return found[1] if found else None


def unset_variables(value: object) -> list[str]:
    """The names of all variables that *value*, a text or a nest of texts, needs and the environment lacks."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return list(dict.fromkeys(name for inner in value for name in unset_variables(inner)))
    return [found[1] for found in _VARIABLE.finditer(value)] if isinstance(value, str) else []
