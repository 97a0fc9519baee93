"""What the project file says of providers that tell what happened with messages."""

from __future__ import annotations

from pydantic import Field

from campaignctl.campaign.fields import Model, Text


class Ses(Model):
    """Amazon SES, over a topic of SNS."""

    topic: Text = Field(
        description="The ARN of the topic that brings events.",
        examples=["arn:aws:sns:eu-west-1:123456789012:mail-events"],
    )


class SendGrid(Model):
    """SendGrid's Event Webhook."""

    public_key: Text = Field(
        description="The verification key of the signed webhook, as SendGrid shows it.",
        examples=["${SENDGRID_PUBLIC_KEY}"],
    )


class Postmark(Model):
    """Postmark's webhooks."""

    token: Text = Field(description="What its requests carry as a password.", examples=["${POSTMARK_HOOK_TOKEN}"])


class Mailgun(Model):
    """Mailgun's webhooks."""

    signing_key: Text = Field(description="The HTTP webhook signing key.", examples=["${MAILGUN_SIGNING_KEY}"])


class Brevo(Model):
    """Brevo's webhooks."""

    token: Text = Field(description="What its requests carry as a bearer token.", examples=["${BREVO_HOOK_TOKEN}"])


class Twilio(Model):
    """Twilio's status callbacks and incoming messages."""

    auth_token: Text = Field(description="The account's primary token.", examples=["${TWILIO_AUTH_TOKEN}"])


class Generic(Model):
    """Any system that signs as Standard Webhooks says."""

    secret: Text = Field(description="What its requests are signed with.", examples=["${EVENTS_SECRET}"])


class Providers(Model):
    """Who tells what happened with messages, at `/hooks/NAME` of the service."""

    ses: Ses | None = Field(None, description="Amazon SES.")
    sendgrid: SendGrid | None = Field(None, description="SendGrid.")
    postmark: Postmark | None = Field(None, description="Postmark.")
    mailgun: Mailgun | None = Field(None, description="Mailgun.")
    brevo: Brevo | None = Field(None, description="Brevo.")
    twilio: Twilio | None = Field(None, description="Twilio.")
    generic: Generic | None = Field(None, description="Events in the form of `events import`.")

    @property
    def names(self) -> list[str]:
        """Those that the project names."""
        return [name for name in Providers.model_fields if getattr(self, name) is not None]
