"""Triggering: a request brings the contacts of a campaign, and starts it, once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from campaignctl.campaign.version import Version
from campaignctl.clock import utc_text
from campaignctl.contacts.importing import Intake, Wanted, carry_over, without_collector
from campaignctl.contacts.rejection import RejectedRow, Rejections
from campaignctl.contacts.request import RequestReader
from campaignctl.contacts.staging import Merged, Staging, with_staging
from campaignctl.errors import RefusedError, WorkFailedError
from campaignctl.flow.states import CampaignState
from campaignctl.message.address import normal_address
from campaignctl.ports import LiveCampaign
from campaignctl.store.ledger import SqlLedger, SqlStore
from campaignctl.store.lists import list_named
from campaignctl.store.triggers import Trigger


@dataclass(frozen=True)
class Request:
    """
    What asks to start a campaign.

    `pieces` are the body, as NDJSON, and may be read once. `key` is what the
    asker calls this request, so that asking again is harmless. `topics` are the
    project's, each with its attribute: a request brings nobody back into one.
    """

    campaign: str
    pieces: Iterable[bytes]
    actor: str
    key: str | None = None
    topics: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Started:
    """What the request did, as it is answered; `is_new` is False where the same request had done it before."""

    answer: Mapping[str, object]
    is_new: bool


class RowsRefusedError(WorkFailedError):
    """Rows of the request cannot be taken, so nothing of it was; the first of them are `rows`."""

    def __init__(self, count: int, rows: Sequence[RejectedRow]) -> None:
        first = rows[0]
        super().__init__(
            "P155",
            f"{count} {'row' if count == 1 else 'rows'} cannot be taken, so nothing was started: "
            f"line {first.line}: {first.reason}{f', {first.detail}' if first.detail else ''}",
            "mend them, and send all again",
        )
        self.count = count
        self.rows = rows


def as_json(row: RejectedRow) -> dict[str, object]:
    """A rejected row as answers have it."""
    return {"line": row.line, "id": row.key, "reason": row.reason.value, "detail": row.detail}


class OtherBodyError(WorkFailedError):
    """The key of the request was used for another body."""


def trigger(store: SqlStore, request: Request, now: Callable[[], datetime]) -> Started:
    """
    Start the campaign with the contacts of the request: with all of them, or not at all.

    The rows wait beside the store until the last one was read, so that memory
    stays flat and a daemon is held up for a moment only. Then contacts, members
    and start are one transaction: whoever comes second finds it started.

    Raises:
        RefusedError: it is not the moment, or somebody was quicker.
        RowsRefusedError: a row cannot be taken.
        OtherBodyError: the same key came with another body before.
        WorkFailedError: there is nobody in the request.
    """
    digest = sha256()
    with store.reading() as ledger:
        campaign = ledger.known_campaign(request.campaign)
        version, version_read = ledger.version(campaign, campaign.version), campaign.version
        # A request that comes again is read to its end: only then it is known to be the same.
        if ledger.trigger_of(campaign) is None:
            _refuse(campaign, version, now())
        known = list_named(ledger.connection, version.campaign.list_name)
    settings = version.content.contacts
    roles = (settings.key, settings.email, settings.phone)
    wanted = Wanted(version.campaign.list_name, *roles, normal_address, topics=request.topics)
    with with_staging(store.database) as pinned, without_collector():
        with pinned.reading() as connection:
            SqlLedger(connection).prepare_for_data()

        def keep(rows: list[tuple[int, str]]) -> None:
            with pinned.reading() as connection:
                SqlLedger(connection).keep_data(rows)

        reader = RequestReader(_digested(request.pieces, digest.update), settings.key, keep)
        intake = Intake(reader, Staging(pinned, watches_keys=True), wanted, known, Rejections())
        for _ in intake.read_all():
            pass
        with pinned.reading() as connection:
            intake.take_out_duplicates(connection)
        with pinned.writing() as connection:
            ledger = SqlLedger(connection)
            at = now()
            campaign = ledger.known_campaign(request.campaign)
            if (before := _the_same(ledger, campaign, request, digest.hexdigest())) is not None:
                return Started(before.answer, is_new=False)
            _refuse(campaign, version, at)
            if campaign.version != version_read:
                raise RefusedError(
                    "P159", f"`{request.campaign}` was published anew while the request was read", "send it again"
                )
            if intake.read == 0:
                raise WorkFailedError("P154", "there is nobody in the request", "send a line for each contact")
            if intake.rejections.count:
                raise RowsRefusedError(intake.rejections.count, intake.rejections.rows[:100])
            contacts, merged = carry_over(connection, intake, wanted, known)
            joined = ledger.take_members(campaign, version, contacts, intake.key_place, at)
            if joined == 0:
                # The error takes back what was brought in: the one start of the campaign is not spent on nobody.
                raise WorkFailedError(
                    "P154", "nobody of the request is in the project's own segment", "see `segment` in campaignctl.yaml"
                )
            ledger.release_waiting(campaign, at)
            answer = _answer(ledger.known_campaign(request.campaign), merged, intake.read - joined)
            ledger.keep_trigger(campaign, Trigger(request.key, digest.hexdigest(), answer), request.actor, at)
            told = {"members": joined, "added": merged.added, "changed": merged.changed}
            ledger.note("triggered", campaign, told, at, request.actor)
    return Started(answer, is_new=True)


def _digested(pieces: Iterable[bytes], note: Callable[[bytes], None]) -> Iterator[bytes]:
    for piece in pieces:
        note(piece)
        yield piece


def _the_same(ledger: SqlLedger, campaign: LiveCampaign, request: Request, digest: str) -> Trigger | None:
    """The request that started the campaign, where this is the same one again."""
    before = ledger.trigger_of(campaign)
    if before is None or request.key is None or before.idempotency_key != request.key:
        return None
    if before.sha256 != digest:
        raise OtherBodyError(
            "P156", "the idempotency key came with another body before", "use a new key for another request"
        )
    return before


def _refuse(campaign: LiveCampaign, version: Version, now: datetime) -> None:
    """
    Let only a campaign pass that may start at this moment.

    Raises:
        RefusedError: it may not.
    """
    name = campaign.name
    if not version.starts_by_request:
        raise RefusedError("P150", f"`{name}` starts by its times, not by a request", "see `campaignctl status`")
    if campaign.started_at is not None:
        raise RefusedError("P152", f"`{name}` was started already, which happens once", "publish another campaign")
    if campaign.state is not CampaignState.ACTIVE:
        raise RefusedError("P151", f"`{name}` is {campaign.state}", "only an active campaign starts")
    late = next((step for step in campaign.steps if step.effective_at and step.effective_at < now), None)
    if late is not None:
        raise RefusedError(
            "P153", f"the time of step `{late.name}` is past", f"publish `{name}` with another time, then ask again"
        )


def _answer(campaign: LiveCampaign, merged: Merged, left_out: int) -> dict[str, object]:
    return {
        "campaign": campaign.name,
        "version": campaign.version,
        "state": campaign.state.value,
        "members": campaign.members,
        "not_in_project_segment": left_out,
        "contacts_added": merged.added,
        "contacts_changed": merged.changed,
        "steps": [
            {"id": step.name, "at": utc_text(step.at), "effective_at": utc_text(step.effective_at)}
            for step in campaign.steps
        ],
    }
