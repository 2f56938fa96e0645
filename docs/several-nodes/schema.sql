-- Beside today's tables. PostgreSQL only; in SQLite's folder the same columns exist, unused.
ALTER TABLE nodes
    ADD COLUMN process BIGINT NOT NULL DEFAULT 0,      -- started later = greater; from the database's clock
    ADD COLUMN attempt BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN first_epoch BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN heard BIGINT NOT NULL DEFAULT 0,        -- the change log is in force there up to here
    ADD COLUMN expires_at_us BIGINT;                   -- null: no leases

-- One turn of a hard budget's window. taken = spent + reserved: what was settled in it, and what
-- leases and open holds have of it. A settlement moves nothing here.
CREATE TABLE pots (
    id TEXT PRIMARY KEY,                               -- budget_…:start
    organization_id TEXT NOT NULL,
    budget_id TEXT NOT NULL,
    window_at_us BIGINT NOT NULL,
    limit_nusd BIGINT NOT NULL CHECK (limit_nusd >= 0),
    cap_nusd BIGINT NOT NULL,
    taken_nusd BIGINT NOT NULL CHECK (taken_nusd >= 0),
    closed_at_us BIGINT,
    CHECK (taken_nusd <= cap_nusd)
);
CREATE INDEX pots_by_budget ON pots (budget_id, window_at_us);

-- What one node has of one pot in its present epoch. A wallet's pot is its row of accounts.
CREATE TABLE leases (
    pot_id TEXT NOT NULL,
    node_id TEXT NOT NULL REFERENCES nodes (id),
    free_nusd BIGINT NOT NULL CHECK (free_nusd >= 0),  -- the database itself refuses what is not leased
    asked BIGINT NOT NULL,
    granted_nusd BIGINT NOT NULL,
    recalled BIGINT NOT NULL CHECK (recalled IN (0, 1)),
    PRIMARY KEY (pot_id, node_id)
) WITH (fillfactor = 50);
CREATE INDEX leases_by_node ON leases (node_id);

ALTER TABLE holds
    ADD COLUMN legs TEXT NOT NULL DEFAULT '[]',        -- JSON: the pots it counts in
    ADD COLUMN deadline_at_us BIGINT NOT NULL DEFAULT 0;
CREATE INDEX holds_by_node ON holds (node_id, epoch);

CREATE TABLE rate_parts (                              -- how full the part is that is no node's
    limit_id TEXT PRIMARY KEY,
    units BIGINT NOT NULL,
    window_us BIGINT NOT NULL,
    level NUMERIC(39) NOT NULL,                        -- units × microseconds, as domain::rate::Bucket
    at_us BIGINT NOT NULL
);
CREATE TABLE rate_shares (
    limit_id TEXT NOT NULL REFERENCES rate_parts (limit_id),
    node_id TEXT NOT NULL REFERENCES nodes (id),
    units BIGINT NOT NULL,
    beat BIGINT NOT NULL,
    filled BIGINT NOT NULL,
    demand BIGINT NOT NULL,
    PRIMARY KEY (limit_id, node_id)
);
