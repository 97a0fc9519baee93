"""A plan: what publishing a file would change, when its steps would run, and what would go wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from campaignctl.campaign.fields import duration_text
from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.sms import SmsStep
from campaignctl.campaign.steps.union import SENDING_VERBS, every_step
from campaignctl.campaign.when import wall_text
from campaignctl.diagnostics import listed
from campaignctl.engine.rules import SendingRules
from campaignctl.flow.estimates import Size, busiest, cohort_sizes, duration, sends, tight_steps
from campaignctl.flow.states import CampaignState
from campaignctl.flow.tree import Turn
from campaignctl.message.sms import SmsSize, least_sms_size
from campaignctl.ports import LiveStep
from campaignctl.project import Project
from campaignctl.proposing import Proposal, needed_and_missing
from campaignctl.store.ledger import SqlLedger
from campaignctl.store.lists import ContactList, known_list, list_named
from campaignctl.store.members import audience_of
from campaignctl.store.shared import contacts_of, count_of, members_by_turn, shared


@dataclass(frozen=True)
class Planned:
    """
    One step of the timeline: how many members get to it, and how long its messages take by the rates.

    `sms` is the least size of a text message, of the longest variant.
    """

    step: LiveStep
    local: str | None
    size: Size
    messages: int
    duration: timedelta | None
    sms: SmsSize | None = None


@dataclass(frozen=True)
class Overlap:
    """Another campaign that writes to some of the same contacts at about the same time."""

    campaign: str
    contacts: int
    steps: Mapping[str, datetime]

    def before(self, at: datetime, per: timedelta) -> list[str]:
        """Its steps that send in the length of time before an instant."""
        return [step for step, when in self.steps.items() if at - per < when <= at]


@dataclass(frozen=True)
class Plan:
    """What would happen, and what to think about first."""

    proposal: Proposal
    timeline: tuple[Planned, ...]
    audience: int
    warnings: tuple[str, ...]
    overlaps: tuple[Overlap, ...]


def planned(ledger: SqlLedger, proposal: Proposal, project: Project, now: datetime) -> Plan:
    """
    The whole plan of a proposal; nothing is written.

    Raises:
        RefusedError: the list has no contacts.
    """
    version, live = proposal.version, proposal.live
    starts_by_request = version.starts_by_request
    find = list_named if starts_by_request else known_list
    contacts = find(ledger.connection, version.campaign.list_name)
    taken: Mapping[Turn, int] = {}
    if live is not None and live.started_at is not None:
        audience = live.members or 0
        if any(step.verb == "split" and step.has_begun for step in live.steps):
            taken = members_by_turn(ledger.connection, live)
    elif contacts is None:
        audience = 0
    else:
        audience = count_of(ledger.connection, audience_of(version, contacts, now))
    timeline = tuple(_timeline(proposal, project, cohort_sizes(version.campaign, audience, taken)))
    # Of a list that only a request will make, nobody gets anything else.
    overlaps = () if contacts is None else tuple(_overlaps(ledger, proposal, timeline, project.nearness, contacts, now))
    warnings = [] if audience or starts_by_request else ["nobody takes part as things are"]
    warnings += [
        f"publishing is refused: this version of campaignctl cannot run {what} ({where})"
        for where, what in needed_and_missing(version.campaign)
    ]
    warnings += map(_sms_told, (each for each in timeline if each.sms is not None))
    warnings += [*_tight(proposal, timeline), *_capped(proposal, timeline, project, overlaps)]
    return Plan(proposal, timeline, audience, tuple(warnings), overlaps)


def _timeline(proposal: Proposal, project: Project, sizes: Mapping[str, Size]) -> Iterator[Planned]:
    rules = SendingRules.of(project)
    written = {step.id: step for step in every_step(proposal.version.campaign.steps)}
    without_time = {change.step for change in proposal.refused if change.field in ("at", "step")}
    for live in proposal.steps:
        step, size = written[live.name], sizes[live.name]
        if live.name in without_time:
            live = replace(live, effective_at=None)
        if live.has_begun:
            size = Size(live.cohort or 0)
        messages = size.count if sends(step) else 0
        local = None if live.effective_at is None else wall_text(live.effective_at, proposal.version.zone)
        yield Planned(live, local, size, messages, duration(step, messages, rules.rate_of(live.verb)), _sms_size(step))


def _sms_size(step: StepBase) -> SmsSize | None:
    if not isinstance(step, SmsStep):
        return None
    texts = [step.sms.text, *(variant.text for variant in step.sms.variants)]
    return max((least_sms_size(text) for text in texts if text), key=lambda size: size.parts, default=None)


def _sms_told(each: Planned) -> str:
    assert each.sms is not None, "only of text messages"
    alphabet, units, parts = each.sms
    number = f"{parts} part{'' if parts == 1 else 's'}"
    return f"a message of `{each.step.name}` has {number} at least: {units} units of {alphabet}, and what is filled in"


def _starts(timeline: Iterable[Planned]) -> dict[str, datetime]:
    """When each step began, or is to."""
    times = ((each.step.name, each.step.started_at or each.step.effective_at) for each in timeline)
    return {name: at for name, at in times if at is not None}


def _tight(proposal: Proposal, timeline: Sequence[Planned]) -> Iterator[str]:
    begun = {each.step.name for each in timeline if each.step.has_begun}
    durations = {each.step.name: each.duration for each in timeline}
    for tight in tight_steps(proposal.version.campaign, _starts(timeline), durations):
        if tight.step not in begun:
            yield (
                f"`{tight.step}` comes {duration_text(tight.gap)} after `{tight.before}`, which is not done by then:"
                f" it would begin later; {duration_text(tight.least_gap)} between them would do"
            )


# other campaigns


def _overlaps(
    ledger: SqlLedger,
    proposal: Proposal,
    timeline: Sequence[Planned],
    per: timedelta,
    contacts: ContactList,
    now: datetime,
) -> Iterator[Overlap]:
    """Campaigns of the same list with messages so near to ours, as far as they share contacts with us."""
    coming = _starts(each for each in timeline if each.messages and not each.step.has_begun)
    mine = contacts_of(proposal.live, proposal.version, contacts, now)
    name, live = proposal.version.name, proposal.live
    for other in ledger.live_campaigns((CampaignState.ACTIVE, CampaignState.PAUSED, CampaignState.COMPLETED)):
        is_of_it = live is not None and other.series_id == live.id and not other.has_begun
        if other.name == name or is_of_it or other.list_name != contacts.name:
            continue
        times = (
            (step.name, step.started_at or step.effective_at) for step in other.steps if step.verb in SENDING_VERBS
        )
        near = {step: at for step, at in times if at and any(abs(at - own) < per for own in coming.values())}
        if not near:
            continue
        theirs = contacts_of(other, ledger.version(other, other.version), contacts, now)
        if count := shared(ledger.connection, mine, theirs):
            yield Overlap(other.name, count, near)


def _capped(
    proposal: Proposal, timeline: Sequence[Planned], project: Project, overlaps: Sequence[Overlap]
) -> Iterator[str]:
    """The steps at which the frequency cap would skip members who get everything on their way."""
    cap = project.send.frequency_cap
    if cap is None:
        return
    starts = _starts(timeline)
    own = busiest(proposal.version.campaign, starts, cap.per)
    for each in timeline:
        name = each.step.name
        if each.step.has_begun or name not in own:
            continue
        theirs = [overlap for overlap in overlaps if overlap.before(starts[name], cap.per)]
        number = own[name] + sum(len(overlap.before(starts[name], cap.per)) for overlap in theirs)
        if number > cap.messages:
            others = f", counting {listed([overlap.campaign for overlap in theirs], 'and')}" if theirs else ""
            yield (
                f"`{name}` may be message {number} in {duration_text(cap.per)} to a contact{others}:"
                f" the frequency cap is {cap.messages}, and who is above it is skipped"
            )
