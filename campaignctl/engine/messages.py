"""From a published version and a contact to a finished message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.email import BodyPair, Email, EmailStep
from campaignctl.campaign.steps.sms import SmsStep
from campaignctl.campaign.steps.union import every_step
from campaignctl.campaign.steps.webhook import WebhookStep
from campaignctl.campaign.version import Version, file_ending
from campaignctl.errors import RefusedError
from campaignctl.message.body import bodies_of
from campaignctl.message.content import Attachment, Body, EmailContent, Recipient, RenderedEmail, Surroundings
from campaignctl.message.email import EmailTemplate
from campaignctl.message.links import Signer, StepLinks
from campaignctl.message.metering import TemplateSyntaxProblem
from campaignctl.message.request import RequestTemplate
from campaignctl.message.text import RenderedText, SmsRules, TextTemplate
from campaignctl.message.tracked import with_counted_links
from campaignctl.ports import Candidate, LiveCampaign

_Step = TypeVar("_Step", bound=StepBase)
_FORMATS: Final = {"md": "md", "html": "html", "htm": "html", "mjml": "mjml", "txt": "txt"}


def content_of(email: Email, version: Version) -> EmailContent:
    """The frozen texts of one message."""
    return EmailContent(
        subject=email.subject or "",
        bodies=_bodies(email, version),
        sender=email.from_ or version.content.sender or "",
        reply_to=email.reply_to,
        preheader=email.preheader,
        headers=email.headers,
        attachments=tuple(Attachment(path.rsplit("/", 1)[-1], version.files[path]) for path in email.attachments),
        tracks_opens=email.track is not None and email.track.opens,
        tracks_clicks=email.track is not None and email.track.clicks,
    )


def _bodies(email: Email, version: Version) -> tuple[Body, ...]:
    match email.body:
        case BodyPair(html=html, text=None):
            paths = [html]
        case BodyPair(html=html, text=str(text)):
            paths = [html, text]
        case str(path):
            paths = [path]
        case _:
            paths = []
    return tuple(
        Body(path, _FORMATS[file_ending(path)], version.files[path].decode("utf-8-sig"))  # type: ignore[arg-type] # the rules let only these endings pass
        for path in paths
    )


def counted_links(version: Version) -> Iterator[tuple[str, Mapping[int, str]]]:
    """
    Of each step that counts clicks: its id, and where the links of its message lead, by their numbers.

    Raises:
        RefusedError: the message cannot be read.
    """
    for step in every_step(version.campaign.steps):
        if isinstance(step, EmailStep) and step.email.track is not None and step.email.track.clicks:
            content = content_of(step.email, version)
            try:
                bodies = bodies_of(content.bodies, content.preheader or "")
            except TemplateSyntaxProblem as problem:
                raise RefusedError("C404", f"the message of `{step.id}`: {problem.message}", "mend it") from problem
            _, links = with_counted_links(bodies, version.content.public_url or "")
            yield step.id, links.numbered()


def surroundings_of(version: Version, step: str) -> Surroundings:
    """What is the same in every copy of a step's message."""
    content, topic = version.content, version.topic_of(step)
    return Surroundings(
        campaign=version.name,
        title=content.campaign.title or content.campaign.campaign,
        step=step,
        list_name=content.campaign.list_name,
        project=content.project,
        postal_address=content.postal_address or "",
        public_url=content.public_url or "",
        topic="" if topic is None else topic.name,
    )


