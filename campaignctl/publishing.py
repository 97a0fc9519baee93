"""Publishing: a checked file becomes a version in the store, with the instants at which its steps run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from campaignctl.campaign.load import CampaignFile
from campaignctl.campaign.model import ApiStarter, Campaign
from campaignctl.campaign.steps.email import EmailStep
from campaignctl.campaign.steps.union import RunnableStep, every_step, verb_of
from campaignctl.campaign.version import Version, files_named_by, version_of
from campaignctl.campaign.when import wall_text
from campaignctl.diagnostics import listed
from campaignctl.errors import RefusedError
from campaignctl.files import FileTrouble, ProjectFiles
from campaignctl.flow.states import CampaignState, StepState
from campaignctl.flow.tree import stops
from campaignctl.ports import LiveCampaign, LiveStep
from campaignctl.project import Project
from campaignctl.store.ledger import SqlLedger, SqlStore
from campaignctl.store.lists import known_list


@dataclass(frozen=True)
class Publication:
    """What publishing did, or would do."""

    campaign: str
    version: int
    state: CampaignState
    starts_at: datetime
    is_delayed_by_safety: bool
    is_new: bool


def frozen(file: CampaignFile, project: Project, files: ProjectFiles) -> Version:
    """
    The version that *file* describes at this moment, with the content of its files.

    Raises:
        RefusedError: a file cannot be read.
    """
    contents = {}
    for path in files_named_by(file.campaign):
        content = files.read(path)
        if isinstance(content, FileTrouble):
            raise RefusedError("C220", content.message, content.hint)
        contents[path] = content
    return version_of(file.campaign, project, contents)


def needed_and_missing(campaign: Campaign, project: Project) -> Iterator[tuple[str, str]]:
    """What the campaign needs and this version of the program cannot do: where, and what."""
    if isinstance(campaign.starter, ApiStarter):
        yield "starter", "`api`"
    for step in every_step(campaign.steps):
        where = f"step `{step.id}`"
        if not isinstance(step, RunnableStep):
            yield where, f"`{verb_of(step)}`"
        elif isinstance(step, EmailStep):
            for key in ("gate", "variants", "test", "track"):
                if key in step.email.model_fields_set:
                    yield where, f"`{key}`"
    if project.approval.required:
        yield "the project", "`approval.required`"


def planned_steps(
    version: Version, published_at: datetime, safety_delay: timedelta, first_at: datetime | None = None
) -> list[LiveStep]:
    """
    The steps as they are planned: at their times, and never sooner than the safety delay allows.

    *first_at* takes the place of the first step's time (`--now`).
    """
    earliest = published_at + safety_delay
    planned = []
    for stop in stops(version.campaign):
        at = None if stop.step.at is None else stop.step.at.at(version.zone)
        if stop.position == 0 and first_at is not None:
            at = first_at
        planned.append(
            LiveStep(
                id=0,
                name=stop.id,
                position=stop.position,
                verb=verb_of(stop.step),
                state=StepState.WAITING if at is None else StepState.SCHEDULED,
                version=1,
                at=at,
                effective_at=None if at is None else max(at, earliest),
                started_at=None,
                finished_at=None,
                cohort=None,
                reason=None,
            )
        )
    return planned


def publish(
    store: SqlStore,
    version: Version,
    project: Project,
    *,
    seed: str,
    actor: str,
    now: datetime,
    starts_now: bool = False,
    is_trial: bool = False,
) -> Publication:
    """
    Write the campaign into the store, in one transaction; with *is_trial* only say what would be written.

    Raises:
        RefusedError: it cannot be published as things are.
    """
    _refuse_missing(version.campaign, project)
    delay = project.safety_delay
    planned = planned_steps(version, now, delay, now + delay if starts_now else None)
    name = version.campaign.campaign
    with store.reading() as ledger:
        if (known := _known(ledger, version)) is not None:
            return known
        known_list(ledger.connection, version.campaign.list_name)
    _refuse_past(planned, version, now)
    first = planned[0]
    starts_at = first.effective_at or now
    publication = Publication(
        name, 1, CampaignState.ACTIVE, starts_at, first.at is not None and starts_at > first.at, is_new=True
    )
    if is_trial:
        return publication
    with store.writing() as ledger:
        # Asked again under the lock: somebody may have been quicker.
        if (known := _known(ledger, version)) is not None:
            return known
        contacts = known_list(ledger.connection, version.campaign.list_name)
        ledger.add_campaign(version, contacts.id, seed, planned, actor, now)
        campaign = ledger.known_campaign(name)
        ledger.note("published", campaign, {"starts_at": starts_at.isoformat(timespec="seconds")}, now, actor)
    return publication


def _known(ledger: SqlLedger, version: Version) -> Publication | None:
    """The publication that is there already, where it is the same; refuses another one."""
    name = version.campaign.campaign
    live = ledger.campaign_named(name)
    if live is None:
        return None
    if live.state is CampaignState.STOPPED:
        raise RefusedError("P103", f"`{name}` was stopped, which is final", "publish it under another name")
    if ledger.fingerprint(live) != version.fingerprint():
        raise RefusedError(
            "P102",
            f"`{name}` is published, and the file differs from its version {live.version}",
            "this version of campaignctl publishes new campaigns only: choose another name",
        )
    return _as_published(live)


def _as_published(live: LiveCampaign) -> Publication:
    first = live.steps[0]
    starts_at = first.effective_at or live.published_at
    return Publication(
        live.name, live.version, live.state, starts_at, first.at is not None and starts_at > first.at, is_new=False
    )


def _refuse_missing(campaign: Campaign, project: Project) -> None:
    missing = [f"{what} ({where})" for where, what in needed_and_missing(campaign, project)]
    if missing:
        raise RefusedError(
            "P104",
            f"`{campaign.campaign}` needs what this version of campaignctl cannot run: {', '.join(missing)}",
            "it is read and checked already; leave it out to publish now",
        )


def _refuse_past(planned: Sequence[LiveStep], version: Version, now: datetime) -> None:
    past = [step.name for step in planned if step.at is not None and step.at < now]
    if past:
        at = wall_text(now, version.zone)
        raise RefusedError(
            "P101",
            f"the time of {listed(past, 'and')} is past: it is {at} in {version.content.timezone}",
            "give later times, or use `--now` for the first step",
        )
    for before, after in pairwise(planned):
        if before.position == 0 and before.at and after.at and after.at < before.at:
            raise RefusedError(
                "P106",
                f"`{after.name}` would come before `{before.name}`, which `--now` moves after it",
                "give the steps later times",
            )
