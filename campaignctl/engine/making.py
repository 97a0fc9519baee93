"""What each verb makes for a contact, or for a batch of contacts, ready for its channel."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence

from campaignctl.campaign.steps.export import Export
from campaignctl.campaign.steps.webhook import Webhook
from campaignctl.engine.exporting import person_of
from campaignctl.engine.messages import Messages, delivery_key
from campaignctl.engine.rules import SendingRules
from campaignctl.message.ad_lists import HEADERS, row_of
from campaignctl.message.phone import countries_of, normal_phone
from campaignctl.message.sandbox import RenderError
from campaignctl.message.sms_request import TextRequestTemplate
from campaignctl.message.text import SmsRules, as_document
from campaignctl.ports import Candidate, Cohort, Outgoing

Maker = Callable[[Candidate], Outgoing | RenderError]
Packer = Callable[[Sequence[Candidate]], Outgoing | RenderError]


def email_maker(cohort: Cohort, messages: Messages, rules: SendingRules) -> Maker:
    """Makes the e-mail of a step."""
    campaign, step = cohort.campaign, cohort.step.name

    def made(candidate: Candidate) -> Outgoing | RenderError:
        key = delivery_key(campaign, step, candidate)
        if not candidate.address:
            # Claiming finds out why it is not to be sent, and writes that down.
            return Outgoing(key, "", "", b"")
        try:
            message = messages.render(campaign, step, candidate)
        except RenderError as failure:
            return failure
        sender = message.envelope_sender
        if rules.return_path is not None:
            sender = rules.return_path.of(cohort.step.id, candidate.contact_id)
        content = rules.leaving(message.content, cohort.step.id, candidate.contact_id, candidate.made_at)
        return Outgoing(key, sender, message.recipient, content)

    return made


def text_maker(cohort: Cohort, messages: Messages, rules: SendingRules) -> Maker:
    """Makes the text message of a step, as a document that says who gets what."""
    campaign, step = cohort.campaign, cohort.step.name
    request = None if rules.sms.request is None else TextRequestTemplate(*rules.sms.request)

    def made(candidate: Candidate) -> Outgoing | RenderError:
        key = delivery_key(campaign, step, candidate)
        if not candidate.address:
            return Outgoing(key, "", "", b"")
        try:
            message = messages.text(campaign, step, candidate, rules.sms)
            told = {"campaign": campaign.name, "step": step, "contact": candidate.contact_key}
            if rules.callbacks is not None:
                told["callback"] = rules.callbacks.of(cohort.step.id, candidate.contact_id)
            content = as_document(message, request, **told)
        except RenderError as failure:
            return failure
        return Outgoing(key, message.sender, message.recipient, content)

    return made


def request_makers(webhook: Webhook, cohort: Cohort, messages: Messages) -> tuple[Maker, Packer | None]:
    """Makes the requests of a step: each at once, or, for batches, when it is known who is in them."""
    campaign, step = cohort.campaign, cohort.step.name

    def made(candidate: Candidate) -> Outgoing | RenderError:
        key = delivery_key(campaign, step, candidate)
        try:
            content = messages.request(campaign, step, [candidate])
        except RenderError as failure:
            return failure
        return Outgoing(key, "", "", content)

    def waits(candidate: Candidate) -> Outgoing:
        return Outgoing(delivery_key(campaign, step, candidate), "", "", b"")

    def packed(batch: Sequence[Candidate]) -> Outgoing | RenderError:
        try:
            content = messages.request(campaign, step, batch)
        except RenderError as failure:
            return failure
        return Outgoing(_batch_key(campaign.name, step, campaign.seed, batch), "", "", content)

    return (made, None) if webhook.per == "contact" else (waits, packed)


def export_makers(export: Export, cohort: Cohort, country: str | None) -> tuple[Maker, Packer]:
    """
    Makes the requests that hand people to a network, as documents: which rows, of which batch of which upload.

    Whoever the network could not know is no part of any. The recipient of a
    message is the number, by which somebody may be suppressed as well.
    """
    campaign, step = cohort.campaign, cohort.step.name
    upload = hashlib.sha256(f"{campaign.name}/{step}/{campaign.seed}".encode()).digest()
    session = int.from_bytes(upload[:8]) >> 1  # networks count in 63 bits

    def made(candidate: Candidate) -> Outgoing | RenderError:
        person = person_of(cohort, candidate, country)
        try:
            row_of(export.format, person)
        except RenderError as failure:
            return failure
        return Outgoing(delivery_key(campaign, step, candidate), "", person["phone"], b"")

    def packed(batch: Sequence[Candidate]) -> Outgoing:
        document = {
            "format": export.format,
            "header": HEADERS[export.format],
            "rows": [row_of(export.format, person_of(cohort, each, country)) for each in batch],
            "session": session,
            "batch": batch[0].batch + 1,
            "people": cohort.step.cohort,
            "audience": export.audience,
            "advertiser": export.advertiser,
        }
        key = _batch_key(campaign.name, step, campaign.seed, batch)
        return Outgoing(key, "", "", json.dumps(document, ensure_ascii=False).encode())

    return made, packed


def _batch_key(campaign: str, step: str, seed: str, batch: Sequence[Candidate]) -> str:
    """
    What names a request about many: the same at each try for the same contacts.

    Who must not be told of any more is left out at a later try. That is
    another request, and the other side must not take it for the one before.
    """
    contacts = "\0".join(candidate.contact_key for candidate in batch)
    digest = hashlib.sha256(contacts.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{campaign}/{step}/batch-{batch[0].batch}-{digest}/{seed}"


def country_of(rules: SmsRules) -> Callable[[Candidate], str]:
    """Where a text message goes, as far as networks differ: its country."""

    def country(candidate: Candidate) -> str:
        number = normal_phone(candidate.address or "", rules.country)
        return "" if number is None else ",".join(sorted(countries_of(number)))

    return country
