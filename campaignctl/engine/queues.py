"""What one step still has to send, read ahead a little, and when it may go on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from campaignctl.campaign.steps.effects import Deliver
from campaignctl.campaign.steps.email import Email, EmailStep
from campaignctl.campaign.steps.export import ExportStep
from campaignctl.campaign.steps.sms import Sms, SmsStep
from campaignctl.campaign.steps.union import every_step
from campaignctl.campaign.steps.webhook import WebhookStep
from campaignctl.campaign.when import zone_named
from campaignctl.engine.destinations import Destinations, domain_of
from campaignctl.engine.making import (
    Maker,
    Packer,
    country_of,
    email_maker,
    export_makers,
    request_makers,
    text_maker,
)
from campaignctl.engine.messages import Messages
from campaignctl.engine.rules import SendingRules
from campaignctl.flow.rates import FrequencyCap, Rate
from campaignctl.flow.windows import Hours, Opening
from campaignctl.message.sandbox import RenderError
from campaignctl.ports import Candidate, Cohort, Outgoing, Store

_BATCH: Final = 500
_BATCHES: Final = 8  # of requests about many contacts, which are read whole


@dataclass
class Choice:
    """What of a queue goes now, and what has to wait until when: it is night where that contact lives."""

    now: list[Candidate] = field(default_factory=list)
    later: list[tuple[Candidate, datetime]] = field(default_factory=list)


@dataclass(eq=False)
class StepQueue:
    """
    The deliveries of one step.

    `blocked_until` is when its rate or its hours let it go on. `has_moved` says
    that since it was last read something of it was claimed, skipped or put off.
    """

    cohort: Cohort
    messages: Messages
    opening: Opening
    rate: Rate | None
    zone_attribute: str | None
    channel: str
    make: Maker
    destination: Callable[[Candidate], str]
    cap: FrequencyCap | None = None
    checks_numbers: bool = False  # `make` finds numbers that may be suppressed, whatever form the list has them in
    pack: Packer | None = None  # makes one request for each batch
    batch_size: int = 1
    ahead: deque[Candidate] = field(default_factory=deque)
    blocked_until: datetime | None = None
    has_moved: bool = True
    is_over: bool = False

    @classmethod
    def of(cls, cohort: Cohort, messages: Messages, rules: SendingRules) -> StepQueue:
        """The queue of a step, with its own rate and window and the project's quiet hours."""
        step = next(each for each in every_step(cohort.version.campaign.steps) if each.id == cohort.step.name)
        match step:
            case EmailStep(email=said):
                return cls._of_message(cohort, messages, rules, said, "email", email_maker(cohort, messages, rules))
            case SmsStep(sms=said):
                queue = cls._of_message(cohort, messages, rules, said, "sms", text_maker(cohort, messages, rules))
                return replace(queue, destination=country_of(rules.sms), checks_numbers=True)
            case WebhookStep(webhook=said):
                # It writes to a system, not to a person: it knows no night, and how often does not count.
                make, pack = request_makers(said, cohort, messages)
                rate = None if said.rate is None else Rate.parse(said.rate)
                effect = step.effect()
                return cls(
                    cohort, messages, Opening(), rate, None, effect.channel, make, _one_destination,
                    pack=pack, batch_size=effect.batch or 1,
                )  # fmt: skip
            case ExportStep(export=handed_on) if isinstance(handing := step.effect(), Deliver):
                make, pack = export_makers(handed_on, cohort, rules.sms.country)
                return cls(
                    cohort, messages, Opening(), None, None, handing.channel, make, _one_destination,
                    checks_numbers=True, pack=pack, batch_size=handing.batch or 1,
                )  # fmt: skip
            case _:
                raise TypeError(f"`{cohort.step.verb}` sends nothing")

    @classmethod
    def _of_message(
        cls,
        cohort: Cohort,
        messages: Messages,
        rules: SendingRules,
        said: Email | Sms,
        channel: str,
        make: Maker,
    ) -> StepQueue:
        return cls(
            cohort,
            messages,
            Opening(None if said.window is None else Hours.parse(said.window), rules.quiet),
            None if said.rate is None else Rate.parse(said.rate),
            cohort.version.content.contacts.timezone,
            channel,
            make,
            _domain_of,
            rules.cap,
        )

    @property
    def rate_of_contacts(self) -> Rate | None:
        """How many contacts the rate lets through, where it counts requests about many."""
        return None if self.rate is None else Rate(self.rate.messages * self.batch_size, self.rate.period)

    def units(self, candidates: Sequence[Candidate]) -> int:
        """How many messages, or requests, these are."""
        return len(candidates) if self.pack is None else len({candidate.batch for candidate in candidates})

    def packed(self, batch: Sequence[Candidate]) -> Outgoing | RenderError:
        """The request about these contacts."""
        if self.pack is None:
            raise TypeError("this step makes no batches")
        return self.pack(batch)

    def refill(self, store: Store, now: datetime) -> None:
        """
        Read on where nothing is left of what was read.

        What was claimed is not read again. Where nothing could be claimed of
        all that was read, the rest has to wait for another pass.
        """
        if self.ahead or self.is_over:
            return
        if self.has_moved:
            with store.reading() as ledger:
                if self.pack is None:
                    self.ahead.extend(ledger.candidates(self.cohort, _BATCH, now))
                else:
                    self.ahead.extend(ledger.batch_candidates(self.cohort, _BATCHES, now))
        self.has_moved = False
        self.is_over = not self.ahead

    def may_go_on(self, now: datetime) -> bool:
        """Whether its hours and its rate let it send; when not, `blocked_until` says when they do."""
        if self.blocked_until is not None and now < self.blocked_until:
            return False
        self.blocked_until = None
        # With a zone for each contact, quiet hours are each contact's own.
        opening = Opening(self.opening.window) if self.zone_attribute else self.opening
        opens_at = opening.next_open(now, self.cohort.version.zone)
        if opens_at != now:
            self.blocked_until = opens_at or now + timedelta(days=1)
        return self.blocked_until is None

    def choose(self, room: int, now: datetime, destinations: Destinations) -> Choice:
        """Take as many as there is room for, leaving those whose domain has enough at once."""
        if self.pack is not None:
            return self._choose_batches(room, destinations)
        choice = Choice()
        passed: list[Candidate] = []
        while self.ahead and len(choice.now) < room:
            candidate = self.ahead.popleft()
            domain = self.destination(candidate)
            quiet_until = self._quiet_until(candidate, now)
            if quiet_until is not None:
                choice.later.append((candidate, quiet_until))
            elif destinations.has_room(domain):
                destinations.began(domain)
                choice.now.append(candidate)
            else:
                passed.append(candidate)
        self.give_back(passed)
        return choice

    def _choose_batches(self, room: int, destinations: Destinations) -> Choice:
        """Take as many whole batches as there is room for."""
        choice = Choice()
        for _, of_batch in groupby(tuple(self.ahead), lambda candidate: candidate.batch):
            if room == 0:
                break
            batch = list(of_batch)
            choice.now += batch
            room -= 1
        for candidate in choice.now:
            self.ahead.popleft()
            destinations.began(self.destination(candidate))
        return choice

    def give_back(self, candidates: Sequence[Candidate]) -> None:
        """They are next again."""
        self.ahead.extendleft(reversed(candidates))

    def _quiet_until(self, candidate: Candidate, now: datetime) -> datetime | None:
        """When the night of a contact with a zone of its own ends; None by day."""
        if self.zone_attribute is None or self.opening.quiet is None:
            return None
        zone = _zone_of(candidate.values.get(self.zone_attribute), self.cohort.version.zone)
        opens_at = Opening(quiet=self.opening.quiet).next_open(now, zone)
        return None if opens_at == now else opens_at or now + timedelta(days=1)


def _domain_of(candidate: Candidate) -> str:
    return domain_of(candidate.address)


def _one_destination(_candidate: Candidate) -> str:
    """An endpoint is one place, whoever the request is about."""
    return ""


def _zone_of(value: object, otherwise: ZoneInfo) -> ZoneInfo:
    """The zone that an attribute names; the campaign's where it names none."""
    try:
        return zone_named(str(value))
    except ValueError:
        return otherwise
