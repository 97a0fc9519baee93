"""`email`: one message to every contact of the cohort."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from campaignctl.campaign.fields import (
    AS_MAPPING,
    AS_TEXT,
    BY_KIND,
    Flag,
    Model,
    Name,
    Rate,
    Share,
    Text,
    Window,
)
from campaignctl.campaign.steps.base import Gate, StepBase, VariantTest
from campaignctl.campaign.steps.effects import Deliver


class BodyPair(Model):
    """An HTML and a text template of the same message."""

    html: Text = Field(description="The template of the HTML part.", examples=["emails/launch.html"])
    text: Text | None = Field(
        None,
        description="The template of the text part; made from the HTML when left out.",
        examples=["emails/launch.txt"],
    )


class Track(Model):
    """What is measured."""

    opens: Flag = Field(False, description="Whether opens are measured with a hidden image.")
    clicks: Flag = Field(False, description="Whether links are replaced by ones that count.")


Body = Annotated[Annotated[Text, AS_TEXT] | Annotated[BodyPair, AS_MAPPING], BY_KIND] | None


class EmailVariant(Model):
    """One of several forms of the message."""

    name: Name = Field(description="The variant's name.", examples=["a"])
    share: Share | None = Field(None, description="Its part of the cohort; evenly where left out.", examples=["50%"])
    subject: Text | None = Field(None, description="Its own subject.", examples=["Up to -50%"])
    body: Body = Field(None, description="Its own body.", examples=["emails/short.md"])
    preheader: Text | None = Field(None, description="Its own preview text.", examples=["Until Sunday"])
    from_: Text | None = Field(None, alias="from", description="Its own sender.", examples=["Shop <news@shop.example>"])


class Email(Model):
    """A message by e-mail."""

    subject: Text | None = Field(None, description="The subject, a template.", examples=["Our spring sale is open"])
    body: Body = Field(
        None,
        description="The template: a `.md`, `.html`, `.mjml` or `.txt` file, or `{html: …, text: …}`.",
        examples=["emails/sale.md"],
    )
    from_: Text | None = Field(
        None,
        alias="from",
        description="Who it is from; the project's `sender` otherwise.",
        examples=["Shop <news@shop.example>"],
    )
    reply_to: Text | None = Field(None, description="Where answers go.", examples=["help@shop.example"])
    preheader: Text | None = Field(
        None, description="The line that mail programs show beside the subject, a template.", examples=["Until Sunday"]
    )
    headers: dict[str, Text] = Field(
        {}, description="Further headers; their values are templates.", examples=[{"X-Campaign": "spring"}]
    )
    attachments: list[Text] = Field([], description="Files that go with every copy.", examples=[["files/terms.pdf"]])
    track: Track | None = Field(None, description="Whether opens and clicks are measured.")
    topic: Name | None = Field(None, description="The topic that a contact may unsubscribe from.", examples=["offers"])
    rate: Rate | None = Field(None, description="At most so many messages a period.", examples=["200/s"])
    window: Window | None = Field(
        None, description="Only at these hours of the campaign's zone.", examples=["09:00-18:00"]
    )
    gate: Gate | None = Field(None, description="Another system looks at the deliveries before they leave.")
    variants: list[EmailVariant] = Field([], min_length=2, description="Several forms of the message.")
    test: VariantTest | None = Field(None, description="How the best variant is found.")


class EmailStep(StepBase):
    """One e-mail to every contact."""

    email: Email = Field(description="The message.")

    def effect(self) -> Deliver:
        return Deliver("email", gate=self.email.gate)
