"""Publishing: a checked file becomes a version in the store, of a new campaign or of one that is there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from campaignctl.campaign.load import CampaignFile
from campaignctl.campaign.version import Version, files_named_by, version_of
from campaignctl.errors import RefusedError
from campaignctl.files import FileTrouble, ProjectFiles
from campaignctl.flow.changes import Change
from campaignctl.flow.states import CampaignState
from campaignctl.permitting import NOTHING_MORE, Consent, permitted
from campaignctl.ports import LiveStep
from campaignctl.project import Project
from campaignctl.proposing import Action, Proposal
from campaignctl.recurring import write_series
from campaignctl.store.ledger import SqlLedger, SqlStore
from campaignctl.store.lists import ensure_list, known_list


@dataclass(frozen=True)
class Publication:
    """What publishing did."""

    campaign: str
    version: int
    state: CampaignState
    starts_at: datetime | None
    is_delayed_by_safety: bool
    action: Action
    changes: tuple[Change, ...]

    @property
    def is_new(self) -> bool:
        return self.action is not Action.NONE


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


def proposal_of(
    store: SqlStore, version: Version, project: Project, now: datetime, consent: Consent = NOTHING_MORE
) -> Proposal:
    """
    What `publish` would do now; nothing is written.

    Raises:
        RefusedError: it would be refused.
    """
    with store.reading() as ledger:
        return permitted(ledger, version, project, now, consent)


def publish(
    store: SqlStore,
    version: Version,
    project: Project,
    *,
    seed: str,
    actor: str,
    now: datetime,
    consent: Consent = NOTHING_MORE,
    shown: Proposal | None = None,
) -> Publication:
    """
    Write the version into the store, in one transaction.

    It is compared anew under the store's lock: where that comes to something
    else than was *shown*, somebody was quicker, and nothing is written.

    Raises:
        RefusedError: it cannot be published as things are.
    """
    shown = shown or proposal_of(store, version, project, now, consent)
    if shown.action is Action.NONE:
        return publication_of(shown, now)
    with store.writing() as ledger:
        proposal = permitted(ledger, version, project, now, consent)
        if not _is_the_same(shown, proposal):
            raise RefusedError(
                "P123",
                f"somebody was quicker: `{version.name}` is not as it was when this was compared with it",
                "see `campaignctl plan`, and publish again",
            )
        if proposal.action is Action.NONE:
            return publication_of(proposal, now)
        # What happens from now on is told, also where no daemon has run yet with these hooks.
        ledger.add_hooks(project.hooks)
        if project.approval.required:
            return _proposed(ledger, proposal, seed, actor, now)
        if proposal.live is not None:
            ledger.withdraw(proposal.live)
        write(ledger, proposal, seed, actor, now)
    return publication_of(proposal, now)


def _is_the_same(shown: Proposal, found: Proposal) -> bool:
    """Whether the same file still changes the same version in the same way, or was published meanwhile as it is."""
    if found.action is Action.NONE:
        return True
    return (_number(shown), shown.action, shown.changes) == (_number(found), found.action, found.changes)


def _number(proposal: Proposal) -> int:
    return 0 if proposal.live is None else proposal.live.version


def _proposed(ledger: SqlLedger, proposal: Proposal, seed: str, actor: str, now: datetime) -> Publication:
    """Write down what waits until somebody else agrees: a new campaign, or a version beside the live one."""
    live = proposal.live
    if live is None or live.state is CampaignState.PENDING_APPROVAL:
        write(ledger, proposal, seed, actor, now, state=CampaignState.PENDING_APPROVAL)
    else:
        waiting = ledger.waiting_for_approval(live)
        if waiting is None or waiting.fingerprint != proposal.version.fingerprint():
            number = ledger.propose(live, proposal.version, actor, now)
            detail = {"changes": [change.as_json() for change in proposal.changes]}
            ledger.note("proposed", replace(live, version=number), detail, now, actor)
    return replace(publication_of(proposal, now), state=CampaignState.PENDING_APPROVAL)


def write(
    ledger: SqlLedger,
    proposal: Proposal,
    seed: str,
    actor: str,
    now: datetime,
    state: CampaignState = CampaignState.ACTIVE,
) -> None:
    """Make of the proposal what is published; a new campaign is in this *state*."""
    version, live = proposal.version, proposal.live
    list_id = _list_of(ledger, version)
    detail: dict[str, object] = {}
    if version.campaign.every is not None:
        earliest = proposal.earliest or now
        write_series(ledger, version, live, list_id, seed=seed, actor=actor, now=now, earliest=earliest, state=state)
    elif live is None:
        ledger.add_campaign(version, list_id, seed, proposal.steps, actor, now, state)
    else:
        ledger.change_campaign(live, version, list_id, proposal.steps, proposal.retimed, actor, now)
    if live is None:
        starts_at = proposal.steps[0].effective_at
        if starts_at is not None:
            detail["starts_at"] = starts_at.isoformat(timespec="seconds")
    else:
        detail["changes"] = [replace(change, asks_first=False).as_json() for change in proposal.changes]
    done = "extended" if proposal.action is Action.EXTEND else "published"
    if state is CampaignState.PENDING_APPROVAL:
        done = "proposed"
    ledger.note(done, ledger.known_campaign(version.name), detail, now, actor)


def _list_of(ledger: SqlLedger, version: Version) -> int:
    """The list of the campaign; one that starts by a request makes it, where no contact came before."""
    name = version.campaign.list_name
    if version.starts_by_request:
        return ensure_list(ledger.connection, name, version.content.contacts.key).id
    return known_list(ledger.connection, name).id


def publication_of(proposal: Proposal, now: datetime) -> Publication:
    """What writing *proposal* comes to."""
    live, is_new = proposal.live, proposal.action is not Action.NONE
    is_active = live is None or (is_new and live.state is CampaignState.COMPLETED)
    given = [step for step in proposal.steps if step.name in proposal.retimed] if is_new else proposal.steps[:1]
    # Of a series that is over, no step is to come.
    starts_at = next((step.started_at or step.effective_at for step in proposal.steps), None)
    return Publication(
        campaign=proposal.version.name,
        version=_number(proposal) + is_new,
        state=CampaignState.ACTIVE if is_active or live is None else live.state,
        starts_at=starts_at or (None if proposal.version.starts_by_request else now),
        is_delayed_by_safety=any(map(_is_delayed, given)),
        action=proposal.action,
        changes=proposal.changes,
    )


def _is_delayed(step: LiveStep) -> bool:
    return step.at is not None and step.effective_at is not None and step.effective_at > step.at
