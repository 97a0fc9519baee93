"""What one step still has to send, read ahead a little, and when it may go on."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from campaignctl.campaign.steps.email import EmailStep
from campaignctl.campaign.steps.union import every_step
from campaignctl.campaign.when import zone_named
from campaignctl.engine.destinations import Destinations, domain_of
from campaignctl.engine.messages import Messages
from campaignctl.engine.rules import SendingRules
from campaignctl.flow.rates import Rate
from campaignctl.flow.windows import Hours, Opening
from campaignctl.ports import Candidate, Cohort, Store

_BATCH: Final = 500


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
    ahead: deque[Candidate] = field(default_factory=deque)
    blocked_until: datetime | None = None
    has_moved: bool = True
    is_over: bool = False

    @classmethod
    def of(cls, cohort: Cohort, messages: Messages, rules: SendingRules) -> StepQueue:
        """The queue of a step, with its own rate and window and the project's quiet hours."""
        email = next(
            step.email
            for step in every_step(cohort.version.campaign.steps)
            if isinstance(step, EmailStep) and step.id == cohort.step.name
        )
        return cls(
            cohort,
            messages,
            Opening(None if email.window is None else Hours.parse(email.window), rules.quiet),
            None if email.rate is None else Rate.parse(email.rate),
            cohort.version.content.contacts.timezone,
        )

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
                self.ahead.extend(ledger.candidates(self.cohort, _BATCH, now))
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
        choice = Choice()
        passed: list[Candidate] = []
        while self.ahead and len(choice.now) < room:
            candidate = self.ahead.popleft()
            domain = domain_of(candidate.address)
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


def _zone_of(value: object, otherwise: ZoneInfo) -> ZoneInfo:
    """The zone that an attribute names; the campaign's where it names none."""
    try:
        return zone_named(str(value))
    except ValueError:
        return otherwise
