"""Triggering: a request brings the contacts of a campaign, and starts it, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from campaignctl.contacts.importing import ListChangedError
from campaignctl.contacts.rejection import RejectedRow, Rejections
from campaignctl.errors import WorkFailedError
from campaignctl.incoming import MOST_LISTED, Brought, Identity, Request, refuse_to_start, waiting_rows
from campaignctl.ports import LiveCampaign
from campaignctl.store.ledger import SqlLedger, SqlStore
from campaignctl.store.triggers import Trigger

T = TypeVar("T")
_TRIES: Final = 3  # where the list changes while the rows are read


@dataclass(frozen=True)
class Started:
    """What the request did, as it is answered; `is_new` is False where the same request had done it before."""

    answer: Mapping[str, object]
    is_new: bool


@dataclass(frozen=True)
class Trial:
    """
    What the request would do.

    `brought` is about the rows that can be taken; where some cannot be
    (`rejections`), nothing would be started.
    """

    brought: Brought
    zone: ZoneInfo
    read: int
    rejections: Rejections

    @property
    def would_start(self) -> bool:
        return self.rejections.count == 0

    @property
    def accepted(self) -> int:
        """How many rows can be taken."""
        return self.read - self.rejections.count

    @property
    def answer(self) -> dict[str, object]:
        """What the request would be told, with what was found in its rows."""
        return {
            **self.brought.answer,
            "dry_run": True,
            "would_start": self.would_start,
            "rows": self.read,
            "accepted": self.accepted,
            "rejected_count": self.rejections.count,
            "rejected_by_reason": {reason.value: count for reason, count in self.rejections.by_reason.most_common()},
            "rejected": [as_json(row) for row in self.rejections.rows[:MOST_LISTED]],
        }


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
    if (before := answered_before(store, request.campaign, request.identity, now())) is not None:
        return before
    return _again_where_the_list_changed(lambda: _started(store, request, now))


def try_out(store: SqlStore, request: Request, now: Callable[[], datetime]) -> Trial:
    """
    What `trigger` would come to now: all of it is done, and taken back.

    Raises:
        RefusedError: it is not the moment.
        WorkFailedError: there is nobody in the request.
    """
    refuse_what_cannot_start(store, request.campaign, now())
    return _again_where_the_list_changed(lambda: _tried(store, request, now))


def answered_before(store: SqlStore, name: str, identity: Identity | None, now: datetime) -> Started | None:
    """
    What the same request was told before; None where it did not come before, and the campaign may start now.

    Raises:
        RefusedError: it may not.
        OtherBodyError: the same key came with another body before.
    """
    with store.reading() as ledger:
        campaign = ledger.known_campaign(name)
        before = _the_same(ledger, campaign, identity)
        if before is None:
            refuse_to_start(campaign, ledger.version(campaign, campaign.version), now)
        return before


def refuse_what_cannot_start(store: SqlStore, name: str, now: datetime) -> None:
    """
    Let only the name of a campaign pass that a request may start at this moment.

    Raises:
        RefusedError: there is no such campaign, or it may not.
    """
    answered_before(store, name, None, now)


def _again_where_the_list_changed(work: Callable[[], T]) -> T:
    """Rows are read against the list as it is; where it has other attributes by their end, they are read anew."""
    for _ in range(_TRIES - 1):
        with suppress(ListChangedError):
            return work()
    return work()


def _started(store: SqlStore, request: Request, now: Callable[[], datetime]) -> Started:
    with waiting_rows(store, request) as rows, rows.database.writing() as connection:
        ledger, at = SqlLedger(connection), now()
        campaign = ledger.known_campaign(request.campaign)
        # Asked again under the lock: somebody may have been quicker.
        if (before := _the_same(ledger, campaign, request.identity)) is not None:
            return before
        refuse_to_start(campaign, rows.version, at)
        rows.refuse_what_cannot_be_taken(campaign)
        brought = rows.bring_in(ledger, campaign, at)
        ledger.keep_trigger(campaign, _kept(request.identity, brought), request.actor, at)
        added, changed = brought.contacts.added, brought.contacts.changed
        detail = {"members": brought.members, "added": added, "changed": changed}
        ledger.note("triggered", campaign, detail, at, request.actor)
    return Started(brought.answer, is_new=True)


def _tried(store: SqlStore, request: Request, now: Callable[[], datetime]) -> Trial:
    with waiting_rows(store, request) as rows, rows.database.trying() as connection:
        ledger, at = SqlLedger(connection), now()
        campaign = ledger.known_campaign(request.campaign)
        refuse_to_start(campaign, rows.version, at)
        brought = rows.bring_in(ledger, campaign, at)
    return Trial(brought, rows.version.zone, rows.intake.read, rows.intake.rejections)


def _the_same(ledger: SqlLedger, campaign: LiveCampaign, identity: Identity | None) -> Started | None:
    """What the request that started the campaign was told, where this is the same one again."""
    before = None if identity is None else ledger.trigger_of(campaign)
    if before is None or identity is None or before.idempotency_key != identity.key:
        return None
    if before.sha256 != identity.sha256:
        raise OtherBodyError(
            "P156", "the idempotency key came with another body before", "use a new key for another request"
        )
    return Started(before.answer, is_new=False)


def _kept(identity: Identity | None, brought: Brought) -> Trigger:
    key, digest = (None, None) if identity is None else (identity.key, identity.sha256)
    return Trigger(key, digest, brought.answer)
