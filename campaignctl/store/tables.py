"""
The tables of the store.

Instants are integers: microseconds since 1970-01-01, UTC. The contacts of each
list live in a table of their own (`lists.py`), because their columns are the
list's attributes.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from campaignctl.flow.states import CampaignState, DeliveryState, GateState, StepState

metadata = MetaData()


def _one_of(column: str, words: type[StrEnum]) -> CheckConstraint:
    """The table says which words a column may hold, as the code does."""
    allowed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({allowed})", name=f"{column}_is_known")


migrations = Table(
    "migrations",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("applied_at", BigInteger, nullable=False),
)

lists = Table(
    "lists",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("key_attribute", Text, nullable=False),
)

attributes = Table(
    "attributes",
    metadata,
    Column("list_id", ForeignKey("lists.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("column_name", Text, nullable=False),
    Column("type", Text, nullable=False),
    PrimaryKeyConstraint("list_id", "name"),
    sqlite_with_rowid=False,
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("list_id", ForeignKey("lists.id"), nullable=False),
    Column("seed", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("published_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("members", Integer),
    Column("counts_from", BigInteger),
    Column("series_id", ForeignKey("campaigns.id")),
    Column("starts_at", BigInteger),
    _one_of("state", CampaignState),
    UniqueConstraint("series_id", "starts_at"),
)

skipped_starts = Table(
    "skipped_starts",
    metadata,
    Column("series_id", ForeignKey("campaigns.id"), nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("series_id", "starts_at"),
    sqlite_with_rowid=False,
)

versions = Table(
    "versions",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("published_at", BigInteger, nullable=False),
    Column("published_by", Text, nullable=False),
    PrimaryKeyConstraint("campaign_id", "number"),
)

# Versions that wait, beside the one that is live, until somebody agrees to them.
proposals = Table(
    "proposals",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.id"), primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
)

files = Table(
    "files",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

version_files = Table(
    "version_files",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("path", Text, nullable=False),
    Column("sha256", ForeignKey("files.sha256"), nullable=False),
    PrimaryKeyConstraint("campaign_id", "version", "path"),
    sqlite_with_rowid=False,
)

steps = Table(
    "steps",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("campaign_id", ForeignKey("campaigns.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("verb", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("wall_time", Text),
    Column("timezone", Text, nullable=False),
    Column("at", BigInteger),
    Column("effective_at", BigInteger),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("cohort", Integer),
    Column("reason", Text),
    UniqueConstraint("campaign_id", "name"),
    _one_of("state", StepState),
)

ways = Table(
    "ways",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("campaign_id", ForeignKey("campaigns.id"), nullable=False),
    Column("path", Text, nullable=False),
    UniqueConstraint("campaign_id", "path"),
)

members = Table(
    "members",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.id"), nullable=False),
    Column("contact_id", Integer, nullable=False),
    Column("way_id", ForeignKey("ways.id"), nullable=False),
    Column("left_at_step", ForeignKey("steps.id")),
    Column("data", Text),
    Column("gate", Text),
    PrimaryKeyConstraint("campaign_id", "contact_id"),
    sqlite_with_rowid=False,
)

daemons = Table(
    "daemons",
    metadata,
    Column("epoch", Integer, primary_key=True),
    Column("host", Text, nullable=False),
    Column("process_id", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("step_id", ForeignKey("steps.id"), nullable=False),
    Column("contact_id", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("next_attempt_at", BigInteger),
    Column("epoch", ForeignKey("daemons.epoch")),
    Column("reason", Text),
    Column("detail", Text),
    PrimaryKeyConstraint("step_id", "contact_id"),
    _one_of("state", DeliveryState),
    sqlite_with_rowid=False,
)

# SQLite takes a partial index only for conditions that plainly imply its own,
# and every comparison implies that the column is not null. So what is to be
# tried has an instant, and what is in flight an epoch; nothing else has either.
# Another dialect's condition is not named here: that would load it with every command.
Index(
    "deliveries_to_try",
    deliveries.c.step_id,
    deliveries.c.state,
    deliveries.c.next_attempt_at,
    deliveries.c.contact_id,
    sqlite_where=deliveries.c.next_attempt_at.is_not(None),
)
Index(
    "deliveries_in_flight",
    deliveries.c.step_id,
    deliveries.c.epoch,
    sqlite_where=deliveries.c.epoch.is_not(None),
)

orphan_outcomes = Table(
    "orphan_outcomes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("step_id", ForeignKey("steps.id"), nullable=False),
    Column("contact_id", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("detail", Text),
    Column("at", BigInteger, nullable=False),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("made_at", BigInteger, nullable=False),
)

rate_marks = Table(
    "rate_marks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("in_time_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("step_id", ForeignKey("steps.id"), nullable=False),
    Column("contact_id", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("url", Text, nullable=False),
    Column("is_machine", Boolean, nullable=False),
    # What is known of a hit that our own service saw; of what others report, nothing.
    Column("link", Integer),
    Column("method", Text),
    Column("agent_id", Integer),
    Column("delay", BigInteger),
    UniqueConstraint("step_id", "kind", "contact_id", "at", "url"),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("channel", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    PrimaryKeyConstraint("channel", "address"),
    sqlite_with_rowid=False,
)

journal = Table(
    "journal",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("campaign_id", ForeignKey("campaigns.id")),
    Column("version", Integer),
    Column("detail", Text, nullable=False),
    Index("journal_of_campaign", "campaign_id", "id"),
)

# the HTTP service

# Of a token only its digest is kept. `scopes` are words between blanks.
tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    sqlite_with_rowid=False,
)

# --- requests about many contacts: which of a step's deliveries go in one, from the first contact to the last ---

batches = Table(
    "batches",
    metadata,
    Column("step_id", ForeignKey("steps.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("first_contact", Integer, nullable=False),
    Column("last_contact", Integer, nullable=False),
    PrimaryKeyConstraint("step_id", "first_contact"),
    sqlite_with_rowid=False,
)

# Send gates: one for each step that asks another system, open from the step's time on.
gates = Table(
    "gates",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("step_id", ForeignKey("steps.id"), nullable=False, unique=True),
    Column("version", Integer, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("is_holding", Boolean, nullable=False),
    Column("on_timeout", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("contacts", Integer, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", BigInteger),
    Column("asked_at", BigInteger),
    Column("said", Text),
    Column("closed_at", BigInteger),
    Column("closed_by", Text),
    Column("answer", Text),
    Column("rejected", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    _one_of("state", GateState),
)

# Requests that started a campaign, each with the answer that it got.
triggers = Table(
    "triggers",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.id"), primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("sha256", Text),
    Column("answer", Text, nullable=False),
)

# --- tracking ---

# Where the counted links of a step's message lead. Nothing else is redirected to.
links = Table(
    "links",
    metadata,
    Column("step_id", ForeignKey("steps.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("url", Text, nullable=False),
    PrimaryKeyConstraint("step_id", "number"),
    sqlite_with_rowid=False,
)

# What programs call themselves that asked for an image or followed a link, and
# by which version of the rules their hits were told from those of people.
agents = Table(
    "agents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("rules", Integer, nullable=False),
)

# --- text messages ---

# What providers call the messages that they took: their events may name them by nothing else.
message_ids = Table(
    "message_ids",
    metadata,
    Column("step_id", ForeignKey("steps.id"), nullable=False),
    Column("contact_id", Integer, nullable=False),
    Column("message_id", Text, nullable=False),
    PrimaryKeyConstraint("step_id", "contact_id"),
    Index("message_ids_by_id", "message_id"),
    sqlite_with_rowid=False,
)

# --- topics: what contacts left themselves, by address, whatever a list says of it since ---

left_topics = Table(
    "left_topics",
    metadata,
    Column("topic", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    PrimaryKeyConstraint("topic", "address"),
    sqlite_with_rowid=False,
)

# --- hooks: other systems that are told of what happens ---

hooks = Table(
    "hooks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("off_since", BigInteger),
    Column("said", Text),
)

# What each is told of: events of one type, of one campaign or, under the empty name, of all.
hook_wants = Table(
    "hook_wants",
    metadata,
    Column("type", Text, nullable=False),
    Column("hook_id", ForeignKey("hooks.id"), nullable=False),
    Column("campaign", Text, nullable=False),
    PrimaryKeyConstraint("type", "hook_id", "campaign"),
    sqlite_with_rowid=False,
)

# What is still to be told, and what could not be. Rows are written by triggers (`hook_triggers.py`);
# `origin` is the entry of the journal, or the event, that says more.
hook_events = Table(
    "hook_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("hook_id", ForeignKey("hooks.id"), nullable=False),
    Column("campaign_id", ForeignKey("campaigns.id"), nullable=False),
    Column("type", Text, nullable=False),
    Column("step_id", Integer),
    Column("contact_id", Integer),
    Column("at", BigInteger, nullable=False),
    Column("origin", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("tried_since", BigInteger),
    Column("next_attempt_at", BigInteger, nullable=False),
    Column("died_at", BigInteger),
    Column("said", Text),
    # An id is never used again: the order of ids is the order in which things happened.
    sqlite_autoincrement=True,
)
Index(
    "hook_events_to_tell",
    hook_events.c.hook_id,
    hook_events.c.campaign_id,
    hook_events.c.id,
    sqlite_where=hook_events.c.died_at.is_(None),
)
Index(
    "hook_events_dead",
    hook_events.c.hook_id,
    hook_events.c.id,
    sqlite_where=hook_events.c.died_at.is_not(None),
)

# --- uploads: requests that come in parts, which are files beside the store ---

uploads = Table(
    "uploads",
    metadata,
    Column("id", Text, primary_key=True),
    Column("campaign_id", ForeignKey("campaigns.id"), nullable=False),
    Column("actor", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# --- conversions ---

# What contacts did after a message that we did not see ourselves, like an order:
# `value` in ten-thousandths. `told_step_id` is the message that whoever told it
# named; `step_id` the one that it is credited to, by this version of the rules.
conversions = Table(
    "conversions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("order_id", Text, nullable=False, unique=True),
    Column("list_id", ForeignKey("lists.id"), nullable=False),
    Column("contact_id", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("value", BigInteger),
    Column("currency", Text),
    Column("within", BigInteger, nullable=False),
    Column("told_step_id", ForeignKey("steps.id")),
    Column("step_id", ForeignKey("steps.id")),
    Column("rules", Integer, nullable=False),
    Index("conversions_of_contact", "contact_id"),
    Index("conversions_to_credit", "rules"),
    Index("conversions_of_step", "step_id"),
)