class Messages:
    """
    The compiled messages of one version.

    Where the version has a `public_url`, *signer* makes each contact's links
    to it; without one, the way to unsubscribe is by mail.
    """

    def __init__(self, version: Version, signer: Signer | None = None) -> None:
        self.version = version
        self._signer = signer
        self._phone = version.content.contacts.phone or ""
        self._templates: dict[str, EmailTemplate] = {}
        self._texts: dict[str, TextTemplate] = {}
        self._requests: dict[str, RequestTemplate] = {}

    def template(self, campaign: LiveCampaign, step: str) -> EmailTemplate:
        """The compiled message of an e-mail step."""
        if step not in self._templates:
            email = self._said(step, EmailStep).email
            content = content_of(email, self.version)
            links = self._links(campaign, step)
            if not any(each.name == step for each in campaign.steps):
                # A trial is of no step of the store: what would be counted of it has no place.
                content = replace(content, tracks_opens=False, tracks_clicks=False)
            self._templates[step] = EmailTemplate(content, surroundings_of(self.version, step), links)
        return self._templates[step]

    def _links(self, campaign: LiveCampaign, step: str) -> StepLinks | None:
        public_url = self.version.content.public_url
        if not public_url or self._signer is None:
            return None
        # A preview is of no step of the store; nothing is numbered 0 there.
        step_id = next((each.id for each in campaign.steps if each.name == step), 0)
        return StepLinks(public_url, self._signer, step_id)

    def render(self, campaign: LiveCampaign, step: str, candidate: Candidate) -> RenderedEmail:
        """
        The message of *step* for one contact.

        Raises:
            RenderError: the template cannot be filled in for this contact.
        """
        template = self._templates.get(step) or self.template(campaign, step)
        return template.finished(
            delivery_key(campaign, step, candidate), candidate.address or "", self._contact(candidate),
            candidate.made_at, contact_id=candidate.contact_id, data=candidate.data, gate=candidate.gate,
        )  # fmt: skip

    def text(self, campaign: LiveCampaign, step: str, candidate: Candidate, rules: SmsRules) -> RenderedText:
        """
        The text message of *step* for one contact.

        Raises:
            RenderError: it must not, or cannot, be made for this contact.
        """
        if step not in self._texts:
            sms = self._said(step, SmsStep).sms
            self._texts[step] = TextTemplate(
                sms.text or "", sms.from_, surroundings_of(self.version, step), rules, self._links(campaign, step)
            )
        return self._texts[step].finished(self._not_by_mail(campaign, step, candidate))

    def request(self, campaign: LiveCampaign, step: str, candidates: Sequence[Candidate]) -> bytes:
        """
        The body of a request about these contacts.

        Raises:
            RenderError: the template cannot be filled in for them.
        """
        if step not in self._requests:
            webhook = self._said(step, WebhookStep).webhook
            source = None if webhook.body is None else self.version.files[webhook.body].decode("utf-8-sig")
            self._requests[step] = RequestTemplate(
                webhook.body or "", source, surroundings_of(self.version, step), is_batch=webhook.per == "batch"
            )
        return self._requests[step].finished([self._not_by_mail(campaign, step, each) for each in candidates])

    def _not_by_mail(self, campaign: LiveCampaign, step: str, candidate: Candidate) -> Recipient:
        """A contact whose address here is a number, or none, and whose e-mail address is one attribute of many."""
        found = self.recipient(campaign, step, candidate)
        email = candidate.values.get(self.version.content.contacts.email or "")
        return replace(found, contact={**found.contact, "email": email})

    def _said(self, step: str, kind: type[_Step]) -> _Step:
        """What the version says about a step of this verb."""
        return next(
            each for each in every_step(self.version.campaign.steps) if isinstance(each, kind) and each.id == step
        )

    def surroundings(self, step: str) -> Surroundings:
        return surroundings_of(self.version, step)

    def recipient(self, campaign: LiveCampaign, step: str, candidate: Candidate) -> Recipient:
        """A contact as the templates of `set` see it."""
        return Recipient(
            key=delivery_key(campaign, step, candidate),
            address=candidate.address or "",
            contact=self._contact(candidate),
            made_at=candidate.made_at,
            data=candidate.data,
            gate=candidate.gate,
            contact_id=candidate.contact_id,
        )

    def _contact(self, candidate: Candidate) -> dict[str, object]:
        values = candidate.values
        return {
            **values, "id": candidate.contact_key, "email": candidate.address, "phone": values.get(self._phone),
        }  # fmt: skip


def delivery_key(campaign: LiveCampaign, step: str, candidate: Candidate) -> str:
    """
    What names a delivery everywhere: a function of seed, step and contact.

    Message-ID, boundaries and the outbox's file name come from it.
    """
    return f"{campaign.name}/{step}/{candidate.contact_key}/{campaign.seed}"
