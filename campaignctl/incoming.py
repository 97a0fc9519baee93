"""What comes in with a request that starts a campaign: its rows wait beside the store until all were read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from campaignctl.campaign.version import Version
from campaignctl.clock import utc_text
from campaignctl.contacts.importing import Intake, Wanted, carry_over, without_collector
from campaignctl.contacts.records import Record
from campaignctl.contacts.rejection import RejectedRow, Rejections
from campaignctl.contacts.request import RequestReader
from campaignctl.contacts.staging import Merged, Staging, with_staging
from campaignctl.errors import RefusedError, WorkFailedError
from campaignctl.flow.states import CampaignState
from campaignctl.message.address import normal_address
from campaignctl.ports import LiveCampaign
from campaignctl.store.database import Database
from campaignctl.store.ledger import SqlLedger, SqlStore
from campaignctl.store.lists import ContactList, list_named

MOST_LISTED: Final = 100  # rejected rows


@dataclass(frozen=True)
class Identity:
    """By what a request is known again: what its sender calls it, and the SHA-256 of what it carries."""

    key: str
    sha256: str


@dataclass(frozen=True)
class Request:
    """
    What asks to start a campaign.

    `rows` are its contacts, and may be asked for anew. With an `identity`
    asking again is harmless. `topics` are the project's, each with its
    attribute: a request brings nobody back into one.
    """

    campaign: str
    rows: Callable[[], Iterable[Record]]
    actor: str
    identity: Identity | None = None
    topics: Mapping[str, str] = field(default_factory=dict)


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


@dataclass(frozen=True)
class Brought:
    """What became of the rows: the campaign as it was started, and who is in it."""

    campaign: LiveCampaign
    members: int
    left_out: int  # those whom the project's own segment leaves out
    contacts: Merged

    @property
    def answer(self) -> dict[str, object]:
        """What the sender of the request is told."""
        return {
            "campaign": self.campaign.name,
            "version": self.campaign.version,
            "state": self.campaign.state.value,
            "members": self.members,
            "not_in_project_segment": self.left_out,
            "contacts_added": self.contacts.added,
            "contacts_changed": self.contacts.changed,
            "steps": [
                {"id": step.name, "at": utc_text(step.at), "effective_at": utc_text(step.effective_at)}
                for step in self.campaign.steps
            ],
        }


@dataclass(frozen=True)
class WaitingRows:
    """The rows of a request, which were all read, beside the store that they were checked against."""

    database: Database
    version: Version
    version_read: int
    wanted: Wanted
    known: ContactList | None
    intake: Intake

    def refuse_what_cannot_be_taken(self, campaign: LiveCampaign) -> None:
        """
        Let only rows pass that can be taken, all of them, into this campaign as it is now.

        Raises:
            RefusedError: it was published anew.
            RowsRefusedError: some cannot be taken.
        """
        if campaign.version != self.version_read:
            raise RefusedError(
                "P159", f"`{campaign.name}` was published anew while the request was read", "send it again"
            )
        if self.intake.rejections.count:
            raise RowsRefusedError(self.intake.rejections.count, self.intake.rejections.rows[:MOST_LISTED])

    def bring_in(self, ledger: SqlLedger, campaign: LiveCampaign, at: datetime) -> Brought:
        """
        Make contacts and members of the rows that can be taken, and start the campaign.

        Raises:
            WorkFailedError: there is nobody. The error takes back what was brought in: the one start of the
                campaign is not spent on nobody.
        """
        intake = self.intake
        if intake.read == 0:
            raise WorkFailedError("P154", "there is nobody in the request", "send a line for each contact")
        contacts, merged = carry_over(ledger.connection, intake, self.wanted, self.known)
        joined = ledger.take_members(campaign, self.version, contacts, intake.key_place, at)
        if joined == 0 and not intake.rejections.count:
            raise WorkFailedError(
                "P154", "nobody of the request is in the project's own segment", "see `segment` in campaignctl.yaml"
            )
        ledger.release_waiting(campaign, at)
        left_out = intake.read - intake.rejections.count - joined
        return Brought(ledger.known_campaign(campaign.name), joined, left_out, merged)


@contextmanager
def waiting_rows(store: SqlStore, request: Request) -> Iterator[WaitingRows]:
    """The rows of the request, read to the last, for as long as the block lasts."""
    with store.reading() as ledger:
        campaign = ledger.known_campaign(request.campaign)
        version = ledger.version(campaign, campaign.version)
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

        reader = RequestReader(request.rows(), settings.key, keep)
        intake = Intake(reader, Staging(pinned, watches_keys=True), wanted, known, Rejections())
        for _ in intake.read_all():
            pass
        with pinned.reading() as connection:
            intake.take_out_duplicates(connection)
        yield WaitingRows(pinned, version, campaign.version, wanted, known, intake)


def refuse_to_start(campaign: LiveCampaign, version: Version, now: datetime) -> None:
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
