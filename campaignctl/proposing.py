"""What publishing a file would do, as values: compared with the store as it is at one moment, and nothing written."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from campaignctl.campaign.model import Campaign
from campaignctl.campaign.steps.email import EmailStep
from campaignctl.campaign.steps.sms import SmsStep
from campaignctl.campaign.steps.union import RunnableStep, every_step, verb_of
from campaignctl.campaign.version import Version
from campaignctl.engine.occurring import rule_of, starts_of
from campaignctl.engine.schedule import planned_steps, retimed_by, steps_after
from campaignctl.errors import RefusedError
from campaignctl.flow.changes import Change, ChangeKind
from campaignctl.flow.edits import STOPPED, Standing, edits
from campaignctl.flow.occurrences import names_of, occurrence
from campaignctl.flow.states import CampaignState
from campaignctl.ports import LiveCampaign, LiveStep
from campaignctl.project import Project
from campaignctl.recurring import not_begun
from campaignctl.store.ledger import SqlLedger


class Action(StrEnum):
    """What publishing would come to."""

    CREATE = "create"  # a new campaign
    UPDATE = "update"  # a new version of one that is there
    EXTEND = "extend"  # the same of one that is completed: only by `extend`
    NONE = "none"  # it is published as it is
    REFUSED = "refused"  # something of it is not possible now


@dataclass(frozen=True)
class Proposal:
    """
    What publishing would do: `publish` does this list, and `plan` prints it.

    `steps` are the campaign's steps as they would stand afterwards; those
    without an id are new. `retimed` are those to which it gives a time, and
    `earliest` is when one of these may run. Of a recurring campaign they are
    the steps of the next occurrence.
    """

    version: Version
    action: Action
    changes: tuple[Change, ...]
    steps: tuple[LiveStep, ...]
    retimed: frozenset[str]
    live: LiveCampaign | None = None
    earliest: datetime | None = None

    @property
    def refused(self) -> list[Change]:
        return [change for change in self.changes if change.is_refused]

    @property
    def asks_first(self) -> list[Change]:
        """The changes that want the campaign paused, or `--live`."""
        return [change for change in self.changes if change.asks_first]


def proposed(
    ledger: SqlLedger, version: Version, project: Project, now: datetime, *, starts_now: bool = False
) -> Proposal:
    """
    What publishing *version* now would do; with *starts_now* its first step runs after the safety delay.

    Raises:
        RefusedError: `--now` is for one that starts by itself.
    """
    live = ledger.campaign_named(version.name)
    if version.campaign.every is not None and starts_now:
        raise RefusedError(
            "P124",
            f"`--now` starts a campaign once, and `{version.name}` starts by its rule",
            "leave `--now` out",
        )
    if starts_now:
        refuse_start_now(version)
    if live is None:
        return _creation(version, project.safety_delay, now, starts_now)
    return _change(live, ledger, version, project.safety_delay, now)


# new campaigns


def _creation(version: Version, safety_delay: timedelta, now: datetime, starts_now: bool) -> Proposal:
    shown = next_occurrence(version, now)
    planned = planned_steps(shown, now, safety_delay, now + safety_delay if starts_now else None)
    changes = tuple(_of_new_step(step, now) for step in planned)
    action = Action.REFUSED if any(change.is_refused for change in changes) else Action.CREATE
    return Proposal(
        version, action, changes, tuple(planned), frozenset(step.name for step in planned), None, now + safety_delay
    )


def _of_new_step(step: LiveStep, now: datetime) -> Change:
    addition = Change(step.name, ChangeKind.STRUCTURE, "step", None, step.verb)
    if step.at is None or step.at >= now:
        return addition
    return replace(addition, kind=ChangeKind.REFUSED, reason="its time is past")


# campaigns that are there


def _change(
    live: LiveCampaign, ledger: SqlLedger, version: Version, safety_delay: timedelta, now: datetime
) -> Proposal:
    published = ledger.version(live, live.version)
    changes = edits(published, version, _standing(live, ledger, version, now), now) or _refused_anyway(live)
    # A step of a campaign that a request starts may lose its time.
    retimed = frozenset(
        str(each.step) for each in changes if each.field == "at" or (each.field == "step" and each.after is not None)
    )
    action, earliest = _action(live, changes), now + safety_delay
    if live.is_series and version.campaign.every is not None:
        steps = _steps_of_series(live, ledger, version, now, earliest, action)
    else:
        steps = tuple(steps_after(live, version, retimed, earliest)) if changes else live.steps
    return Proposal(version, action, tuple(changes), steps, retimed, live, earliest)


def _refused_anyway(live: LiveCampaign) -> list[Change]:
    """A stopped campaign is not published again, not even as it is."""
    if live.state is not CampaignState.STOPPED:
        return []
    return [Change(None, ChangeKind.REFUSED, "state", live.state.value, None, STOPPED)]


def _action(live: LiveCampaign, changes: list[Change]) -> Action:
    if not changes:
        return Action.NONE
    if any(change.is_refused for change in changes):
        return Action.REFUSED
    is_extended = live.state is CampaignState.COMPLETED and not live.is_series
    return Action.EXTEND if is_extended else Action.UPDATE


def _standing(live: LiveCampaign, ledger: SqlLedger, version: Version, now: datetime) -> Standing:
    begun = frozenset(step.name for step in live.steps if step.has_begun)
    if live.is_series and live.state is CampaignState.COMPLETED and not _has_start(version, now):
        # What is over stays as it was, and is no reason to refuse what only the project says.
        begun = frozenset(step.id for step in every_step(version.campaign.steps))
    return Standing(live.state, live.started_at is not None, begun, ledger.former_verbs(live))


# recurring campaigns: the occurrence that comes next stands for all of them


def next_occurrence(version: Version, now: datetime, skipped: Collection[datetime] = ()) -> Version:
    """
    The campaign that a recurring one will be at its next start; another one as it is.

    Raises:
        RefusedError: no start is to come.
    """
    if version.campaign.every is None:
        return version
    start = next(starts_of(version, now, skipped), None)
    if start is None:
        raise RefusedError(
            "P140", f"no start of `{version.name}` is to come", "give it a later `until`, or leave that out"
        )
    return occurrence(version, start, next(names_of(version.name, start, rule_of(version).every)))


def _has_start(version: Version, now: datetime) -> bool:
    return version.campaign.every is not None and next(starts_of(version, now), None) is not None


def _steps_of_series(
    live: LiveCampaign, ledger: SqlLedger, version: Version, now: datetime, earliest: datetime, action: Action
) -> tuple[LiveStep, ...]:
    """The steps of the next occurrence as they would stand; as they stand where nothing is changed."""
    waiting = not_begun(ledger, live)
    if action is Action.NONE:
        return waiting[0].steps if waiting else ()
    if action is Action.REFUSED and not _has_start(version, now):
        return ()
    made = next_occurrence(version, now, ledger.skipped_starts(live))
    same = next((each for each in waiting if each.name == made.name), None)
    if same is None:
        return tuple(planned_steps(made, earliest, timedelta(0)))
    return tuple(steps_after(same, made, retimed_by(made, same), earliest))


# what is not there yet


def refuse_start_now(version: Version) -> None:
    """
    Let only a campaign start now that starts by itself.

    Raises:
        RefusedError: a request starts it.
    """
    if version.starts_by_request:
        raise RefusedError(
            "P158",
            f"`{version.name}` starts when a request comes, and not by `--now`",
            "leave `--now` out, and see `campaignctl trigger`",
        )


def refuse_without_request(version: Version) -> None:
    """
    Let only a campaign pass that can be tried without the request that brings its contacts.

    Raises:
        RefusedError: it has nobody before.
    """
    if version.starts_by_request:
        raise RefusedError(
            "P157", f"only a request brings the contacts of `{version.name}`", "see `campaignctl plan` for its times"
        )


def refuse_missing(campaign: Campaign) -> None:
    """
    Let only campaigns pass that this version of the program can run.

    Raises:
        RefusedError: it needs more.
    """
    missing = [f"{what} ({where})" for where, what in needed_and_missing(campaign)]
    if missing:
        raise RefusedError(
            "P104",
            f"`{campaign.campaign}` needs what this version of campaignctl cannot run: {', '.join(missing)}",
            "it is read and checked already; leave it out to publish now",
        )


def needed_and_missing(campaign: Campaign) -> Iterator[tuple[str, str]]:
    """What the campaign needs and this version of the program cannot do: where, and what."""
    for step in every_step(campaign.steps):
        where = f"step `{step.id}`"
        if not isinstance(step, RunnableStep):
            yield where, f"`{verb_of(step)}`"
        elif isinstance(step, EmailStep):
            for key in ("variants", "test"):
                if key in step.email.model_fields_set:
                    yield where, f"`{key}`"
        elif isinstance(step, SmsStep):
            for key in ("variants", "test"):
                if key in step.sms.model_fields_set:
                    yield where, f"`{key}`"
