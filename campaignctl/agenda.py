"""The agenda: what runs when, across all campaigns, and which messages come too near to each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import combinations

from campaignctl.campaign.steps.union import SENDING_VERBS
from campaignctl.campaign.version import Version
from campaignctl.engine.schedule import planned_steps
from campaignctl.flow.states import CampaignState
from campaignctl.ports import LiveCampaign
from campaignctl.project import Project
from campaignctl.recurring import unmade_occurrences
from campaignctl.store.ledger import SqlLedger
from campaignctl.store.shared import contacts_of, shared


@dataclass(frozen=True)
class Conflict:
    """A step of another campaign that writes to some of the same contacts at about the same time."""

    campaign: str
    step: str
    contacts: int


@dataclass(frozen=True)
class Entry:
    """A step at its time: when it began, or is to."""

    campaign: str
    title: str
    campaign_state: str
    step: str
    verb: str
    state: str
    at: datetime
    conflicts: tuple[Conflict, ...] = ()

    @property
    def sends(self) -> bool:
        return self.verb in SENDING_VERBS


def agenda(ledger: SqlLedger, project: Project, since: datetime, until: datetime, now: datetime) -> list[Entry]:
    """
    The steps of all campaigns from *since* on and before *until*, by time.

    Messages of two campaigns are in conflict where they go to some of the same
    contacts and are nearer to each other than the frequency cap's period, or a
    day where there is none. What was stopped conflicts with nothing.
    """
    campaigns = ledger.every_campaign()
    near = project.nearness
    # What lies outside of the asked time may be near to what lies inside.
    around = [entry for campaign in campaigns for entry in _entries(campaign, ledger, since - near, until + near)]
    known = {campaign.name: campaign for campaign in campaigns}
    for series in (campaign for campaign in campaigns if campaign.is_series):
        for version in unmade_occurrences(ledger, series, now, until + near):
            around += _planned_entries(version, series, since - near, until + near)
            known[version.name] = series  # its contacts are those that would take part now
    conflicts = _conflicts(around, _Shares(ledger, known, now), near)
    found = [replace(entry, conflicts=tuple(conflicts.get((entry.campaign, entry.step), ()))) for entry in around]
    return sorted((entry for entry in found if since <= entry.at < until), key=lambda entry: (entry.at, entry.campaign))


def _entries(campaign: LiveCampaign, ledger: SqlLedger, since: datetime, until: datetime) -> Sequence[Entry]:
    times = [(step, step.started_at or step.effective_at) for step in campaign.steps]
    inside = [(step, at) for step, at in times if at is not None and since <= at < until]
    if not inside:
        return ()
    title = ledger.version(campaign, campaign.version).campaign.title or ""
    return [Entry(campaign.name, title, campaign.state, step.name, step.verb, step.state, at) for step, at in inside]


def _planned_entries(version: Version, series: LiveCampaign, since: datetime, until: datetime) -> Iterator[Entry]:
    """The steps of an occurrence that is not in the store yet."""
    title = version.campaign.title or ""
    for step in planned_steps(version, since, timedelta(0)):
        if step.at is not None and since <= step.at < until:
            yield Entry(version.name, title, series.state, step.name, step.verb, step.state, step.at)


def _conflicts(entries: Sequence[Entry], shares: _Shares, near: timedelta) -> dict[tuple[str, str], list[Conflict]]:
    found: dict[tuple[str, str], list[Conflict]] = {}
    sending = [entry for entry in entries if entry.sends and entry.campaign_state != CampaignState.STOPPED]
    for one, other in combinations(sending, 2):
        if one.campaign == other.campaign or abs(one.at - other.at) >= near:
            continue
        if contacts := shares.of(one.campaign, other.campaign):
            found.setdefault((one.campaign, one.step), []).append(Conflict(other.campaign, other.step, contacts))
            found.setdefault((other.campaign, other.step), []).append(Conflict(one.campaign, one.step, contacts))
    return found


class _Shares:
    """How many contacts two campaigns share; asked once for each two."""

    def __init__(self, ledger: SqlLedger, campaigns: Mapping[str, LiveCampaign], now: datetime) -> None:
        self._ledger = ledger
        self._campaigns = campaigns
        self._now = now
        self._known: dict[frozenset[str], int] = {}

    def of(self, one: str, other: str) -> int:
        pair = frozenset((one, other))
        if pair not in self._known:
            self._known[pair] = self._counted(self._campaigns[one], self._campaigns[other])
        return self._known[pair]

    def _counted(self, one: LiveCampaign, other: LiveCampaign) -> int:
        if one.list_name != other.list_name:
            return 0
        contacts = self._ledger.contact_list(one)
        mine, theirs = (
            contacts_of(each, self._ledger.version(each, each.version), contacts, self._now) for each in (one, other)
        )
        return shared(self._ledger.connection, mine, theirs)
