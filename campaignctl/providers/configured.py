"""The providers that a project names, ready to read their requests."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from campaignctl.errors import ChannelError
from campaignctl.project import Project, unset_variables
from campaignctl.providers.brevo import Brevo
from campaignctl.providers.event import ProviderEvent
from campaignctl.providers.mailgun import Mailgun
from campaignctl.providers.postmark import Postmark
from campaignctl.providers.request import ProviderRequest
from campaignctl.providers.sendgrid import SendGrid
from campaignctl.providers.ses import Ses
from campaignctl.providers.sns import Fetch
from campaignctl.providers.twilio import Twilio


class Provider(Protocol):
    """Reads the requests of one provider, and refuses those of others."""

    def events(self, request: ProviderRequest, now: datetime) -> list[ProviderEvent]: ...


def provider_of(name: str, project: Project, fetch: Fetch) -> Provider | None:
    """
    The provider that the project calls *name*; None where it names none, or one that is read in another way.

    Raises:
        ChannelError: its settings cannot be used.
    """
    require_variables(name, project)
    try:
        return _provider(name, project, fetch)
    except ValueError as failure:
        raise ChannelError(
            "D143", f"the key of `{name}` cannot be used: {failure}", f"check `providers.{name}` in campaignctl.yaml"
        ) from failure


def require_variables(name: str, project: Project) -> None:
    """
    Nothing is verified with the name of a variable in place of its value.

    Raises:
        ChannelError: one is not set.
    """
    named = project.providers.model_dump(exclude_none=True)
    for missing in unset_variables(named.get(name)):
        raise ChannelError(
            "D101", f"the environment variable `{missing}` is not set", "set it, or leave the provider out"
        )


def _provider(name: str, project: Project, fetch: Fetch) -> Provider | None:
    named = project.providers
    if name == "ses" and named.ses:
        return Ses(named.ses.topic, fetch)
    if name == "sendgrid" and named.sendgrid:
        return SendGrid(named.sendgrid.public_key)
    if name == "postmark" and named.postmark:
        return Postmark(named.postmark.token)
    if name == "mailgun" and named.mailgun:
        return Mailgun(named.mailgun.signing_key)
    if name == "brevo" and named.brevo:
        return Brevo(named.brevo.token)
    if name == "twilio" and named.twilio:
        return Twilio(named.twilio.auth_token, project.public_url or "")
    return None
