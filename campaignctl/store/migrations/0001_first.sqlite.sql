-- The first schema.

CREATE TABLE daemons (
    epoch INTEGER NOT NULL,
    host TEXT NOT NULL,
    process_id INTEGER NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    PRIMARY KEY (epoch)
);

CREATE TABLE files (
    sha256 TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (sha256)
);

CREATE TABLE lists (
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    key_attribute TEXT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (name)
);

CREATE TABLE migrations (
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    applied_at BIGINT NOT NULL,
    PRIMARY KEY (number)
);

CREATE TABLE suppressions (
    channel TEXT NOT NULL,
    address TEXT NOT NULL,
    reason TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (channel, address)
)
 WITHOUT ROWID;

CREATE TABLE signing_keys (
    id INTEGER NOT NULL,
    secret BLOB NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE rate_marks (
    name TEXT NOT NULL,
    in_time_at BIGINT NOT NULL,
    PRIMARY KEY (name)
)
 WITHOUT ROWID;

CREATE TABLE attributes (
    list_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    column_name TEXT NOT NULL,
    type TEXT NOT NULL,
    PRIMARY KEY (list_id, name),
    FOREIGN KEY(list_id) REFERENCES lists (id)
)
 WITHOUT ROWID;

CREATE TABLE campaigns (
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    list_id INTEGER NOT NULL,
    seed TEXT NOT NULL,
    version INTEGER NOT NULL,
    state TEXT NOT NULL,
    published_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    members INTEGER,
    counts_from BIGINT,
    series_id INTEGER,
    starts_at BIGINT,
    PRIMARY KEY (id),
    CONSTRAINT state_is_known CHECK (state IN ('pending_approval', 'active', 'paused', 'completed', 'stopped')),
    UNIQUE (series_id, starts_at),
    UNIQUE (name),
    FOREIGN KEY(list_id) REFERENCES lists (id),
    FOREIGN KEY(series_id) REFERENCES campaigns (id)
);

CREATE TABLE skipped_starts (
    series_id INTEGER NOT NULL,
    starts_at BIGINT NOT NULL,
    PRIMARY KEY (series_id, starts_at),
    FOREIGN KEY(series_id) REFERENCES campaigns (id)
)
 WITHOUT ROWID;

CREATE TABLE proposals (
    campaign_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (campaign_id),
    FOREIGN KEY(campaign_id) REFERENCES campaigns (id)
);

CREATE TABLE journal (
    id INTEGER NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    campaign_id INTEGER,
    version INTEGER,
    detail TEXT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(campaign_id) REFERENCES campaigns (id)
);

CREATE INDEX journal_of_campaign ON journal (campaign_id, id);

CREATE TABLE steps (
    id INTEGER NOT NULL,
    campaign_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    verb TEXT NOT NULL,
    version INTEGER NOT NULL,
    state TEXT NOT NULL,
    wall_time TEXT,
    timezone TEXT NOT NULL,
    at BIGINT,
    effective_at BIGINT,
    started_at BIGINT,
    finished_at BIGINT,
    cohort INTEGER,
    reason TEXT,
    PRIMARY KEY (id),
    UNIQUE (campaign_id, name),
    CONSTRAINT state_is_known CHECK (state IN ('scheduled', 'waiting', 'running', 'held', 'done', 'skipped', 'cancelled')),
    FOREIGN KEY(campaign_id) REFERENCES campaigns (id)
);

CREATE TABLE version_files (
    campaign_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (campaign_id, version, path),
    FOREIGN KEY(campaign_id) REFERENCES campaigns (id),
    FOREIGN KEY(sha256) REFERENCES files (sha256)
)
 WITHOUT ROWID;

CREATE TABLE versions (
    campaign_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    content TEXT NOT NULL,
    published_at BIGINT NOT NULL,
    published_by TEXT NOT NULL,
    PRIMARY KEY (campaign_id, number),
    FOREIGN KEY(campaign_id) REFERENCES campaigns (id)
);

CREATE TABLE ways (
    id INTEGER NOT NULL,
    campaign_id INTEGER NOT NULL,
    path TEXT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (campaign_id, path),
    FOREIGN KEY(campaign_id) REFERENCES campaigns (id)
);

CREATE TABLE deliveries (
    step_id INTEGER NOT NULL,
    contact_id INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    made_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    next_attempt_at BIGINT,
    epoch INTEGER,
    reason TEXT,
    detail TEXT,
    PRIMARY KEY (step_id, contact_id),
    CONSTRAINT state_is_known CHECK (state IN ('queued', 'held', 'sending', 'sent', 'deferred', 'uncertain', 'failed', 'skipped', 'rejected', 'cancelled')),
    FOREIGN KEY(step_id) REFERENCES steps (id),
    FOREIGN KEY(epoch) REFERENCES daemons (epoch)
)
 WITHOUT ROWID;

CREATE INDEX deliveries_to_try ON deliveries (step_id, state, next_attempt_at, contact_id) WHERE next_attempt_at IS NOT NULL;

CREATE INDEX deliveries_in_flight ON deliveries (step_id, epoch) WHERE epoch IS NOT NULL;

CREATE TABLE orphan_outcomes (
    id INTEGER NOT NULL,
    step_id INTEGER NOT NULL,
    contact_id INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    detail TEXT,
    at BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(step_id) REFERENCES steps (id)
);

CREATE TABLE events (
    id INTEGER NOT NULL,
    step_id INTEGER NOT NULL,
    contact_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    url TEXT NOT NULL,
    is_machine BOOLEAN NOT NULL,
    link INTEGER,
    method TEXT,
    agent_id INTEGER,
    delay BIGINT,
    PRIMARY KEY (id),
    UNIQUE (step_id, kind, contact_id, at, url),
    FOREIGN KEY(step_id) REFERENCES steps (id)
);

CREATE TABLE members (
    campaign_id INTEGER NOT NULL,
    contact_id INTEGER NOT NULL,
    way_id INTEGER NOT NULL,
    left_at_step INTEGER,
    data TEXT,
    gate TEXT,
    PRIMARY KEY (campaign_id, contact_id),
    FOREIGN KEY(campaign_id) REFERENCES campaigns (id),
    FOREIGN KEY(way_id) REFERENCES ways (id),
    FOREIGN KEY(left_at_step) REFERENCES steps (id)
)
 WITHOUT ROWID;

CREATE TABLE tokens (
    id TEXT NOT NULL,
    digest BLOB NOT NULL,
    scopes TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    made_by TEXT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    PRIMARY KEY (id)
)
 WITHOUT ROWID;

CREATE TABLE batches (
    step_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    first_contact INTEGER NOT NULL,
    last_contact INTEGER NOT NULL,
    PRIMARY KEY (step_id, first_contact),
    FOREIGN KEY(step_id) REFERENCES steps (id)
)
 WITHOUT ROWID;

CREATE TABLE gates (
    id INTEGER NOT NULL,
    step_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    endpoint TEXT NOT NULL,
    is_holding BOOLEAN NOT NULL,
    on_timeout TEXT NOT NULL,
    state TEXT NOT NULL,
    contacts INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    expires_at BIGINT,
    attempts INTEGER NOT NULL,
    next_attempt_at BIGINT,
    asked_at BIGINT,
    said TEXT,
    closed_at BIGINT,
    closed_by TEXT,
    answer TEXT,
    rejected INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (step_id),
    CONSTRAINT state_is_known CHECK (state IN ('requested', 'asked', 'answered', 'released', 'rejected', 'timed_out', 'cancelled')),
    FOREIGN KEY(step_id) REFERENCES steps (id)
);

CREATE TABLE triggers (
    campaign_id INTEGER NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    idempotency_key TEXT,
    sha256 TEXT,
    answer TEXT NOT NULL,
    PRIMARY KEY (campaign_id),
    FOREIGN KEY(campaign_id) REFERENCES campaigns (id)
);

CREATE TABLE links (
    step_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    url TEXT NOT NULL,
    PRIMARY KEY (step_id, number),
    FOREIGN KEY(step_id) REFERENCES steps (id)
)
 WITHOUT ROWID;

CREATE TABLE agents (
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    rules INTEGER NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (name)
);

CREATE TABLE message_ids (
    step_id INTEGER NOT NULL,
    contact_id INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    PRIMARY KEY (step_id, contact_id),
    FOREIGN KEY(step_id) REFERENCES steps (id)
)
 WITHOUT ROWID;

CREATE INDEX message_ids_by_id ON message_ids (message_id);

CREATE TABLE left_topics (
    topic TEXT NOT NULL,
    address TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (topic, address)
)
 WITHOUT ROWID;

CREATE TABLE hooks (
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    off_since BIGINT,
    said TEXT,
    PRIMARY KEY (id),
    UNIQUE (name)
);

CREATE TABLE hook_wants (
    type TEXT NOT NULL,
    hook_id INTEGER NOT NULL,
    campaign TEXT NOT NULL,
    PRIMARY KEY (type, hook_id, campaign),
    FOREIGN KEY(hook_id) REFERENCES hooks (id)
)
 WITHOUT ROWID;

CREATE TABLE hook_events (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    hook_id INTEGER NOT NULL,
    campaign_id INTEGER NOT NULL,
    type TEXT NOT NULL,
    step_id INTEGER,
    contact_id INTEGER,
    at BIGINT NOT NULL,
    origin INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    tried_since BIGINT,
    next_attempt_at BIGINT NOT NULL,
    died_at BIGINT,
    said TEXT,
    FOREIGN KEY(hook_id) REFERENCES hooks (id),
    FOREIGN KEY(campaign_id) REFERENCES campaigns (id)
);

CREATE INDEX hook_events_dead ON hook_events (hook_id, id) WHERE died_at IS NOT NULL;

CREATE INDEX hook_events_to_tell ON hook_events (hook_id, campaign_id, id) WHERE died_at IS NULL;

CREATE TABLE uploads (
    id TEXT NOT NULL,
    campaign_id INTEGER NOT NULL,
    actor TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(campaign_id) REFERENCES campaigns (id)
)
 WITHOUT ROWID;

CREATE TABLE conversions (
    id INTEGER NOT NULL,
    order_id TEXT NOT NULL,
    list_id INTEGER NOT NULL,
    contact_id INTEGER NOT NULL,
    at BIGINT NOT NULL,
    value BIGINT,
    currency TEXT,
    within BIGINT NOT NULL,
    told_step_id INTEGER,
    step_id INTEGER,
    rules INTEGER NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (order_id),
    FOREIGN KEY(list_id) REFERENCES lists (id),
    FOREIGN KEY(told_step_id) REFERENCES steps (id),
    FOREIGN KEY(step_id) REFERENCES steps (id)
);
CREATE INDEX conversions_of_contact ON conversions (contact_id);
CREATE INDEX conversions_to_credit ON conversions (rules);
CREATE INDEX conversions_of_step ON conversions (step_id);
