"""What can be known of a campaign before it is published: its audience, its gaps, a message of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Final

from sqlalchemy import func, select

from campaignctl.campaign.attribute import AttributeValue
from campaignctl.campaign.model import SegmentStarter
from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.email import EmailStep
from campaignctl.campaign.steps.sms import SmsStep
from campaignctl.campaign.steps.union import every_step
from campaignctl.campaign.version import Version
from campaignctl.diagnostics import listed
from campaignctl.engine.messages import Messages
from campaignctl.engine.occurring import starts_of
from campaignctl.errors import RefusedError
from campaignctl.flow.occurrences import occurrence
from campaignctl.flow.states import CampaignState
from campaignctl.flow.tree import stops
from campaignctl.message.content import RenderedEmail
from campaignctl.message.gate_values import assumed_values
from campaignctl.message.links import Signer
from campaignctl.message.text import RenderedText, SmsRules
from campaignctl.ports import Candidate, LiveCampaign
from campaignctl.store.ledger import SqlLedger
from campaignctl.store.lists import KEY_COLUMN, contact_by_key, contact_values, known_list
from campaignctl.store.members import audience_of
from campaignctl.store.reasons import reason_to_skip

_NAME_ONE: Final = "name a contact with `--contact`"


@dataclass(frozen=True)
class Audience:
    """Who would take part: how many, how long it took to find them, and some of them."""

    count: int
    seconds: float
    sample: Sequence[Mapping[str, AttributeValue]]
    least_gap_seconds: int | None


def audience(ledger: SqlLedger, version: Version, now: datetime, sample: int) -> Audience:
    """
    The contacts that would take part if the campaign started now.

    Raises:
        RefusedError: a request brings them, or the list has none.
    """
    if not isinstance(version.campaign.starter, SegmentStarter):
        raise RefusedError("P108", "an API campaign has no audience before its request", "see the request's answer")
    contacts = known_list(ledger.connection, version.campaign.list_name)
    matching = audience_of(version, contacts, now)
    began = perf_counter()
    count = ledger.connection.scalars(select(func.count()).select_from(matching.subquery())).one()
    seconds = perf_counter() - began
    rows = ledger.connection.execute(
        select(contacts.table).where(contacts.table.c.id.in_(matching)).order_by(contacts.table.c.id).limit(sample)
    )
    return Audience(count, seconds, [contact_values(contacts, row) for row in rows], least_gap(_next(version, now)))


def _next(version: Version, now: datetime) -> Version:
    """The version itself, or what a recurring one is at its next start, where there is one."""
    if version.campaign.every is None:
        return version
    start = next(starts_of(version, now), None)
    return version if start is None else occurrence(version, start, version.name)


def least_gap(version: Version) -> int | None:
    """The shortest time between a step and the one before it on its way, in seconds; None with fewer than two."""
    places = stops(version.campaign)
    timed = {stop.id: stop.step.instant_in(version.zone) for stop in places}
    at = {name: at for name, at in timed.items() if at is not None}
    gaps = [
        int((at[stop.id] - max(at[name] for name in stop.before if name in at)).total_seconds())
        for stop in places
        if stop.id in at and any(name in at for name in stop.before)
    ]
    return min(gaps, default=None)


def some_member(ledger: SqlLedger, version: Version, now: datetime) -> str:
    """
    The key of a contact that would take part now.

    Raises:
        RefusedError: nobody would.
    """
    contacts = known_list(ledger.connection, version.campaign.list_name)
    if not isinstance(version.campaign.starter, SegmentStarter):
        raise RefusedError("P128", "an API campaign has no audience before its request", _NAME_ONE)
    keys = select(contacts.table.c[KEY_COLUMN]).where(contacts.table.c.id.in_(audience_of(version, contacts, now)))
    key = ledger.connection.scalar(keys.order_by(contacts.table.c.id).limit(1))
    if key is None:
        raise RefusedError("P128", "nobody would take part as things are", _NAME_ONE)
    return str(key)


def previewed(
    ledger: SqlLedger,
    version: Version,
    step: str,
    contact_key: str,
    now: datetime,
    *,
    address: str | None = None,
    seed: str = "preview",
) -> RenderedEmail:
    """
    The message of *step* as one contact would get it now, at another *address* where one is given.

    Its Message-ID is made of the *seed*, as a campaign's are.

    Raises:
        RefusedError: there is no such e-mail step, or no such contact.
        RenderError: the template cannot be filled in.
    """
    _refuse_another_verb(version, step, EmailStep, "e-mail step")
    candidate = _candidate(ledger, version, contact_key, now, version.content.contacts.email, address)
    return _trial_messages(ledger, version).render(_trial(version, seed, now), step, candidate)


def would_be_skipped(ledger: SqlLedger, version: Version, step: str, contact_key: str, now: datetime) -> str:
    """Why the e-mail of *step* would not be sent to one contact now; empty where it would."""
    contacts = known_list(ledger.connection, version.campaign.list_name)
    row = contact_by_key(ledger.connection, contacts, contact_key)
    return "" if row is None else reason_to_skip(ledger.connection, version, contacts, step, row.id, now)


def previewed_text(
    ledger: SqlLedger,
    version: Version,
    step: str,
    contact_key: str,
    rules: SmsRules,
    now: datetime,
    *,
    number: str | None = None,
) -> RenderedText:
    """
    The text message of *step* as one contact would get it now, at another *number* where one is given.

    Raises:
        RefusedError: there is no such step, or no such contact.
        RenderError: the message cannot be made for this contact.
    """
    _refuse_another_verb(version, step, SmsStep, "step with a text message")
    candidate = _candidate(ledger, version, contact_key, now, version.content.contacts.phone, number)
    return _trial_messages(ledger, version).text(_trial(version, "preview", now), step, candidate, rules)


def is_text(version: Version, step: str) -> bool:
    """Whether the message of *step* is a text message."""
    return any(each.id == step and isinstance(each, SmsStep) for each in every_step(version.campaign.steps))


def _refuse_another_verb(version: Version, step: str, kind: type[StepBase], named: str) -> None:
    messages = [each.id for each in every_step(version.campaign.steps) if isinstance(each, EmailStep | SmsStep)]
    if not any(each.id == step and isinstance(each, kind) for each in every_step(version.campaign.steps)):
        hint = f"there is {listed(messages, 'and')}" if messages else "the campaign has none"
        raise RefusedError("P109", f"`{step}` is no {named} of the campaign", hint)


def _candidate(
    ledger: SqlLedger, version: Version, key: str, now: datetime, attribute: str | None, address: str | None
) -> Candidate:
    """One contact, as the delivery loop has it."""
    contacts = known_list(ledger.connection, version.campaign.list_name)
    row = contact_by_key(ledger.connection, contacts, key)
    if row is None:
        raise RefusedError("P111", f"the list `{contacts.name}` has no contact `{key}`", "check its key")
    values = contact_values(contacts, row)
    own = values.get(attribute) if attribute else None
    address = address or (None if own is None else str(own))
    return Candidate(row.id, key, address, values, now, 0, gate=assumed_values(version))


def _trial(version: Version, seed: str, now: datetime) -> LiveCampaign:
    name = version.campaign.list_name
    return LiveCampaign(0, version.name, name, seed, 0, CampaignState.ACTIVE, now, None, None, None, ())


def _trial_messages(ledger: SqlLedger, version: Version) -> Messages:
    keys = ledger.signing_keys() or [(0, b"a preview before the first key")]
    return Messages(version, Signer(*keys[0]))
