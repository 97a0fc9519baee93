"""Statements about requests that come in parts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select

from campaignctl.ports import LiveCampaign
from campaignctl.store.instants import instant, stored
from campaignctl.store.tables import uploads


@dataclass(frozen=True)
class Upload:
    """A request of which parts may come until it expires."""

    id: str
    campaign_id: int
    expires_at: datetime


class UploadStatements:
    """Which requests are coming in parts."""

    connection: Connection

    def add_upload(self, upload: Upload, actor: str, now: datetime) -> None:
        self.connection.execute(
            insert(uploads).values(
                id=upload.id,
                campaign_id=upload.campaign_id,
                actor=actor,
                made_at=stored(now),
                expires_at=stored(upload.expires_at),
            )
        )

    def upload(self, campaign: LiveCampaign, upload_id: str, now: datetime) -> Upload | None:
        """The upload with this id, where it is for *campaign* and has not expired."""
        row = self.connection.execute(
            select(uploads.c.id, uploads.c.campaign_id, uploads.c.expires_at).where(
                uploads.c.id == upload_id, uploads.c.campaign_id == campaign.id, uploads.c.expires_at > stored(now)
            )
        ).one_or_none()
        return None if row is None else Upload(row.id, row.campaign_id, instant(row.expires_at))

    def uploads_of(self, campaign: LiveCampaign) -> int:
        """How many there are for a campaign."""
        counted = select(func.count()).where(uploads.c.campaign_id == campaign.id)
        return int(self.connection.execute(counted).scalar_one())

    def kept_uploads(self) -> set[str]:
        """The ids of all of them."""
        return set(self.connection.scalars(select(uploads.c.id)))

    def has_expired_uploads(self, now: datetime) -> bool:
        expired = select(uploads.c.id).where(uploads.c.expires_at <= stored(now)).limit(1)
        return self.connection.execute(expired).one_or_none() is not None

    def remove_upload(self, upload_id: str) -> None:
        self.connection.execute(delete(uploads).where(uploads.c.id == upload_id))

    def remove_expired_uploads(self, now: datetime) -> None:
        self.connection.execute(delete(uploads).where(uploads.c.expires_at <= stored(now)))
